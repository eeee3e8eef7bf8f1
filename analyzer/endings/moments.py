"""What else happened around the moment of an ending: on the same service, the same host, the same ports.

Lives here: joins of ENDINGS with CONNECTIONS by time, all by column. Never here: silences and their timers (timers.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.endings.keyed import Timeline, codes, nanoseconds

SERVICE = ["point", "server_ip", "server_port"]
PORTS = ["point", "client_ip", "client_port", "server_ip", "server_port"]

SECOND = 1_000_000_000  # ns
TOGETHER = 1 * SECOND  # endings of one service within this time may have one reason
REFUSED_WITHIN = 60 * SECOND  # a service that is gone is refused within this time, where anyone asks
LOST_WITHIN = 60 * SECOND  # a host that comes back answers its old peers as they speak
CANCELLED_WITHIN = 10 * SECOND  # a cancel request and the end of the session that it was for
CANCEL_BYTES = 16  # PostgreSQL's CancelRequest
AROUND = 5 * SECOND  # "around the moment" for rates and answer times
RETRIES_AROUND = 10 * SECOND
ENOUGH_HANDSHAKES = 5  # a usual answer time needs this many
ENOUGH_TIME = 30 * SECOND  # a usual rate needs a capture this long
SHORTEST_ANSWER = 0.0005  # s; below it an answer time is the machine's noise
WAITED = 1.0  # s; a shorter wait is no timeout
NEVER = 1 << 62  # ns; a connection without times is near no moment
SAME_WAIT = 0.05  # waits that differ by less than this share are the same

Integers = npt.NDArray[np.int64]


def add(endings: pd.DataFrame, connections: pd.DataFrame) -> pd.DataFrame:
    """Return ENDINGS with the facts of this module filled in."""
    out = endings
    connections = connections.dropna(subset=["first", "last"])
    _services(out, connections)
    out["host_ports_lost"] = _ports_lost(out)
    _same_ports(out, connections)
    _twins(out, connections)
    out["cancel_nearby"] = _cancelled(out, connections)
    out["same_wait"] = _same_wait(out)
    return out


def _services(out: pd.DataFrame, connections: pd.DataFrame) -> None:
    """Fill in what the other connections of the same server port did around each ending."""
    service, of_connection = codes(SERVICE, out, connections)
    at, first, last = nanoseconds(out["time"]), nanoseconds(connections["first"]), nanoseconds(connections["last"])
    base = min(int(at.min(initial=NEVER)), int(first.min(initial=NEVER))) - SECOND
    opened, gone = Timeline(of_connection, first, base), Timeline(of_connection, last, base)
    # which other connections the server ended at that moment, and which were open a second before
    by_server = (connections["server_fin"] | (connections["server_resets"] > 0)) & (connections["ended"] != "open")
    real = (connections["server_bytes"] > 0) | connections["handshake"]
    closed = (by_server & real).fillna(False).to_numpy(dtype=bool)
    ended = Timeline(of_connection[closed], last[closed], base)
    number = connections["connection"].to_numpy(dtype=np.int64)
    own = pd.Index(number).get_indexer(out["connection"].to_numpy(dtype=np.int64))  # -1, the one behind the last: none
    own_first, own_last = np.append(first, NEVER)[own], np.append(last, NEVER)[own]
    own_end = out["connection"].isin(number[closed]).to_numpy() & (np.abs(own_last - at) <= TOGETHER)
    out["ended_together"] = _integers(ended.count(service, at, TOGETHER, TOGETHER) - own_end, out)
    begun, over = opened.reach(service, at, 0, -TOGETHER)[1], gone.reach(service, at, TOGETHER, 0)[0]
    out["lived_together"] = _integers(np.maximum(begun - over - (own_first <= at - TOGETHER), 0), out)
    # the next attempt of anyone
    refused = (connections["conn_state"] == "REJ").fillna(False).to_numpy(dtype=bool)[opened.order]
    place, there = opened.following(service, at)
    answer = pd.Series(pd.NA, index=out.index, dtype="boolean")
    if len(opened):
        there &= opened.time[place] - at <= REFUSED_WITHIN
        answer = pd.Series(pd.array(refused[place], dtype="boolean"), index=out.index).mask(~there)
    out["service_refused"] = answer
    _load(out, connections, service, of_connection, at, opened, base)


def _load(
    out: pd.DataFrame,
    connections: pd.DataFrame,
    service: Integers,
    of_connection: Integers,
    at: Integers,
    opened: Timeline,
    base: int,
) -> None:
    """Fill in how busy each server port was around each ending: answer times, rate, repeated SYNs."""
    first = nanoseconds(connections["first"])
    rtt = connections["server_rtt"].astype("float64").to_numpy(dtype=float)
    timed = ~np.isnan(rtt)
    by_service = pd.Series(rtt[timed]).groupby(of_connection[timed])
    usual = by_service.median().clip(lower=SHORTEST_ANSWER).where(by_service.size() >= ENOUGH_HANDSHAKES)
    answered = Timeline(of_connection[timed], first[timed], base)
    total = np.append(0.0, np.cumsum(rtt[timed][answered.order]))
    low, high = answered.reach(service, at, AROUND, AROUND)
    with np.errstate(invalid="ignore", divide="ignore"):
        slow = (total[high] - total[low]) / (high - low) / usual.reindex(service).to_numpy(dtype=float)
    out["handshake_slowdown"] = _floats(np.where(high > low, slow, np.nan), out)
    times = pd.Series(first).groupby(of_connection)
    span = (times.max() - times.min()).reindex(service).to_numpy(dtype=float)
    number = times.size().reindex(service).to_numpy(dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        burst = opened.count(service, at, AROUND, 0) / (number * AROUND / span)
    out["opening_burst"] = _floats(np.where(span >= ENOUGH_TIME, burst, np.nan), out)
    repeats = (connections["syn_frames"].fillna(0).to_numpy(dtype=np.int64)[opened.order] - 1).clip(0)
    again = np.append(0, np.cumsum(repeats))
    low, high = opened.reach(service, at, RETRIES_AROUND, RETRIES_AROUND)
    out["syn_retries"] = _integers(again[high] - again[low], out)


def _integers(values: npt.NDArray[Any], out: pd.DataFrame) -> pd.Series[Any]:
    return pd.Series(values, index=out.index).astype("Int64")


def _floats(values: npt.NDArray[Any], out: pd.DataFrame) -> pd.Series[Any]:
    return pd.Series(values, index=out.index).astype("Float64")


def _ports_lost(endings: pd.DataFrame) -> pd.Series[Any]:
    """Return per established reset the number of its server's ports reset within LOST_WITHIN; NA elsewhere."""
    out = pd.Series(pd.NA, index=endings.index, dtype="Int64")
    lost = endings[(endings["kind"] == "reset") & endings["stage"].isin(["established", "data", "closing"])]
    (host,) = codes(["point", "server_ip"], lost)
    times = nanoseconds(lost["time"])
    resets = Timeline(host, times, int(times.min(initial=NEVER)))
    ports = lost["server_port"].to_numpy(dtype=np.int64)[resets.order]
    low, high = resets.reach(resets.group, resets.time, LOST_WITHIN, LOST_WITHIN)
    counts: dict[int, int] = {}
    begin = end = 0
    found = np.zeros(len(resets), dtype=np.int64)
    for n, (a, b) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        for port in ports[end:b].tolist():
            counts[port] = counts.get(port, 0) + 1
        for port in ports[begin:a].tolist():
            counts[port] -= 1
            if not counts[port]:
                del counts[port]
        begin, end = a, b
        found[n] = len(counts)
    out.loc[lost.index[resets.order]] = found
    return out


