"""What the application said last: the messages of a bounded choice of endings, and the facts that follow from them.

Lives here: which endings and packets are dissected, and the flow from packets to facts. Beside it: `streams` (payload ->
clean streams), `tshark` (running tshark, reading its answer with pyshark), `words` (layers -> messages), `facts`
(messages -> facts).
Never here: what a fact is worth (the causes say that). A choice never depends on the diagnosis, nor on the time it takes.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analyzer import schema
from analyzer.dissection.facts import COLUMNS, Said, facts_of
from analyzer.dissection.streams import Segment, Stream, untangle, write
from analyzer.dissection.tshark import TsharkFailed, find_tshark, layers_of, payloads_of, tshark_version
from analyzer.dissection.words import messages_of, wording
from analyzer.errors import Notice, PcapreportError
from analyzer.language import say

__all__ = ["Dissection", "chosen", "dissect", "find_tshark", "tshark_version"]

ENDINGS_AT_MOST = 100
PER_GROUP = 10
PACKETS_AT_MOST = 2_000
PACKETS_PER_ENDING = 64  # the first few and the last of each direction
FIRST_PACKETS = 6  # of each direction: enough for a start-up and its answer (version, process id)
BYTES_PER_ENDING = 128 * 1024  # and per direction half of it: tshark's answer is some forty times as long
BYTES_AT_MOST = 2 * 1024 * 1024
WITH_KEYS = (
    8  # times as many packets and bytes of an ending: TLS is read from its handshake on without a gap, or not at all
)

# Discrete facts that an ending has before anything is judged: endings that agree in all of them are one group.
GROUPED_BY = (
    "kind", "point", "apparent_sender", "stage", "server_port", "has_ack", "window_zero", "live_socket", "trigger_kind",
    "answers_trigger", "sender_fin", "peer_fin", "handshake", "captured_at",
)  # fmt: skip

Extract = Callable[[str, Sequence[int], Path], list[int]]


@dataclass(frozen=True)
class Dissection:
    """What dissection found.

    facts    one row per chosen ending: `ending` and the columns of ENDINGS' "last words"; all NA where tshark failed
    words    one row per packet in which messages end: capture, frame, words (for PACKETS.words)
    notices  what was left out or failed
    """

    facts: pd.DataFrame
    words: pd.DataFrame
    notices: tuple[Notice, ...] = ()


def _useful(packets: pd.DataFrame) -> pd.DataFrame:
    """The packets that carry payload: no copies, no keepalive probes, in the order of the table."""
    useful = packets["captured"].fillna(0).gt(0) & packets["copy_of"].isna() & ~packets["keepalive"].fillna(False)
    for name in ("point", "connection", "capture", "frame", "from_client", "seq", "length"):
        useful &= packets[name].notna()
    return packets[useful.astype(bool)]


def _able(endings: pd.DataFrame, packets: pd.DataFrame) -> list[str]:
    """The endings whose connection has captured payload."""
    places = set(_useful(packets)[["point", "connection"]].itertuples(index=False, name=None))
    columns = (endings["ending"], endings["point"], endings["connection"])
    return [
        str(ending) for ending, *place in zip(*columns, strict=True) if tuple(place) in places and not pd.isna(ending)
    ]


def chosen(endings: pd.DataFrame, packets: pd.DataFrame) -> list[str]:
    """Choose the endings to dissect: a few of each kind that the discrete facts tell apart, in the order of the table.

    Parameters
    ----------
    endings : DataFrame
        ENDINGS, as far as it is filled.
    packets : DataFrame
        PACKETS; an ending without captured payload is not chosen.

    Returns
    -------
    list of str
        At most `ENDINGS_AT_MOST`, at most `PER_GROUP` of a group, spread over each group's length.
    """
    able = set(_able(endings, packets))
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    keys = endings[list(GROUPED_BY)].astype("string").fillna("?")
    for ending, key in zip(endings["ending"], keys.itertuples(index=False, name=None), strict=True):
        if not pd.isna(ending) and ending in able:
            groups[key].append(str(ending))
    rounds: list[list[str]] = [[] for _ in range(PER_GROUP)]
    for members in groups.values():
        few = min(PER_GROUP, len(members))
        for turn in range(few):
            rounds[turn].append(members[turn * (len(members) - 1) // max(1, few - 1)])
    taken = set([ending for turn in rounds for ending in turn][:ENDINGS_AT_MOST])
    return [str(ending) for ending in endings["ending"] if ending in taken]


def _window(own: pd.DataFrame, after: set[tuple[str, int]], most: int, most_bytes: int) -> pd.DataFrame:
    """Of each direction the first packets and the last ones before the ending, and a few after it, in table order.

    At most `most` packets and `most_bytes` bytes of a direction, but always its last packet.
    """
    own = _useful(own).drop_duplicates(["from_client", "seq", "length"])
    late = pd.Series(
        [place in after for place in zip(own["capture"], own["frame"], strict=True)], own.index, dtype=bool
    )
    kept: list[int] = []
    for way in (True, False):
        before, behind = (own[own["from_client"].eq(way) & side] for side in (~late, late))
        size = dict(zip(own.index, own["captured"].astype("int64"), strict=True))
        few = min(FIRST_PACKETS, most // 4)
        first, last = list(before.index[:few]), list(before.index[few:])
        first, last = (first, last) if last else (first[:-1], first[-1:])
        used, taken = 0, 0
        for some in (last[-1:], first, list(behind.index[: most // 4]), last[-2::-1]):
            for row in some:
                if taken and (taken >= most or used + size[row] > most_bytes):
                    break
                used, taken = used + size[row], taken + 1
                kept.append(row)
    return own.loc[sorted(kept)]


def _segments(
    ending: str, window: pd.DataFrame, payloads: dict[tuple[str, int], bytes], after: set[tuple[str, int]]
) -> list[Segment]:
    """The window's packets with their payload."""
    columns = [window[name] for name in ("capture", "frame", "from_client", "seq", "length")]
    return [
        Segment(ending, place, str(capture), int(frame), bool(from_client), int(seq), int(length),
                payloads.get((str(capture), int(frame)), b""), (capture, frame) in after)
        for place, (capture, frame, from_client, seq, length) in enumerate(zip(*columns, strict=True))
    ]  # fmt: skip


