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
from analyzer.connections.candidates import GOODBYE, SAYS_GOODBYE
from analyzer.connections.kernels import EMPTY, fill_host_slots, fill_tuple_slots
from analyzer.schema import NO_TIME

if TYPE_CHECKING:
    from analyzer.connections.folding import State

Array = npt.NDArray[Any]

# One path: what its settled connections come to. Hosts are rows of layout.HOST.
PATH = np.dtype(
    [
        ("client", np.int64),  # ANY where the clients are summed up
        ("server", np.int64),
        ("port", np.int64),
        ("connections", np.int64),
        ("survived", np.int64),  # ns, the longest
        ("survivor", np.int64),  # number of the first connection that survived it
    ]
)
# One minute of one path.
MINUTE = np.dtype(
    [
        ("minute", np.int64),  # since 1970
        ("client", np.int64),  # or ANY
        ("server", np.int64),
        ("port", np.int64),
        ("opened", np.int64),
        ("ended_well", np.int64),
        ("reset", np.int64),
    ]
)
COUNTS = ("opened", "ended_well", "reset")
ANY = -1  # instead of a row of layout.HOST: any client


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
    targets: Array = field(default_factory=lambda: np.zeros(0, PATH))  # attempts by server and port; the client is 0


def settle(state: State) -> None:
    """Make room among the connections, all of which are taken. What it takes depends on the packets so far only."""
    count = int(state.counts[layout.CONNECTIONS])
    rows = state.connections[:count]
    sides = state.sides[: 2 * count].reshape(count, 2)
    now = rows["last"].max()
    quiet = np.where(rows["last"] == NO_TIME, 0, now - rows["last"])
    well = _ended_well(rows, sides) & (quiet >= layout.SETTLED_NS)
    gone = well & ~_may_have_died(rows, state.tuples[rows["tuple"]])
    sample = np.arange(count) < int(layout.SAMPLE * count)  # the oldest stay even in a crowd, to be judged
    if _crowded(gone):
        gone |= well & ~sample
    _add_settled(state.settled, rows[gone], sides[gone], state.tuples[rows["tuple"][gone]], state.hosts)
    if _crowded(gone):
        flood = _attempts(rows, sides) & (quiet >= layout.ATTEMPT_NS) & ~gone & ~sample
        _add_attempts(state.settled, rows[flood], state.tuples[rows["tuple"][flood]])
        gone |= flood
    if gone.any():
        _remove(state, ~gone)


def _crowded(gone: Array) -> bool:
    return len(gone) - int(np.count_nonzero(gone)) > layout.CROWDED * len(gone)


def _may_have_died(rows: Array, tuples: Array) -> Array:
    """What `candidates.may_have_died` says, of connections whose SYN was seen."""
    client = rows["syn_from"]
    port = np.where(client == 0, tuples["port1"], tuples["port0"])
    asked = (rows["spoke_last"] == client) & (rows["said"] > GOODBYE)
    left = (rows["fin_from"] == client) & (rows["spoke_last"] == 1 - client) & np.isin(port, SAYS_GOODBYE)
    return np.asarray(~rows["spoken_to"] & (asked | left))


def _ended_well(rows: Array, sides: Array) -> Array:
    """Both FINs, all payload acknowledged, no reset, and a SYN that tells who the client was."""
    a, b = sides[:, 0], sides[:, 1]
    delivered = (a["acked"] >= a["next"] - 1) & (b["acked"] >= b["next"] - 1)
    return np.asarray((rows["syn_from"] >= 0) & a["fin"] & b["fin"] & delivered & (a["resets"] + b["resets"] == 0))


def unseen(side: Array) -> Array:
    """Whether bytes of an end were acknowledged that are not in the capture."""
    return np.asarray(side["unseen"] | ((side["hole_end"] > side["hole"]) & (side["acked"] > side["hole"])))


def _attempts(rows: Array, sides: Array) -> Array:
    """A SYN without an answer, or with nothing but a reset for one."""
    client = np.take_along_axis(sides, np.maximum(rows["syn_from"], 0)[:, None], axis=1)[:, 0]
    server = np.take_along_axis(sides, 1 - np.maximum(rows["syn_from"], 0)[:, None], axis=1)[:, 0]
    only_syns = (client["packets"] == client["syns"]) & (server["packets"] == server["resets"])
    return np.asarray((rows["syn_from"] >= 0) & only_syns)


