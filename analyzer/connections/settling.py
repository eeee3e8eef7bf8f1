"""What keeps memory bounded by live connections: those that ended well long ago become sums, floods of attempts become counts.

Lives here: `settle`, which takes rows out of the working state, and `Settled`, the sums they leave.
Never here: packet rules (kernels.py), the tables (closing.py and its neighbours).

Nothing is settled before a capture point has had `layout.SETTLE_AT` connections: the tables of smaller captures hold every one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analyzer.connections import layout
from analyzer.connections.kernels import EMPTY, fill_host_slots, fill_tuple_slots
from analyzer.connections.sums import (
    ANY,
    ATTEMPT,
    DOUBTFUL,
    ENDED_WELL,
    MINUTE,
    PATH,
    WELL,
    add_to_hosts,
    find_fates,
    find_paths,
    merged_minutes,
    merged_paths,
    minutes_of,
)

if TYPE_CHECKING:
    from analyzer.connections.folding import State

Array = npt.NDArray[Any]


@dataclass
class Settled:
    """The sums of the connections that are no longer rows."""

    connections: int = 0  # that ended well
    attempts: int = 0  # that nobody answered, or that were refused at once, past the first of a flood
    unseen: int = 0  # connections with acknowledged bytes that the capture does not hold
    ttls: Array = field(default_factory=lambda: np.zeros((256, 256), np.int64))  # by the client's and the server's TTL
    paths: Array = field(default_factory=lambda: np.zeros(0, PATH))
    minutes: Array = field(default_factory=lambda: np.zeros(0, MINUTE))
    late: list[Array] = field(default_factory=list)  # MINUTE rows to be merged with `minutes` once there are as many
    each_client: bool = True  # whether paths and minutes tell the clients apart
    targets: Array = field(default_factory=lambda: np.zeros(0, PATH))  # attempts by server and port


def settle(state: State) -> None:
    """Make room among the connections, all of which are taken. What it takes depends on the packets so far only."""
    count = int(state.counts[layout.CONNECTIONS])
    rows = state.connections[:count]
    fates = np.empty(count, np.uint8)
    find_fates(rows, state.sides, state.tuples, int(rows["last"].max()), fates)
    sample = np.arange(count) < int(layout.SAMPLE * count)  # the oldest stay even in a crowd, to be judged
    gone = fates == WELL
    if _crowded(gone):
        gone |= (fates == DOUBTFUL) & ~sample
    _add_settled(state, np.flatnonzero(gone))
    if _crowded(gone):
        flood = (fates == ATTEMPT) & ~sample
        _add_attempts(state, np.flatnonzero(flood))
        gone |= flood
    if gone.any():
        _remove(state, ~gone)


def _crowded(gone: Array) -> bool:
    return len(gone) - int(np.count_nonzero(gone)) > layout.CROWDED * len(gone)


def _add_settled(state: State, chosen: Array) -> None:
    """Add connections that ended well to the sums; their first SYN tells the roles."""
    settled = state.settled
    paths = np.zeros(len(chosen), PATH)
    settled.connections += len(chosen)
    settled.unseen += find_paths(state.connections, state.sides, state.tuples, chosen, paths)
    add_to_hosts(state.connections, state.sides, chosen, paths, state.hosts, settled.ttls.reshape(-1))
    if not settled.each_client:
        paths["client"] = ANY
    settled.paths = merged_paths(np.concatenate([settled.paths, paths]))
    first, last = (state.connections[name][chosen] for name in ("first", "last"))
    settled.late.append(minutes_of(first, last, np.full(len(chosen), ENDED_WELL), paths))
    if sum(map(len, settled.late)) >= len(settled.minutes):
        _merge_late(settled)


def _merge_late(settled: Settled) -> None:
    """Merge what is late; too many rows are summed over the clients."""
    settled.minutes = merged_minutes(np.concatenate([settled.minutes, *settled.late]))
    settled.late.clear()
    if len(settled.minutes) > layout.MINUTES_KEPT:
        _sum_over_clients(settled)


def _sum_over_clients(settled: Settled) -> None:
    """Tell clients apart no longer: a public service has millions of them."""
    settled.each_client = False
    for table in (settled.paths, settled.minutes, *settled.late):
        table["client"] = ANY
    settled.paths, settled.minutes = merged_paths(settled.paths), merged_minutes(settled.minutes)


def _add_attempts(state: State, chosen: Array) -> None:
    """Count attempts by what they tried to reach."""
    settled = state.settled
    settled.attempts += len(chosen)
    targets = np.zeros(len(chosen), PATH)
    find_paths(state.connections, state.sides, state.tuples, chosen, targets)
    targets["client"] = ANY
    targets["survived"] = targets["survivor"] = 0
    targets = merged_paths(np.concatenate([settled.targets, targets]))
    busiest = np.argsort(-targets["connections"], kind="stable")
    settled.targets = targets[np.sort(busiest[: layout.TARGETS])]  # a scan has as many targets as attempts


def _remove(state: State, keep: Array) -> None:
    """Close the gaps that settled connections leave, in every table that refers to them."""
    count = len(keep)
    left = int(np.count_nonzero(keep))
    state.connections[:left] = state.connections[:count][keep]
    state.connections[left:count].view(np.uint8)[:] = 0
    sides = state.sides[: 2 * count].reshape(count, 2)
    sides[:left] = sides[keep]
    state.counts[layout.CONNECTIONS] = left
    place = np.where(keep, np.cumsum(keep) - 1, EMPTY)

    tuples = state.tuples[: state.counts[layout.TUPLES]]
    linked = tuples["connection"] >= 0
    tuples["connection"][linked] = place[tuples["connection"][linked]]
    used = np.zeros(len(tuples), bool)
    used[state.connections["tuple"][:left]] = True
    here = ~used & (
        tuples["file"] == state.file
    )  # a pair's stream number is remembered to the end of the file, as Wireshark does
    if np.count_nonzero(used | here) <= layout.CROWDED * layout.TUPLES_KEPT:
        used |= here
    elif here.any():  # a pair that comes again would be numbered anew: no number is better than a wrong one
        state.counts[layout.FILE_TUPLES] = max(int(state.counts[layout.FILE_TUPLES]), state.stream_limit + 1)
    _keep_tuples(state, used)
    _keep_hosts(state)


def _keep_tuples(state: State, used: Array) -> None:
    place = np.where(used, np.cumsum(used) - 1, EMPTY)
    kept = state.tuples[: len(used)][used]
    size = max(layout.START, 1 << len(kept).bit_length())
    state.tuples = np.zeros(size, layout.TUPLE)
    state.tuples[: len(kept)] = kept
    state.tuple_slots = np.full(2 * size, EMPTY, np.int64)
    fill_tuple_slots(state.tuples, len(kept), state.tuple_slots)
    state.counts[layout.TUPLES] = len(kept)
    rows = state.connections[: state.counts[layout.CONNECTIONS]]
    rows["tuple"] = place[rows["tuple"]]
    streams = state.streams[: state.counts[layout.STREAMS]]
    streams = streams[used[streams["tuple"]]]
    streams["tuple"] = place[streams["tuple"]]
    state.streams = np.zeros(max(layout.START, 1 << len(streams).bit_length()), layout.STREAM)
    state.streams[: len(streams)] = streams
    state.counts[layout.STREAMS] = len(streams)


def _keep_hosts(state: State) -> None:
    """Of very many addresses forget those that only attempts had, which a flood forges, then those that only settled clients had."""
    count = int(state.counts[layout.HOSTS])
    if count < layout.HOSTS_KEPT:
        return
    settled = state.settled
    _merge_late(settled)
    used = _hosts_used(state, count)
    if settled.each_client and np.count_nonzero(used) > layout.CROWDED * layout.HOSTS_KEPT:
        _sum_over_clients(settled)
        used = _hosts_used(state, count)
    place = np.append(np.cumsum(used) - 1, ANY)
    kept = state.hosts[:count][used]
    size = max(layout.START, 1 << (len(kept) + 2).bit_length())
    state.hosts = np.zeros(size, layout.HOST)
    state.hosts[: len(kept)] = kept
    state.host_slots = np.full(2 * size, EMPTY, np.int64)
    fill_host_slots(state.hosts, len(kept), state.host_slots)
    state.counts[layout.HOSTS] = len(kept)
    for table in (state.tuples[: state.counts[layout.TUPLES]], state.resets[: state.counts[layout.RESETS]]):
        table["host0"], table["host1"] = place[table["host0"]], place[table["host1"]]
    for table in (settled.paths, settled.minutes):
        table["client"], table["server"] = place[table["client"]], place[table["server"]]
    settled.targets["server"] = place[settled.targets["server"]]


def _hosts_used(state: State, count: int) -> Array:
    """Which of the first `count` rows of HOST something refers to."""
    used = np.zeros(count + 1, bool)  # and ANY
    for table in (state.tuples[: state.counts[layout.TUPLES]], state.resets[: state.counts[layout.RESETS]]):
        used[table["host0"]] = used[table["host1"]] = True
    for table in (state.settled.paths, state.settled.minutes):
        used[table["client"]] = used[table["server"]] = True
    used[state.settled.targets["server"]] = True
    return used[:count]
