"""The compiled loops over connections that settle: which of them may, and what they come to by path and by minute.

Lives here: the rows of the sums, and the rules that are applied connection by connection. All of it is in one file because the text
of one file tells whether its machine code is still right (see analyzer.compiled).
Never here: when to settle, and what becomes of the rows that are left (settling.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.compiled import HASH, callee, compiled, mix
from analyzer.connections.candidates import GOODBYE, SAYS_GOODBYE
from analyzer.connections.layout import ATTEMPT_NS, CONNECTION, HOST, SETTLED_NS, SIDE, TUPLE
from analyzer.connections.layout import MINUTE as MINUTE_NS
from analyzer.schema import NO_TIME

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
COUNTS = ("opened", "ended_well", "reset")  # what MINUTE counts
ANY = -1  # instead of a row of layout.HOST: any client
NUMBER = np.dtype(np.int64)
EMPTY = -1

ENDED_WELL, ENDED_RESET, ENDED_ELSE = range(3)  # what became of a connection, as far as MINUTE counts it
STAYS, WELL, DOUBTFUL, ATTEMPT = 0, 1, 2, 3  # what may become of a connection; DOUBTFUL ended well, and may have died


# --- Which connections may settle ---------------------------------------------------------------------------------------


@callee
def ended_well(c: Any, a: Any, b: Any) -> Any:
    """Both FINs, all payload acknowledged, no reset, and a SYN that tells who the client was."""
    delivered = a.acked >= a.next - 1 and b.acked >= b.next - 1
    return c.syn_from >= 0 and a.fin and b.fin and delivered and a.resets + b.resets == 0


@callee
def may_have_died(c: Any, port: Any) -> Any:
    """What `candidates.may_have_died` says, of connections whose SYN was seen; `port` is the server's."""
    asked = c.spoke_last == c.syn_from and c.said > GOODBYE
    left = c.fin_from == c.syn_from and c.spoke_last == 1 - c.syn_from and port in SAYS_GOODBYE
    return not c.spoken_to and (asked or left)


@callee
def attempted(c: Any, client: Any, server: Any) -> Any:
    """A SYN without an answer, or with nothing but a reset for one."""
    return c.syn_from >= 0 and client.packets == client.syns and server.packets == server.resets


@compiled(connections=CONNECTION, sides=SIDE, tuples=TUPLE, fates=np.uint8)
def find_fates(connections: Any, sides: Any, tuples: Any, now: int, fates: Any) -> None:
    """Say of each connection what may become of it at the time `now` (ns)."""
    for i in range(len(fates)):
        c = connections[i]
        end = max(c.syn_from, 0)
        client, server = sides[2 * i + end], sides[2 * i + 1 - end]
        quiet = 0 if c.last == NO_TIME else now - c.last
        fates[i] = STAYS
        if quiet >= SETTLED_NS and ended_well(c, client, server):
            t = tuples[c.tuple]
            fates[i] = DOUBTFUL if may_have_died(c, t.port1 if end == 0 else t.port0) else WELL
        elif quiet >= ATTEMPT_NS and attempted(c, client, server):
            fates[i] = ATTEMPT


# --- What they come to --------------------------------------------------------------------------------------------------


@callee
def unseen(side: Any) -> Any:
    """Whether bytes of an end were acknowledged that are not in the capture."""
    return side.unseen or (side.hole_end > side.hole and side.acked > side.hole)


@compiled(sides=SIDE)
def count_unseen(sides: Any) -> int:
    """How many connections have acknowledged bytes that the capture does not hold."""
    count = 0
    for i in range(0, len(sides), 2):
        count += unseen(sides[i]) or unseen(sides[i + 1])
    return count


@compiled(connections=CONNECTION, sides=SIDE, tuples=TUPLE, chosen=NUMBER, paths=PATH)
def find_paths(connections: Any, sides: Any, tuples: Any, chosen: Any, paths: Any) -> int:
    """Write the path of each chosen connection, whose SYN was seen; how many have acknowledged bytes that the capture does not hold."""
    missing = 0
    for i in range(len(chosen)):
        row = chosen[i]
        c = connections[row]
        t = tuples[c.tuple]
        path = paths[i]
        first = c.syn_from == 0
        path.client = t.host0 if first else t.host1
        path.server = t.host1 if first else t.host0
        path.port = t.port1 if first else t.port0
        path.connections = 1
        path.survived = c.survived
        path.survivor = c.number
        missing += unseen(sides[2 * row]) or unseen(sides[2 * row + 1])
    return missing


