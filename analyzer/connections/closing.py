"""The end of pass 1: the state of one capture point read out as tables.

Lives here: `Traffic` and CONNECTIONS and RESET_FRAMES.
Never here: sums over connections (summaries.py), where the capture was taken (coverage.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.connections import layout, zeek
from analyzer.connections.columns import address_text, booleans, integers, seconds, strings, times
from analyzer.connections.coverage import coverage_table
from analyzer.connections.folding import State, files_past_limit
from analyzer.connections.quoted import attempts_ended, quoted
from analyzer.connections.roles import client_ends
from analyzer.connections.summaries import gaps_table, hosts_table, traffic_table
from analyzer.connections.sums import PATH, count_unseen
from analyzer.errors import Notice
from analyzer.language import say
from analyzer.schema import CONNECTIONS, ICMP_ERRORS, NO_TIME, RESET_FRAMES

Array = npt.NDArray[Any]

SILENCE_NS = (
    3 * layout.SECOND
)  # a first retransmission this long before the end of the capture has had time to be answered
SILENCE_TIMES = 2  # … or this many retransmissions
SENT_BITS = 6  # what an end can be seen to send, see zeek.Seen


@dataclass(frozen=True)
class Index:
    """What pass 2 needs besides CONNECTIONS to find the same packets again."""

    identities: Array  # of each row of CONNECTIONS
    tuples: Array  # layout.TUPLE
    streams: Array  # layout.STREAM
    tuple_of: Array  # row of `tuples` per connection
    pivot: Array  # frames before its first RST per connection, or all of them
    client_end: Array


@dataclass(frozen=True)
class Ends:
    """The working rows in columns, each connection's client first: what the tables are made from."""

    connections: Array  # layout.CONNECTION
    client: Array  # layout.SIDE
    server: Array
    client_end: Array  # 0 or 1
    roles_known: Array
    client_host: Array  # rows of layout.HOST
    server_host: Array
    client_port: Array
    server_port: Array


@dataclass(frozen=True)
class Traffic:
    """What pass 1 says of one capture point: tables of `analyzer.schema`, and what pass 2 needs (`index`)."""

    point: str
    connections: pd.DataFrame
    hosts: pd.DataFrame
    gaps: pd.DataFrame
    traffic: pd.DataFrame
    reset_frames: pd.DataFrame
    icmp_errors: pd.DataFrame
    coverage: pd.DataFrame
    notices: tuple[Notice, ...]
    identities: int  # how many connections were numbered
    index: Index


def close(state: State, captures: pd.DataFrame | None = None, errors: pd.DataFrame | None = None) -> Traffic:
    """Read the state of one capture point out as tables.

    Parameters
    ----------
    captures : CAPTURES, optional
        The rows of this point: drops, first and last packet.
    errors : ICMP_ERRORS, optional
        The rows of this point: they say which attempts to connect ended by one.

    Returns
    -------
    Traffic
        CONNECTIONS, HOSTS, GAPS, TRAFFIC, RESET_FRAMES, ICMP_ERRORS with their connections, and a COVERAGE of one row. The state is not
        changed: more may be folded and `close` called again.
    """
    ends = read_ends(state)
    texts = addresses(state)
    connections = connections_table(state, ends, texts, end_of_capture(ends, captures))
    errors = quoted(ICMP_ERRORS.empty() if errors is None else errors, connections)
    connections.loc[attempts_ended(errors, connections), "ended"] = "silence"
    hosts = state.hosts[: state.counts[layout.HOSTS]]
    place = np.argsort(np.argsort(np.array(texts, dtype=str)))  # in the order of addresses
    paths = _paths(ends)
    return Traffic(
        point=state.point,
        connections=connections,
        hosts=hosts_table(state.point, hosts, texts, place, ends.connections, paths),
        gaps=gaps_table(state.point, paths, state.settled.paths, texts, place, state.first_connection),
        traffic=traffic_table(state.point, ends.connections, connections["ended"], paths, state.settled, texts, place),
        reset_frames=reset_frames_table(state, texts),
        icmp_errors=errors,
        coverage=coverage_table(
            state.point,
            connections,
            hosts,
            texts,
            ends.client_host,
            ends.server_host,
            int(state.counts[layout.SEGMENTS]),
            count_unseen(state.sides[: 2 * len(connections)]),
            captures,
            state.settled,
        ),
        notices=notices(state, texts),
        identities=int(state.counts[layout.NUMBERED]),
        index=make_index(state, ends),
    )


