"""Reading one capture file from beginning to end: records -> Chunks of segments.

Lives here: `Chunk` and `read`, which both passes use.
Never here: a format's layout (pcap, pcapng), headers (decode), which files there are (files).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from analyzer.capture import decode, links
from analyzer.capture.behind import Behind, behind
from analyzer.capture.deriving import derive
from analyzer.capture.files import CaptureFile
from analyzer.capture.messages import BYTES_KEPT, IN_A_CHUNK, Message
from analyzer.capture.records import PLACE, SECRETS_AT_MOST, Counts, Parser, Rows
from analyzer.capture.streams import Stream
from analyzer.capture.walking import CHUNK_BYTES, Mark, Stretch, parser_of, stretches
from analyzer.errors import Notice
from analyzer.language import say
from analyzer.schema import NO_TIME, SEGMENT

PIECE_BYTES = (
    32 * 2**20
)  # between two marks: a fifth of a second's work, and a tenth of what a ring's files usually have
Keep = Callable[[Rows], Counts]  # SEGMENT rows -> numbers of those to keep, ascending


@dataclass(frozen=True)
class Chunk:
    """What one stretch of a file holds. Counts are of this chunk; what is "so far" is of the file up to its end.

    segments     SEGMENT rows in file order, read-only
    packets      records of any protocol: frame numbers grow by this much
    resets       segments with the RST flag
    other        packets that are not TCP
    unreadable   packets that look like TCP but are cut or contradict themselves before the end of the TCP header
    fragments    pieces of TCP segments that are not the first one, and carry no header
    cut_packets  packets captured shorter than they were
    backwards    times the clock went backwards by more than a second
    first, last  earliest and latest capture time, ns since 1970 UTC; None when no packet here has one
    link_types   names, so far
    tunnels      bits of schema.TUNNELS: what segments here were wrapped in
    snaplen      bytes, so far; None when unlimited or not stated
    drops        packets lost as the file says, so far; None when it does not
    directions   some frame said whether it came in or went out
    notices      new in this chunk
    messages     ICMP errors and announcements of addresses, at most IN_A_CHUNK; none where segments were chosen
    unread_messages  how many more there are
    behind       the bytes of the segments, where those worth them were chosen
    mark         where the chunk ends, if a plain file's next piece begins there
    secrets      where TLS secrets stand in the file (`tls_secrets`): (offset, length) in the uncompressed file; they are not read here
    """

    segments: Rows
    packets: int
    resets: int
    other: int
    unreadable: int
    fragments: int
    cut_packets: int
    backwards: int
    first: int | None
    last: int | None
    link_types: tuple[str, ...]
    tunnels: int
    snaplen: int | None
    drops: int | None
    directions: bool
    notices: tuple[Notice, ...]
    messages: tuple[Message, ...] = ()
    unread_messages: int = 0
    behind: Behind | None = None
    mark: Mark | None = None
    secrets: tuple[tuple[int, int], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of memory that it takes."""
        messages = len(self.messages) * (sys.getsizeof(self.messages[0]) + 3 * BYTES_KEPT) if self.messages else 0
        return self.segments.nbytes + messages + (0 if self.behind is None else self.behind.data.nbytes)