def _payloads(wanted: dict[str, set[int]], extract: Extract, tshark: Path, room: Path) -> dict[tuple[str, int], bytes]:
    """The TCP payload of each wanted (capture, frame); files of one format are read in one go."""
    files: dict[bytes, list[tuple[bytes, list[tuple[str, int]]]]] = defaultdict(list)
    for number, (capture, frames) in enumerate(wanted.items()):
        target = room / f"part{number}"
        written = extract(capture, sorted(frames), target)
        content = target.read_bytes()
        target.unlink()
        pcapng = content[:4] == b"\x0a\x0d\x0d\x0a"  # sections of pcapng may follow one another; so may pcap's records
        head = b"" if pcapng else content[:24]
        files[head].append((content[len(head) :], [(capture, int(frame)) for frame in written]))
    found: dict[tuple[str, int], bytes] = {}
    for head, parts in files.items():
        joined = room / "joined"
        joined.write_bytes(head + b"".join(content for content, _ in parts))
        places = [place for _, written in parts for place in written]
        for number, payload in payloads_of(joined, tshark):
            if 0 < number <= len(places):
                found[places[number - 1]] = payload
        joined.unlink()
    return found


def _told(
    streams: Sequence[Stream], tshark: Path, room: Path, statements: bool, keylog: Path | None
) -> dict[str, list[Said]]:
    """Ending -> its segments in which messages end, with these messages, as tshark and pyshark read them."""
    told: dict[str, list[Said]] = defaultdict(list)
    if streams:
        order = write(streams, room / "streams.pcap")
        for number, layers in layers_of(room / "streams.pcap", tshark, keylog):
            if number <= len(order):
                stream, segment = order[number - 1]
                if messages := messages_of(layers, stream, segment, statements=statements):
                    told[stream.ending].append(Said(stream, segment, messages))
    return told


