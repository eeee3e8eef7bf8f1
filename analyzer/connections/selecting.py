"""Pass 2: the packets of wanted connections, a bounded window of each, as PACKETS.

Lives here: what is wanted, the stream of segments through it, the table.
Never here: which connections deserve a second look beyond the default (endings' matter), what the packets mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.connections import layout
from analyzer.connections.candidates import may_have_died
from analyzer.connections.closing import Traffic
from analyzer.connections.columns import booleans, integers, strings, times
from analyzer.connections.kernels import (
    EMPTY,
    clear_sides,
    fill_tuple_slots,
    rows_of_tuples,
    select_segments,
)
from analyzer.errors import Notice
from analyzer.language import say
from analyzer.schema import DIRECTION_IN, DIRECTION_OUT, DIRECTION_UNKNOWN, PACKETS, SEGMENT, TUNNELS

Array = npt.NDArray[Any]
Endpoint = tuple[str, int]

# The window of one connection, in frames. One 10 GB connection must not break the memory promise (136 bytes a frame).
HEAD = 8  # the handshake with a retry, and the first request: options, initial numbers, round trips
BEFORE = 400  # before the first reset (or the end): a full window in flight, retransmissions and keepalives included
AFTER = 60  # after it: copies, late data, the other end's answer
LEAST_BEFORE = (
    50  # where very many connections are wanted, `before` shrinks to this: retransmissions of minutes still show
)
QUIET_LIMIT = 1_000  # connections of one capture point that are looked at although they were neither reset nor silent
ROWS_LIMIT = 2_000_000  # kept packets of one capture point, about 1 GB as PACKETS

_TUNNELS = [  # by the bits of SEGMENT.tunnel
    ", ".join(name for bit, name in enumerate(TUNNELS) if bits >> bit & 1) or None for bits in range(1 << len(TUNNELS))
]
_DIRECTION_CODES = {DIRECTION_UNKNOWN: 2, DIRECTION_IN: 0, DIRECTION_OUT: 1}


@dataclass
class Wanted:
    """Which connections pass 2 keeps, and how far it has come. The fields are this module's own business."""

    point: str
    tuples: Array
    slots: Array
    spans: Array
    span_ends: Array
    sides: Array
    streams: Array
    stream_next: Array
    stream_ends: Array
    files: frozenset[int]  # numbers of the files that can hold wanted packets
    before: int  # frames kept before the pivot
    notices: tuple[Notice, ...]
    sightings: Array = field(default_factory=lambda: np.zeros(layout.COPY_MEMORY, layout.SIGHTING))


@dataclass(frozen=True)
class Selection:
    """The kept segments of one chunk: `rows` (schema.SEGMENT) and what is known of each (layout.MARK), row by row."""

    file: int
    rows: Array
    marks: Array