def read_ends(state: State) -> Ends:
    """Decide the roles, which needs the whole population where no handshake tells, and put each connection's client first."""
    count = int(state.counts[layout.CONNECTIONS])
    connections = state.connections[:count]
    tuples = state.tuples.take(connections["tuple"])
    known = np.where(connections["syn_from"] >= 0, connections["syn_from"], -1)
    syn_ack = (known < 0) & (connections["syn_ack_from"] >= 0)
    known = np.where(syn_ack, 1 - connections["syn_ack_from"], known).astype(np.int8)
    end = known if (known >= 0).all() else _guessed_clients(state, tuples, known)
    rows = 2 * np.arange(count)
    return Ends(
        connections=connections,
        client=state.sides.take(rows + end),
        server=state.sides.take(rows + 1 - end),
        client_end=end,
        roles_known=known >= 0,
        client_host=np.where(end == 0, tuples["host0"], tuples["host1"]),
        server_host=np.where(end == 0, tuples["host1"], tuples["host0"]),
        client_port=np.where(end == 0, tuples["port0"], tuples["port1"]),
        server_port=np.where(end == 0, tuples["port1"], tuples["port0"]),
    )


def _guessed_clients(state: State, tuples: Array, known: Array) -> Array:
    """Which end is each connection's client: `known` where it is not -1; `tuples` has a row for each."""
    count = len(tuples)
    endpoint0 = tuples["host0"].astype(np.int64) << 16 | tuples["port0"]
    endpoint1 = tuples["host1"].astype(np.int64) << 16 | tuples["port1"]
    numbers, _ = pd.factorize(np.concatenate([endpoint0, endpoint1]))
    served = np.unique(state.settled.paths["server"] << 16 | state.settled.paths["port"])
    return client_ends(
        numbers[:count],
        tuples["port0"],
        numbers[count:],
        tuples["port1"],
        state.connections["first_from"][:count],
        known,
        np.unique(numbers[np.isin(np.concatenate([endpoint0, endpoint1]), served)]),
    )


def _paths(ends: Ends) -> Array:
    """Each connection as a row of sums.PATH."""
    paths = np.zeros(len(ends.connections), PATH)
    paths["client"], paths["server"], paths["port"] = ends.client_host, ends.server_host, ends.server_port
    paths["connections"] = 1
    paths["survived"], paths["survivor"] = ends.connections["survived"], ends.connections["number"]
    return paths


def addresses(state: State) -> list[str]:
    """The text of each host's address."""
    hosts = state.hosts[: state.counts[layout.HOSTS]]
    return [address_text(hi, lo) for hi, lo in zip(hosts["hi"].tolist(), hosts["lo"].tolist(), strict=True)]


def payload(side: Array) -> Array:
    """Payload bytes by sequence numbers: what lies between the first byte and the highest, FIN apart."""
    return np.where(side["known"], np.maximum(side["next"] - side["start"] - side["fin"], 0), 0)


def payload_acknowledged(side: Array) -> Array:
    """Whether the other end acknowledged all payload of this end."""
    return np.where(side["known"], side["acked"] >= side["next"] - side["fin"], True)


def unanswered(side: Array, other: Array) -> tuple[Array, Array]:
    """Whether the last data, SYN or FIN of an end was sent again and never acknowledged; and whether that can be known.

    It cannot where the other end is not in the capture at all, unless nothing but a SYN was sent: then silence is the fact.
    """
    only_syn = side["isn_known"] & (side["next"] == side["start"])
    visible = (other["packets"] > 0) | only_syn
    return side["known"] & (side["acked"] < side["next"]) & (side["again"] > 0), visible | (side["again"] == 0)


def _ended(ends: Ends, last: int) -> tuple[Array, Array, Array]:
    """`ended` as a code (0 well, 1 reset, 2 silence, 3 open), `unanswered`, and where that is known."""
    silent = np.zeros(len(ends.connections), bool)
    asked = np.zeros(len(ends.connections), bool)
    known = np.ones(len(ends.connections), bool)
    for side, other in ((ends.client, ends.server), (ends.server, ends.client)):
        waiting, visible = unanswered(side, other)
        waited = (side["again_time"] != NO_TIME) & (last - side["again_time"] >= SILENCE_NS)
        asked |= waiting & visible
        known &= visible
        listening = other["window"] > 0  # a receiver that closed its window may be alive: what is sent again are probes
        silent |= waiting & visible & listening & (waited | (side["again"] >= SILENCE_TIMES))
    client, server = ends.client, ends.server
    reset = (client["resets"] > 0) | (server["resets"] > 0)
    both_fins = client["fin"] & server["fin"]
    delivered = payload_acknowledged(client) & payload_acknowledged(server)
    one_way = (client["packets"] == 0) | (server["packets"] == 0)
    one_fin = (client["fin"] & (client["again"] == 0)) | (server["fin"] & (server["again"] == 0))
    well = (both_fins & (delivered | ~silent)) | (one_way & one_fin)
    ended = np.select([reset, both_fins & delivered, silent, well], [1, 0, 2, 0], 3)
    return ended, asked, known | asked