def dissect(
    endings: pd.DataFrame,
    packets: pd.DataFrame,
    extract: Extract,
    tshark: Path,
    *,
    statements: bool = False,
    keylog: Path | None = None,
) -> Dissection:
    """Find what the application said last on a bounded choice of endings.

    Parameters
    ----------
    endings, packets : DataFrame
        ENDINGS and PACKETS.
    extract : callable
        `extract(capture, frames, target)` writes these frames of that capture to the new file `target` (pcap or pcapng)
        and returns the numbers of the frames written, in order.
    tshark : Path
        tshark's absolute path (`find_tshark`).
    statements : bool
        Append the text of SQL statements (at most 300 characters, control characters escaped) to the words.
    keylog : Path
        The TLS secrets of these connections, as SSLKEYLOGFILE has them; an absolute path. What they open is read like plain text.

    Returns
    -------
    Dissection
        The same for the same input, whatever the machine's speed or the user's Wireshark settings.
    """
    endings, packets = schema.ENDINGS.conform(endings), schema.PACKETS.conform(packets)
    picked = chosen(endings, packets)
    notices: list[Notice] = []
    able = len(_able(endings, packets))
    if len(picked) < able:
        sentence = say(
            "The application's last words were read on {some} of {all} endings, some of each kind.",
            some=len(picked),
            all=able,
        )
        notices.append(Notice("info", "dissection", "", sentence))

    rows: dict[str, pd.DataFrame] = {}
    more = WITH_KEYS if keylog else 1
    most_packets = min(PACKETS_PER_ENDING * more, PACKETS_AT_MOST // max(1, len(picked))) // 2  # of each direction
    most_bytes = min(BYTES_PER_ENDING * more, BYTES_AT_MOST // max(1, len(picked))) // 2
    own = {str(row["ending"]): row for row in endings[endings["ending"].isin(picked)].to_dict("records")}
    packets = packets[packets["connection"].isin([row["connection"] for row in own.values()])]
    after: dict[str, set[tuple[str, int]]] = {}
    for ending in picked:
        row = own[ending]
        mine = packets[packets["connection"].eq(row["connection"]) & packets["point"].eq(row["point"])]
        order = list(zip(mine["capture"], mine["frame"], strict=True))
        here = (row["capture"], row["frame"])
        after[ending] = set(order[order.index(here) + 1 :]) if here in order else set()
        rows[ending] = _window(mine, after[ending], most_packets, most_bytes)
    wanted: dict[str, set[int]] = defaultdict(set)
    for window in rows.values():
        for capture, frame in zip(window["capture"], window["frame"], strict=True):
            wanted[str(capture)].add(int(frame))

    streams: list[Stream] = []
    told: dict[str, list[Said]] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="pcapreport-", ignore_cleanup_errors=True) as folder:
            payloads = _payloads(wanted, extract, tshark, Path(folder)) if wanted else {}
            for ending, window in rows.items():
                segments = _segments(ending, window, payloads, after[ending])
                port = own[ending]["server_port"]
                kept = [segment.last(most_bytes) for segment in segments if segment.payload]
                streams += untangle(kept, None if pd.isna(port) else int(port))
            told = _told(streams, tshark, Path(folder), statements, keylog)
    except (TsharkFailed, PcapreportError, OSError, ImportError) as trouble:
        sentence = say("The application's last words could not be read: {reason}.", reason=str(trouble).rstrip("."))
        notices.append(Notice("warning", "dissection", "", sentence))
        streams, told = [], {}

    found = []
    for ending in picked:
        its_streams = [stream for stream in streams if stream.ending == ending]
        found.append({"ending": ending, **facts_of(its_streams, told.get(ending, []))})
    facts = pd.DataFrame({name: pd.Series([row[name] for row in found], dtype=kind) for name, kind in COLUMNS.items()})
    said = [one for ending in picked for one in told.get(ending, [])]
    words = {(one.segment.capture, one.segment.frame): wording(one.messages) for one in said}
    table = [(capture, frame, text) for (capture, frame), text in sorted(words.items()) if text]
    types = {"capture": "string", "frame": "Int64", "words": "string"}
    return Dissection(facts, pd.DataFrame(table, columns=list(types)).astype(types), tuple(notices))