def wanted(
    traffic: Traffic,
    ids: Iterable[int] | None = None,
    *,
    named: Set[Endpoint] = frozenset(),
    rows_limit: int = ROWS_LIMIT,
) -> Wanted:
    """Prepare pass 2 over the files of one capture point.

    Parameters
    ----------
    traffic : Traffic
        What `close` returned for this point.
    ids : CONNECTIONS.connection values, optional
        Default: all that were reset or died in silence, and a bounded number of those that may have died without either.
        Numbers of other points are ignored.
    named : set of (address, port)
        Ends that a log speaks of: their connections are wanted too, however they ended.
    rows_limit : int
        Packets that may be kept, about. Beyond it each connection's window shrinks, and a notice says so.
    """
    table = traffic.connections
    more: tuple[Notice, ...] = ()
    if ids is None:
        bad = table["ended"].isin(["silence", "reset"]).to_numpy(bool)
        also, more = _bounded(table, ~bad & (may_have_died(table) | _named(table, named)).to_numpy(bool))
        chosen = np.flatnonzero(bad | also)
    else:
        chosen = np.flatnonzero(table["connection"].isin(list(ids)).to_numpy(bool))
    index = traffic.index
    order = np.lexsort((chosen, index.tuple_of[chosen]))  # by address pair, then in order of first packets
    chosen = chosen[order]
    pairs, first, number = np.unique(index.tuple_of[chosen], return_index=True, return_counts=True)

    spans = np.zeros(len(chosen), layout.SPAN)
    spans["connection"] = index.identities[chosen]
    for name in ("first_file", "first_frame", "last_file", "last_frame"):
        spans[name] = table[name].to_numpy(np.int64)[chosen]
    spans["pivot"] = index.pivot[chosen]
    spans["client_end"] = index.client_end[chosen]
    total = (table["client_packets"] + table["server_packets"]).to_numpy(np.int64)[chosen]
    before, notices = _window(spans["pivot"], total, rows_limit)
    sides = np.zeros(2 * len(chosen), layout.SIDE)
    clear_sides(sides)

    tuples = index.tuples[pairs]
    tuples["connection"] = first
    tuples["file"] = -1
    tuples["due0"] = tuples["due1"] = 0
    slots = np.full(2 << max(len(pairs), 1).bit_length(), EMPTY, np.int64)
    fill_tuple_slots(tuples, len(tuples), slots)

    streams = index.streams[np.isin(index.streams["tuple"], pairs)]
    streams = streams[np.argsort(streams["tuple"], kind="stable")]
    return Wanted(
        point=traffic.point,
        tuples=tuples,
        slots=slots,
        spans=spans,
        span_ends=first + number,
        sides=sides,
        streams=streams,
        stream_next=np.searchsorted(streams["tuple"], pairs, "left"),
        stream_ends=np.searchsorted(streams["tuple"], pairs, "right"),
        files=_files(spans),
        before=before,
        notices=(*more, *notices),
    )


def _named(table: pd.DataFrame, named: Set[Endpoint]) -> pd.Series[bool]:
    """Whether an end of each connection is named; the server's counts only where the roles are guessed."""
    if not named:
        return pd.Series(False, index=table.index)
    by_client = [end in named for end in zip(table["client_ip"], table["client_port"], strict=True)]
    by_server = [end in named for end in zip(table["server_ip"], table["server_port"], strict=True)]
    return pd.Series(by_client) | (pd.Series(by_server) & ~table["roles_known"].fillna(False).astype(bool))


def _bounded(table: pd.DataFrame, chosen: Array) -> tuple[Array, tuple[Notice, ...]]:
    """At most QUIET_LIMIT of the chosen connections, spread over all of them, and the notice that says so."""
    rows = np.flatnonzero(chosen)
    if len(rows) <= QUIET_LIMIT:
        return chosen, ()
    kept = np.zeros(len(chosen), bool)
    kept[rows[np.linspace(0, len(rows) - 1, QUIET_LIMIT).astype(np.int64)]] = True
    sentence = say(
        "Of {all:,} connections that closed with a request unanswered or without a goodbye, {n:,} were looked at closely.",
        all=len(rows),
        n=QUIET_LIMIT,
    )
    return kept, (Notice("info", str(table["point"].iloc[0]), "", sentence),)