def end_of_capture(ends: Ends, captures: pd.DataFrame | None) -> int:
    """Time of the last packet of any protocol, ns; of the last segment where no file says."""
    last = int(ends.connections["last"].max()) if len(ends.connections) else NO_TIME
    if captures is not None and captures["last"].notna().any():
        last = max(last, captures["last"].max().value)
    return last


def connections_table(state: State, ends: Ends, texts: list[str], last: int) -> pd.DataFrame:
    """CONNECTIONS of one capture point, in order of first packets; the capture ended at `last`."""
    c, client, server = ends.connections, ends.client, ends.server
    count = len(c)
    ended, asked, asked_known = _ended(ends, last)

    def side_of(end: Array) -> Array:
        """0 where that end is the client, 1 the server, -1 (the last choice: none) where there is no such end."""
        return np.where(end < 0, -1, (end != ends.client_end).astype(np.int64))

    names = list(state.files.values())
    numbers = np.array(list(state.files), np.int64)
    history, states = _in_zeeks_words(ends)
    both_syns = (client["syn_timestamps"] >= 0) & (server["syn_timestamps"] >= 0)
    frame = pd.DataFrame(
        {
            "connection": integers(state.first_connection + c["number"]),
            "point": strings([state.point], np.zeros(count)),
            "capture": strings(names, np.searchsorted(numbers, c["first_file"])),
            "stream": integers(c["stream"], c["stream"] >= 0),
            "client_ip": strings(texts, ends.client_host),
            "client_port": integers(ends.client_port),
            "server_ip": strings(texts, ends.server_host),
            "server_port": integers(ends.server_port),
            "roles_known": booleans(ends.roles_known),
            "first": times(c["first"]),
            "last": times(c["last"]),
            "first_file": integers(c["first_file"]),
            "first_frame": integers(c["first_frame"]),
            "last_file": integers(c["last_file"]),
            "last_frame": integers(c["last_frame"]),
            "conn_state": states,
            "history": history,
            "handshake": booleans(c["handshake"]),
            "syn_frames": integers(client["syns"]),
            "client_isn": integers(client["isn"], client["isn_known"]),
            "server_isn": integers(server["isn"], server["isn_known"]),
            "client_packets": integers(client["packets"]),
            "server_packets": integers(server["packets"]),
            "client_bytes": integers(payload(client)),
            "server_bytes": integers(payload(server)),
            "client_fin": booleans(client["fin"]),
            "server_fin": booleans(server["fin"]),
            "client_resets": integers(client["resets"]),
            "server_resets": integers(server["resets"]),
            "client_ttl": integers(client["ttl"], client["ttl"] >= 0),
            "server_ttl": integers(server["ttl"], server["ttl"] >= 0),
            "client_syn_ttl": integers(client["syn_ttl"], client["syn_ttl"] >= 0),
            "server_syn_ttl": integers(server["syn_ttl"], server["syn_ttl"] >= 0),
            "client_rtt": seconds(c["client_rtt"], c["client_rtt"] >= 0),
            "server_rtt": seconds(c["server_rtt"], c["server_rtt"] >= 0),
            "timestamps": booleans((client["syn_timestamps"] > 0) & (server["syn_timestamps"] > 0), both_syns),
            "longest_gap_survived": seconds(c["survived"], c["survived"] > 0),
            "unanswered": booleans(asked, asked_known),
            "closed_by": strings(("client", "server"), side_of(c["fin_from"])),
            "spoke_last": strings(("client", "server"), side_of(c["spoke_last"])),
            "said_last": integers(c["said"], c["spoke_last"] >= 0),
            "spoken_to": booleans(c["spoken_to"], c["fin_from"] >= 0),
            "ended": strings(("well", "reset", "silence", "open"), ended),
        },
        copy=False,
    )
    return CONNECTIONS.conform(frame)


def _in_zeeks_words(ends: Ends) -> tuple[pd.Series, pd.Series]:
    """Zeek's `history` and `conn_state`, found once for connections that are alike: most have one of a few histories."""
    c = ends.connections
    which, histories = pd.factorize(np.ascontiguousarray(c["history"]))
    numbers = [c["letter_count"], ends.client_end, _sent(ends.client), _sent(ends.server)]
    alike = which.astype(np.int64)
    for number, bits in zip(numbers, (5, 1, SENT_BITS, SENT_BITS), strict=True):
        alike = alike << bits | number
    code, kinds = pd.factorize(alike)
    letters, states = [], []
    for kind in kinds.tolist():
        client, server = (kind >> place & (1 << SENT_BITS) - 1 for place in (SENT_BITS, 0))
        kind >>= 2 * SENT_BITS
        letters.append(zeek.history(int(histories[kind >> 6]), kind >> 1 & 31, kind & 1))
        states.append(zeek.conn_state(_seen(client), _seen(server), letters[-1]))
    return strings(letters, code), strings(states, code)


