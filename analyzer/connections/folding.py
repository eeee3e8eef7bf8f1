"""Pass 1's state at one capture point: it is started, told of each file, fed with segments, and read by `closing`.

Lives here: `State` and the growth of its arrays.
Never here: packet rules (kernels.py), tables (closing.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.connections import layout
from analyzer.connections.kernels import EMPTY, fill_host_slots, fill_tuple_slots, fold_segments
from analyzer.connections.layout import START
from analyzer.connections.settling import Settled, settle
from analyzer.schema import SEGMENT

Array = npt.NDArray[Any]


def _slots(rows: int) -> Array:
    """Empty hash slots for up to `rows` rows: at most half of them get used."""
    return np.full(2 * rows, EMPTY, np.int64)


@dataclass
class State:
    """What is remembered of one capture point between segments. Use the functions of this package, not the fields."""

    point: str
    first_connection: int
    stream_limit: int
    file: int = -1
    files: dict[int, str] = field(default_factory=dict)  # name of each file number, in reading order
    counts: Array = field(default_factory=lambda: np.zeros(layout.COUNTERS, np.int64))
    tuples: Array = field(default_factory=lambda: np.zeros(START, layout.TUPLE))
    tuple_slots: Array = field(default_factory=lambda: _slots(START))
    hosts: Array = field(default_factory=lambda: np.zeros(START, layout.HOST))
    host_slots: Array = field(default_factory=lambda: _slots(START))
    connections: Array = field(default_factory=lambda: np.zeros(START, layout.CONNECTION))
    sides: Array = field(default_factory=lambda: np.zeros(2 * START, layout.SIDE))
    resets: Array = field(default_factory=lambda: np.zeros(START, layout.RESET))
    streams: Array = field(default_factory=lambda: np.zeros(START, layout.STREAM))
    sightings: Array = field(default_factory=lambda: np.zeros(layout.COPY_MEMORY, layout.SIGHTING))
    files_past_limit: list[str] = field(default_factory=list)
    settled: Settled = field(default_factory=Settled)


def start(point: str = "", *, first_connection: int = 1, stream_limit: int = layout.STREAM_LIMIT) -> State:
    """Begin pass 1 at one capture point.

    Parameters
    ----------
    point : str
        Name of the capture point, as it stands in every table.
    first_connection : int
        Identity of the first connection. Identities count up from here: give each point the number after the last one's
        (`first_connection + numbered(state)`), so that they are unique in the run.
    stream_limit : int
        Address pairs per file whose stream number is followed. Beyond it `stream` is null and a notice says so.
    """
    return State(point, first_connection, stream_limit)


def begin_file(state: State, file_number: int, name: str) -> None:
    """Go on to the next file: stream numbers restart, connections continue.

    Raises ValueError when the file numbers do not rise: they are the reading order.
    """
    if file_number <= state.file:
        raise ValueError(f"file {file_number} comes after file {state.file}")
    state.files_past_limit = files_past_limit(state)
    state.file = file_number
    state.files[file_number] = name
    state.counts[layout.NEXT_STREAM] = 0
    state.counts[layout.FILE_TUPLES] = 0


def fold(state: State, segments: Array) -> None:
    """Fold the next segments of the present file into the state; any cutting into chunks gives the same result.

    Parameters
    ----------
    segments : structured array of `schema.SEGMENT`
        In file order, all columns filled.

    Raises
    ------
    TypeError
        When the array has another dtype.
    ValueError
        When no file was begun.
    """
    _fold(state, segments, np.zeros(0, np.int64))


def numbered(state: State) -> int:
    """Return how many connections have an identity so far."""
    return int(state.counts[layout.NUMBERED])


def fold_streams(state: State, segments: Array) -> Array:
    """Fold, and return Wireshark's stream number of each segment (int64; -1 past the limit)."""
    streams = np.full(len(segments), -1, np.int64)
    _fold(state, segments, streams)
    return streams


def _fold(state: State, segments: Array, streams: Array) -> None:
    if segments.dtype != SEGMENT:
        raise TypeError(f"segments have the dtype {segments.dtype}, not schema.SEGMENT")
    if state.file < 0:
        raise ValueError("begin_file comes before fold")
    if len(segments) == 0:
        return
    done = 0
    while done < len(segments):
        done = fold_segments(
            segments,
            done,
            state.file,
            state.stream_limit,
            state.tuples,
            state.tuple_slots,
            state.hosts,
            state.host_slots,
            state.connections,
            state.sides,
            state.resets,
            state.streams,
            state.sightings,
            state.counts,
            streams,
        )
        _grow(state)


def _doubled(rows: Array) -> Array:
    """The same rows with as many zeros behind them; memory that is not yet used is not yet taken."""
    out = np.zeros(2 * len(rows), rows.dtype)
    out[: len(rows)] = rows
    return out


def _grow(state: State) -> None:
    """Double every table that is full; of many connections, settle those that ended first."""
    counts = state.counts
    full = counts[layout.CONNECTIONS] == len(state.connections)
    if full and len(state.connections) >= layout.SETTLE_AT:
        settle(state)
        full = counts[layout.CONNECTIONS] > layout.CROWDED * len(state.connections)
    if counts[layout.TUPLES] == len(state.tuples):
        state.tuples = _doubled(state.tuples)
        state.tuple_slots = _slots(len(state.tuples))
        fill_tuple_slots(state.tuples, counts[layout.TUPLES], state.tuple_slots)
    if counts[layout.HOSTS] + 2 > len(state.hosts):
        state.hosts = _doubled(state.hosts)
        state.host_slots = _slots(len(state.hosts))
        fill_host_slots(state.hosts, counts[layout.HOSTS], state.host_slots)
    if full:
        state.connections = _doubled(state.connections)
        state.sides = _doubled(state.sides)
    if counts[layout.RESETS] == len(state.resets):
        state.resets = _doubled(state.resets)
    if counts[layout.STREAMS] == len(state.streams):
        state.streams = _doubled(state.streams)


def files_past_limit(state: State) -> list[str]:
    """Names of the files with more address pairs than the stream limit."""
    past = state.counts[layout.FILE_TUPLES] > state.stream_limit
    return [*state.files_past_limit, *([state.files[state.file]] if past else [])]