def _window(pivot: Array, total: Array, rows_limit: int) -> tuple[int, tuple[Notice, ...]]:
    """How many frames before its pivot each connection may keep, so that all of them fit."""
    before = BEFORE
    while before > LEAST_BEFORE and np.minimum(total, HEAD + np.minimum(pivot, before) + AFTER).sum() > rows_limit:
        before = max(before // 2, LEAST_BEFORE)
    if before == BEFORE:
        return before, ()
    sentence = say(
        "Of {n:,} connections that ended badly, only the last {before} packets before the end were looked at closely.",
        n=len(total),
        before=before,
    )
    return before, (Notice("info", "", "", sentence),)


def _files(spans: Array) -> frozenset[int]:
    """Numbers of the files that can hold packets of the spans."""
    ranges = np.unique(np.stack([spans["first_file"], spans["last_file"]], axis=1), axis=0)
    return frozenset(number for low, high in ranges.tolist() for number in range(low, high + 1))


def among(wanted: Wanted, segments: Array) -> Array:
    """Return the numbers of the segments (`schema.SEGMENT`) that can be of wanted connections: `select` needs no others.

    It depends on no other segment: any thread may ask, at any time.
    """
    rows = np.empty(len(segments), np.int64)
    return rows[: rows_of_tuples(segments, wanted.tuples, wanted.slots, rows)]


def select(wanted: Wanted, file_number: int, segments: Array) -> Selection:
    """Keep the segments of wanted connections that fall into their windows.

    Chunks come in the order of pass 1; files that are not in `wanted.files` may be left out, and segments that are not `among` the wanted.

    Parameters
    ----------
    segments : structured array of `schema.SEGMENT`
    """
    if segments.dtype != SEGMENT:
        raise TypeError(f"segments have the dtype {segments.dtype}, not schema.SEGMENT")
    marks = np.empty(len(segments), layout.MARK)
    count = select_segments(
        segments,
        file_number,
        wanted.tuples,
        wanted.slots,
        wanted.span_ends,
        wanted.spans,
        wanted.sides,
        wanted.streams,
        wanted.stream_next,
        wanted.stream_ends,
        wanted.sightings,
        HEAD,
        wanted.before,
        AFTER,
        marks,
    )
    marks = marks[:count].copy()
    return Selection(file_number, segments[marks["row"]], marks)


def packets(wanted: Wanted, parts: Sequence[tuple[str, Selection, Array | None]]) -> pd.DataFrame:
    """PACKETS of one capture point: by connection, and in reading order within each.

    Parameters
    ----------
    parts : sequence of (capture, selection, checksum_ok)
        The file's name as shown, what `select` returned, and per row whether the TCP checksum is right: 1 right, 0 wrong,
        -1 could not be checked; None when nothing was checked.
    """
    if not parts:
        return PACKETS.empty()
    names = list(dict.fromkeys(name for name, _, _ in parts))
    code = np.concatenate([np.full(len(part.rows), names.index(name)) for name, part, _ in parts])
    rows = np.concatenate([part.rows for _, part, _ in parts])
    marks = np.concatenate([part.marks for _, part, _ in parts])
    checks = np.concatenate(
        [np.full(len(part.rows), -1) if ok is None else ok.astype(np.int8) for _, part, ok in parts]
    )
    order = np.argsort(marks["connection"], kind="stable")
    code, rows, marks, checks = code[order], rows[order], marks[order], checks[order]
    has_ack = marks["relative_ack"] >= 0
    directions = np.array([_DIRECTION_CODES[i] for i in range(3)])
    frame = pd.DataFrame(
        {
            "connection": integers(marks["connection"]),
            "point": strings([wanted.point], np.zeros(len(rows))),
            "capture": strings(names, code),
            "frame": integers(rows["frame"]),
            "stream": integers(marks["stream"], marks["stream"] >= 0),
            "time": times(rows["time"]),
            "from_client": booleans(marks["from_client"]),
            "flags": integers(rows["flags"]),
            "seq": integers(rows["seq"]),
            "ack": integers(rows["ack"], has_ack),
            "relative_seq": integers(marks["relative_seq"]),
            "relative_ack": integers(marks["relative_ack"], has_ack),
            "window": integers(rows["window"]),
            "window_shift": integers(rows["window_shift"], rows["window_shift"] >= 0),
            "length": integers(rows["length"]),
            "captured": integers(rows["captured"]),
            "offset": integers(rows["offset"]),
            "ttl": integers(rows["ttl"]),
            "ip_id": integers(rows["ip_id"], rows["ip_id"] >= 0),
            "flow_label": integers(rows["flow_label"], rows["flow_label"] >= 0),
            "dont_fragment": booleans(rows["dont_fragment"]),
            "tos": integers(rows["tos"]),
            "mss": integers(rows["mss"], rows["mss"] > 0),
            "tsval": integers(rows["tsval"], rows["has_timestamps"]),
            "tsecr": integers(rows["tsecr"], rows["has_timestamps"]),
            "checksum_ok": booleans(checks == 1, checks >= 0),
            "unfinished_checksum": booleans(rows["unfinished"]),
            "interface": integers(rows["interface"], rows["interface"] >= 0),
            "vlan": integers(rows["vlan"], rows["vlan"] >= 0),
            "tunnel": strings(_TUNNELS, rows["tunnel"]),
            "direction": strings(("in", "out"), directions[rows["direction"]]),
            "copy_of": integers(marks["copy_of"], marks["copy_of"] >= 0),
            "retransmission": booleans(marks["retransmission"]),
            "keepalive": booleans(marks["keepalive"]),
        }
    )
    return PACKETS.conform(frame)