def _sent(side: Array) -> Array:
    """What each end was seen to send, as the bits of `_seen`."""
    columns = [side["packets"], side["syns"], side["syn_acks"], side["fin"], side["resets"], payload(side)]
    return np.asarray(sum((column > 0).astype(np.int64) << bit for bit, column in enumerate(columns)))


def _seen(bits: int) -> zeek.Seen:
    """The same in Zeek's terms."""
    return zeek.Seen(*(bool(bits >> bit & 1) for bit in range(SENT_BITS)))


def reset_frames_table(state: State, texts: list[str]) -> pd.DataFrame:
    """RESET_FRAMES of one capture point, in reading order."""
    r = state.resets[: state.counts[layout.RESETS]]
    first = r["end"] == 0
    names, numbers = list(state.files.values()), np.array(list(state.files), np.int64)
    frame = pd.DataFrame(
        {
            "point": strings([state.point], np.zeros(len(r))),
            "capture": strings(names, np.searchsorted(numbers, r["file"])),
            "frame": integers(r["frame"]),
            "stream": integers(r["stream"], r["stream"] >= 0),
            "connection": integers(state.first_connection + r["connection"]),
            "time": times(r["time"]),
            "src": strings(texts, np.where(first, r["host0"], r["host1"])),
            "sport": integers(np.where(first, r["port0"], r["port1"])),
            "dst": strings(texts, np.where(first, r["host1"], r["host0"])),
            "dport": integers(np.where(first, r["port1"], r["port0"])),
            "flags": integers(r["flags"]),
            "seq": integers(r["seq"]),
            "ack": integers(r["ack"]),
            "window": integers(r["window"]),
            "length": integers(r["length"]),
            "ttl": integers(r["ttl"]),
        },
        copy=False,
    )
    return RESET_FRAMES.conform(frame)


def make_index(state: State, ends: Ends) -> Index:
    """What pass 2 needs."""
    c = ends.connections
    total = ends.client["packets"] + ends.server["packets"]
    return Index(
        identities=state.first_connection + c["number"],
        tuples=state.tuples[: state.counts[layout.TUPLES]],
        streams=state.streams[: state.counts[layout.STREAMS]],
        tuple_of=c["tuple"],
        pivot=np.where(c["before_reset"] >= 0, c["before_reset"], total),
        client_end=ends.client_end,
    )


def notices(state: State, texts: list[str]) -> tuple[Notice, ...]:
    """Trouble that pass 1 met, and what was no longer kept one by one."""
    found = [
        Notice(
            "warning",
            name,
            "",
            say(
                "The file holds more address pairs than are remembered ({n:,} at most): later streams have no number here, their frame "
                "numbers hold.",
                n=state.stream_limit,
            ),
        )
        for name in files_past_limit(state)
    ]
    settled, unlisted = state.settled, int(state.counts[layout.UNLISTED])
    if settled.connections:
        sentence = say(
            "{n:,} connections that ended well are kept as sums only (baselines, gaps, traffic): a log line that belongs to one of them "
            "finds no connection.",
            n=settled.connections,
        )
        found.append(Notice("info", state.point, "", sentence))
    if not settled.each_client:
        sentence = say(
            "The connections that are kept as sums came from so many clients that each server has one sum, of all its clients together."
        )
        found.append(Notice("info", state.point, "", sentence))
    if settled.attempts:
        busiest = settled.targets[np.argsort(-settled.targets["connections"], kind="stable")[0]]
        sentence = say(
            "{n:,} attempts to connect that nobody answered or that were refused at once were only counted, as in a flood or a scan; most "
            "often they went to {host} port {port} ({most:,}). The first ones were judged.",
            n=settled.attempts,
            host=texts[busiest["server"]],
            port=int(busiest["port"]),
            most=int(busiest["connections"]),
        )
        found.append(Notice("warning", state.point, "", sentence))
    if unlisted:
        sentence = say(
            "Of the frames with RST, the first {n:,} are listed; {more:,} more were counted.",
            n=layout.RESETS_KEPT,
            more=unlisted,
        )
        found.append(Notice("warning", state.point, "", sentence))
    return tuple(found)