def read(
    file: CaptureFile,
    *,
    chunk_bytes: int = CHUNK_BYTES,
    keep: Keep | None = None,
    begin: Mark | None = None,
    end: Mark | None = None,
    spare: deque[Rows] | None = None,
) -> Iterator[Chunk]:
    """Read a capture file.

    Parameters
    ----------
    file : CaptureFile
        As `find` returned it.
    chunk_bytes : int
        Bytes read at a time. The segments of all chunks together do not depend on it.
    keep : function of segments, optional
        Returns the numbers of the rows that are worth a closer look: a chunk then has only these, with the bytes behind them for
        `checksums` and `clips`. Its counts are still those of all.

    begin, end : Mark, optional
        Read only what lies between these marks of an earlier reading.
    spare : deque of SEGMENT arrays, optional
        Memory of earlier chunks that is used again: fresh memory costs as much as decoding into it.

    Yields
    ------
    Chunk
        In file order, at least one.

    Raises
    ------
    UnusableInput
        When the file can no longer be opened.
    """
    previous = NO_TIME
    warned = False
    last: Chunk | None = None
    secrets: list[tuple[int, int]] = []
    blocks = 0
    with Stream(file.path) as stream:
        parser = begin.parser.fork() if begin else parser_of(file.format)
        marked = begin.position if begin else 0
        for stretch in stretches(stream, parser, file.name, chunk_bytes, begin=begin, end=end):
            records = stretch.step.records
            notices = [stretch.notice] if stretch.notice else []
            room = SECRETS_AT_MOST + 1 - blocks  # one more says that there are more
            found_secrets = [(stretch.base + start, size) for start, size in stretch.step.secrets[:room]]
            blocks += len(found_secrets)
            secrets += found_secrets
            if not len(records) and not notices:
                continue
            tally = decode.new_tally(previous)
            segments = _room(len(records), spare)
            places = np.empty(0 if keep is not None else min(len(records), IN_A_CHUNK), PLACE)
            found = decode.decode(stretch.data, records, stretch.frame, stretch.base, segments, places, tally)
            derive(segments[:found])
            previous = tally[decode.PREVIOUS]
            if tally[decode.UNDECODED] and not warned:
                warned = True
                notices.append(_not_decoded(file.name, parser.link_types))
            last = _chunk(segments[:found], len(records), tally, parser, notices)
            if keep is not None:
                rows = last.segments[keep(last.segments)]
                last = replace(last, segments=rows, behind=behind(stretch.data, stretch.base, rows))
                if spare is not None:
                    spare.append(segments)
            elif tally[decode.MESSAGES]:
                messages = _messages(stretch, places[: tally[decode.MESSAGES]])
                last = replace(last, messages=messages, unread_messages=int(tally[decode.MESSAGES]) - len(messages))
            place = stretch.base + stretch.step.position
            if place - marked >= PIECE_BYTES and not stream.compression:
                last = replace(last, mark=Mark(place, stretch.frame + len(records), parser.fork()))
                marked = place
            yield replace(last, secrets=tuple(secrets)) if secrets else last
            secrets = []
    if not last or last.drops != parser.drops or secrets:  # statistics come after the last packet
        nothing = [] if last else [Notice("info", file.name, "", say("The capture holds no packets."))]
        rest = _chunk(np.empty(0, SEGMENT), 0, decode.new_tally(NO_TIME), parser, nothing)
        yield replace(rest, secrets=tuple(secrets))


def _room(rows: int, spare: deque[Rows] | None) -> Rows:
    """Return an array for at least so many segments, a spare one where it is long enough."""
    with suppress(IndexError):
        if spare is not None and len(found := spare.pop()) >= rows:
            return found
    return np.empty(1 << max(rows - 1, 0).bit_length(), SEGMENT)


def _messages(stretch: Stretch, places: Rows) -> tuple[Message, ...]:
    """Take the messages out of a stretch of a file."""
    times = stretch.step.records["time"][places["record"]].tolist()
    return tuple(
        Message(stretch.frame + record, time, vlan, stretch.data[start : start + min(size, BYTES_KEPT)].tobytes())
        for (record, start, size, vlan), time in zip(places.tolist(), times, strict=True)
    )


def _not_decoded(name: str, link_types: Sequence[int]) -> Notice:
    """Return the notice for link types that are not understood."""
    unknown = ", ".join(f"{links.name(link)} ({link})" for link in link_types if link not in links.DECODED)
    return Notice(
        "warning",
        name,
        "",
        say("Packets of link type {types} are not understood and were only counted.", types=unknown),
    )


def _chunk(segments: Rows, packets: int, tally: Counts, parser: Parser, notices: Sequence[Notice]) -> Chunk:
    """Freeze what one stretch gave."""
    segments.flags.writeable = False

    def time(place: int) -> int | None:
        return None if tally[place] == NO_TIME else int(tally[place])

    return Chunk(
        segments=segments,
        packets=packets,
        resets=int(tally[decode.RESETS]),
        other=int(tally[decode.OTHERS]),
        unreadable=int(tally[decode.UNREADABLES]),
        fragments=int(tally[decode.FRAGMENTS]),
        cut_packets=int(tally[decode.CUT]),
        backwards=int(tally[decode.BACKWARDS]),
        first=time(decode.EARLIEST),
        last=time(decode.LATEST),
        link_types=tuple(dict.fromkeys(map(links.name, parser.link_types))),
        tunnels=int(tally[decode.TUNNELS]),
        snaplen=parser.snaplen,
        drops=parser.drops,
        directions=bool(tally[decode.DIRECTED]),
        notices=tuple(notices),
    )