@compiled(connections=CONNECTION, sides=SIDE, chosen=NUMBER, paths=PATH, hosts=HOST, ttls=NUMBER)
def add_to_hosts(connections: Any, sides: Any, chosen: Any, paths: Any, hosts: Any, ttls: Any) -> None:
    """Add the chosen connections to their hosts, and to `ttls` by the client's and the server's TTL (256 by 256)."""
    for i in range(len(chosen)):
        c = connections[chosen[i]]
        client, server = hosts[paths[i].client], hosts[paths[i].server]
        client.as_client += 1
        server.as_server += 1
        if c.client_rtt >= 0:
            client.rtt_min = min(client.rtt_min, c.client_rtt)
        if c.server_rtt >= 0:
            server.rtt_min = min(server.rtt_min, c.server_rtt)
        of_client = sides[2 * chosen[i] + c.syn_from].ttl
        of_server = sides[2 * chosen[i] + 1 - c.syn_from].ttl
        if of_client >= 0 and of_server >= 0:
            ttls[256 * np.int64(of_client) + of_server] += 1


@compiled(rows=PATH, slots=NUMBER)
def merge_paths(rows: Any, slots: Any) -> int:
    """Merge rows of one path into the first of them, and put these in front; how many there are. `slots` are empty."""
    last = np.uint64(len(slots) - 1)
    count = 0
    for i in range(len(rows)):
        new = rows[i]
        slot = mix(mix(mix(HASH, new.client), new.server), new.port) & last
        while slots[slot] != EMPTY:
            path = rows[slots[slot]]
            if path.client == new.client and path.server == new.server and path.port == new.port:
                break
            slot = (slot + np.uint64(1)) & last
        if slots[slot] == EMPTY:
            slots[slot] = count
            rows[count] = new
            count += 1
            continue
        path = rows[slots[slot]]
        path.connections += new.connections
        if new.survived > path.survived or (new.survived == path.survived and new.survivor < path.survivor):
            path.survived = new.survived
            path.survivor = new.survivor
    return count


@callee
def find_minute(minute: Any, path: Any, rows: Any, slots: Any, count: Any) -> Any:
    """The row of a minute of a path (or of another minute of it); `count` when it is new, and then its key is written there."""
    last = np.uint64(len(slots) - 1)
    slot = mix(mix(mix(mix(HASH, minute), path.client), path.server), path.port) & last
    while slots[slot] != EMPTY:
        row = rows[slots[slot]]
        if row.minute == minute and row.client == path.client and row.server == path.server and row.port == path.port:
            return slots[slot]
        slot = (slot + np.uint64(1)) & last
    slots[slot] = count
    row = rows[count]
    row.minute = minute
    row.client = path.client
    row.server = path.server
    row.port = path.port
    return count


@compiled(firsts=NUMBER, lasts=NUMBER, ended=np.uint8, paths=PATH, rows=MINUTE, slots=NUMBER)
def count_minutes(firsts: Any, lasts: Any, ended: Any, paths: Any, rows: Any, slots: Any) -> int:
    """Count connections by minute and path, from their first and last times (ns) and what became of them; how many rows there are.

    `rows` are zeros, twice as many as connections; `slots` are empty.
    """
    count = 0
    for i in range(len(paths)):
        if firsts[i] == NO_TIME:
            continue
        row = find_minute(firsts[i] // MINUTE_NS, paths[i], rows, slots, count)
        count += row == count
        rows[row].opened += 1
        if ended[i] in (ENDED_WELL, ENDED_RESET):
            row = find_minute(lasts[i] // MINUTE_NS, paths[i], rows, slots, count)
            count += row == count
            rows[row].ended_well += ended[i] == ENDED_WELL
            rows[row].reset += ended[i] == ENDED_RESET
    return count


@compiled(rows=MINUTE, slots=NUMBER)
def merge_minutes(rows: Any, slots: Any) -> int:
    """Merge rows of one minute and path into the first of them, and put these in front; how many there are. `slots` are empty."""
    count = 0
    for i in range(len(rows)):
        opened, ended_well, reset = rows[i].opened, rows[i].ended_well, rows[i].reset
        row = find_minute(rows[i].minute, rows[i], rows, slots, count)
        if row == count:
            count += 1
            rows[row].opened = 0
            rows[row].ended_well = 0
            rows[row].reset = 0
        rows[row].opened += opened
        rows[row].ended_well += ended_well
        rows[row].reset += reset
    return count


def slots_for(rows: int) -> Array:
    """Empty hash slots: at most half of them get used."""
    return np.full(2 << rows.bit_length(), EMPTY, np.int64)


def merged_paths(rows: Array) -> Array:
    """One row for each path, in the order of `rows`, which is used up: counts added up, the longest silence and who survived it first."""
    return rows[: merge_paths(rows, slots_for(len(rows)))].copy()


def merged_minutes(rows: Array) -> Array:
    """One row for each minute of each path, in the order of `rows`, which is used up: counts added up."""
    return rows[: merge_minutes(rows, slots_for(len(rows)))].copy()


def minutes_of(firsts: Array, lasts: Array, ended: Array, paths: Array) -> Array:
    """MINUTE rows of connections: their first and last times (ns), what became of them (ENDED_*), and their paths (PATH)."""
    rows = np.zeros(2 * len(paths), MINUTE)
    firsts, lasts = np.ascontiguousarray(firsts), np.ascontiguousarray(lasts)
    return rows[: count_minutes(firsts, lasts, ended.astype(np.uint8), paths, rows, slots_for(len(rows)))].copy()