def _same_ports(out: pd.DataFrame, connections: pd.DataFrame) -> None:
    """Fill in same_ports_ended and since_same_ports: the earlier connection between the same addresses and ports."""
    ports = connections.loc[connections["connection"].isin(out["connection"]), "client_port"]
    ordered = connections[connections["client_port"].isin(ports)].sort_values("first", kind="stable")
    earlier = ordered.groupby(PORTS)
    before = pd.DataFrame(
        {
            "connection": ordered["connection"],
            "ended": earlier["ended"].shift(),
            "last": earlier["last"].shift(),
            "first": ordered["first"],
        }
    ).dropna(subset=["ended"])
    before["since"] = (before["first"] - before["last"]).dt.total_seconds()
    before = before.set_index("connection")
    out["same_ports_ended"] = out["connection"].map(before["ended"]).astype("string")
    out["since_same_ports"] = out["connection"].map(before["since"]).astype("Float64")


def _twins(out: pd.DataFrame, connections: pd.DataFrame) -> None:
    """Fill in twin, for endings whose SYN was not seen."""
    keys = ["point", "client_port", "server_ip", "server_port"]
    out["twin"] = pd.Series(pd.NA, index=out.index, dtype="string")
    orphans = out.loc[~out["roles_known"].fillna(True).astype(bool), [*keys, "client_ip", "time"]].reset_index(
        names="row"
    )
    if orphans.empty:
        return
    whole = connections.loc[connections["roles_known"].fillna(False).astype(bool), [*keys, "client_ip", "first"]]
    both = orphans.merge(whole, on=keys, suffixes=("", "_twin"))
    both = both[(both["client_ip"] != both["client_ip_twin"]) & (both["first"] <= both["time"])].drop_duplicates("row")
    out.loc[both["row"], "twin"] = both["client_ip_twin"].to_numpy()


def _cancelled(endings: pd.DataFrame, connections: pd.DataFrame) -> pd.Series[Any]:
    """Return whether the same client sent a cancel request (a connection of its own) to that server port just before."""
    path = ["point", "client_ip", "server_ip", "server_port"]
    cancels = connections.loc[
        (connections["client_bytes"] == CANCEL_BYTES).fillna(False) & (connections["server_bytes"] == 0).fillna(False), [*path, "first"]
    ].dropna()  # fmt: skip
    found = pd.Series(False, index=endings.index, dtype="boolean")
    if cancels.empty:
        return found
    left = endings[[*path, "time"]].reset_index(names="row").assign(at=nanoseconds(endings["time"])).sort_values("at")
    right = cancels.assign(at=nanoseconds(cancels["first"])).sort_values("at")
    joined = pd.merge_asof(left, right, on="at", by=path, tolerance=CANCELLED_WITHIN).dropna(subset=["first"])
    found.loc[joined["row"]] = True
    return found


def _same_wait(endings: pd.DataFrame) -> pd.Series[Any]:
    """Return how many other resets of this client came after the same wait; NA where it was not waiting for the server."""
    out = pd.Series(pd.NA, index=endings.index, dtype="Int64")
    waiting = endings[
        ((endings["kind"] == "reset") & (endings["apparent_sender"] == "client")).fillna(False)
        & (endings["since_sender_data"] >= WAITED).fillna(False)
        & ((endings["since_peer_data"] > endings["since_sender_data"]) | endings["since_peer_data"].isna())
    ]
    for _, rows in waiting.groupby(["point", "client_ip", "server_ip", "server_port"]):
        waits = np.log(rows["since_sender_data"].to_numpy(dtype=float))
        ordered = np.sort(waits)
        near = np.log1p(SAME_WAIT)
        out.loc[rows.index] = (
            np.searchsorted(ordered, waits + near, "right") - np.searchsorted(ordered, waits - near, "left") - 1
        )
    return out