def _add_settled(settled: Settled, rows: Array, sides: Array, tuples: Array, hosts: Array) -> None:
    """Add connections that ended well to the sums; their first SYN tells the roles."""
    end = rows["syn_from"].astype(np.int64)
    places = np.arange(len(rows))
    client, server = sides[places, end], sides[places, 1 - end]
    client_host = np.where(end == 0, tuples["host0"], tuples["host1"]).astype(np.int64)
    server_host = np.where(end == 0, tuples["host1"], tuples["host0"]).astype(np.int64)
    port = np.where(end == 0, tuples["port1"], tuples["port0"]).astype(np.int64)
    settled.connections += len(rows)
    settled.unseen += int(np.count_nonzero(unseen(client) | unseen(server)))
    known = (client["ttl"] >= 0) & (server["ttl"] >= 0)
    np.add.at(settled.ttls, (client["ttl"][known], server["ttl"][known]), 1)
    np.add.at(hosts["as_client"], client_host, 1)
    np.add.at(hosts["as_server"], server_host, 1)
    for host, trip in ((client_host, rows["client_rtt"]), (server_host, rows["server_rtt"])):
        np.minimum.at(hosts["rtt_min"], host[trip >= 0], trip[trip >= 0])

    if not settled.each_client:
        client_host[:] = ANY
    paths = np.zeros(len(rows), PATH)
    paths["client"], paths["server"], paths["port"], paths["connections"] = client_host, server_host, port, 1
    paths["survived"], paths["survivor"] = rows["survived"], rows["number"]
    settled.paths = merged_paths(np.concatenate([settled.paths, paths]))
    moments = {"opened": rows["first"], "ended_well": rows["last"]}
    minutes = [minutes_of(word, time, client_host, server_host, port) for word, time in moments.items()]
    settled.late.append(merged_minutes(np.concatenate(minutes)))
    if sum(map(len, settled.late)) >= len(settled.minutes):
        _merge_late(settled)


def minutes_of(word: str, times: Array, client: Array, server: Array, port: Array) -> Array:
    """One MINUTE row for each connection to which `word`, one of COUNTS, happened at `times` (ns; NO_TIME: it did not)."""
    known = times != NO_TIME
    out = np.zeros(np.count_nonzero(known), MINUTE)
    out["minute"] = times[known] // layout.MINUTE
    out["client"], out["server"], out["port"], out[word] = client[known], server[known], port[known], 1
    return out


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


def _add_attempts(settled: Settled, rows: Array, tuples: Array) -> None:
    """Count attempts by what they tried to reach."""
    settled.attempts += len(rows)
    targets = np.zeros(len(rows), PATH)
    end = rows["syn_from"]
    targets["server"] = np.where(end == 0, tuples["host1"], tuples["host0"])
    targets["port"] = np.where(end == 0, tuples["port1"], tuples["port0"])
    targets["connections"] = 1
    targets = merged_paths(np.concatenate([settled.targets, targets]))
    busiest = np.argsort(-targets["connections"], kind="stable")[
        : layout.TARGETS
    ]  # a scan has as many targets as attempts
    settled.targets = targets[np.sort(busiest)]


def _groups(rows: Array, keys: tuple[str, ...]) -> tuple[Array, Array]:
    """Sort rows by keys, stably; return them and where each group begins."""
    rows = rows[np.lexsort([rows[key] for key in reversed(keys)])]
    changed = np.ones(len(rows), bool)
    changed[1:] = np.any([rows[key][1:] != rows[key][:-1] for key in keys], axis=0)
    return rows, np.flatnonzero(changed)


def merged_paths(rows: Array) -> Array:
    """One row for each path: counts added up, the longest silence and who survived it first."""
    if not len(rows):
        return rows
    order = np.lexsort([rows["survivor"], -rows["survived"]])
    rows, begins = _groups(rows[order], ("client", "server", "port"))
    out = rows[begins]
    out["connections"] = np.add.reduceat(rows["connections"], begins)
    return out


def merged_minutes(rows: Array) -> Array:
    """One row for each minute of each path: counts added up."""
    if not len(rows):
        return rows
    rows, begins = _groups(rows, ("minute", "client", "server", "port"))
    out = rows[begins]
    for name in COUNTS:
        out[name] = np.add.reduceat(rows[name], begins)
    return out


def _remove(state: State, keep: Array) -> None:
    """Close the gaps that settled connections leave, in every table that refers to them."""
    count = len(keep)
    left = int(np.count_nonzero(keep))
    state.connections[:left] = state.connections[:count][keep]
    state.connections[left:count] = np.zeros(1, layout.CONNECTION)
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
