"""What else happened around the moment of an ending: on the same service, the same host, the same ports, the proxy's other leg.

Lives here: joins of ENDINGS with CONNECTIONS by time, all by column. Never here: silences and their timers (timers.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

SERVICE = ["point", "server_ip", "server_port"]
PORTS = ["point", "client_ip", "client_port", "server_ip", "server_port"]

SECOND = 1_000_000_000  # ns
TOGETHER = 1 * SECOND  # endings of one service within this time may have one reason
REFUSED_WITHIN = 60 * SECOND  # a service that is gone is refused within this time, where anyone asks
LOST_WITHIN = 60 * SECOND  # a host that comes back answers its old peers as they speak
LEG_WITHIN = SECOND // 4  # a proxy passes a reset on within this time
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

Times = npt.NDArray[np.int64]


def add(endings: pd.DataFrame, connections: pd.DataFrame) -> pd.DataFrame:
    """Return ENDINGS with the facts of this module filled in."""
    out = endings
    connections = connections.dropna(subset=["first", "last"])
    for name in ("ended_together", "lived_together", "syn_retries"):
        out[name] = pd.Series(0, index=out.index, dtype="Int64")
    out["service_refused"] = pd.Series(pd.NA, index=out.index, dtype="boolean")
    for name in ("handshake_slowdown", "opening_burst"):
        out[name] = pd.Series(pd.NA, index=out.index, dtype="Float64")
    services = dict(iter(connections.groupby(SERVICE)))
    for key, rows in out.groupby(SERVICE):
        service = services.get(key)
        if service is not None:
            _of_service(out, rows, service)
    out["host_ports_lost"] = _ports_lost(out)
    _same_ports(out, connections)
    _other_leg(out)
    _twins(out, connections)
    out["cancel_nearby"] = _cancelled(out, connections)
    out["same_wait"] = _same_wait(out)
    return out


def _ns(times: pd.Series[Any]) -> Times:
    return np.asarray(times.astype("int64"), dtype=np.int64)


def _within(moments: Times, ordered: Times, before: int, after: int) -> tuple[Times, Times]:
    """Return for each moment the bounds of the `ordered` times from `before` earlier to `after` later."""
    return np.searchsorted(ordered, moments - before, "left"), np.searchsorted(ordered, moments + after, "right")


def _of_service(out: pd.DataFrame, rows: pd.DataFrame, service: pd.DataFrame) -> None:
    """Fill in what the other connections of one server port did around these endings."""
    at = _ns(rows["time"])
    first, last = _ns(service["first"]), _ns(service["last"])
    closed = (
        ((service["server_fin"] | (service["server_resets"] > 0)) & (service["ended"] != "open"))
        .fillna(False)
        .to_numpy(dtype=bool)
    )
    closed &= (service["server_bytes"] > 0).fillna(False).to_numpy(dtype=bool) | service["handshake"].fillna(
        False
    ).to_numpy(dtype=bool)
    ended = np.sort(last[closed])
    low, high = _within(at, ended, TOGETHER, TOGETHER)
    own = np.isin(rows["connection"].to_numpy(), service["connection"].to_numpy()[closed])
    own_span = dict(zip(service["connection"], zip(first.tolist(), last.tolist(), strict=True), strict=True))
    spans = [own_span.get(c, (NEVER, NEVER)) for c in rows["connection"]]
    own &= np.array([abs(end - t) <= TOGETHER for (_, end), t in zip(spans, at.tolist(), strict=True)], dtype=bool)
    out.loc[rows.index, "ended_together"] = high - low - own
    begun = np.sort(first)
    alive = np.searchsorted(begun, at - TOGETHER, "right") - np.searchsorted(np.sort(last), at - TOGETHER, "left")
    mine = np.array([start <= t - TOGETHER for (start, _), t in zip(spans, at.tolist(), strict=True)])
    out.loc[rows.index, "lived_together"] = np.maximum(alive - mine, 0)
    # the next attempt of anyone
    order = np.argsort(first, kind="stable")
    refused = (service["conn_state"] == "REJ").fillna(False).to_numpy(dtype=bool)[order]
    following = np.searchsorted(begun, at, "right")
    has_next = following < len(begun)
    slot = np.minimum(following, len(begun) - 1)
    has_next &= begun[slot] - at <= REFUSED_WITHIN
    out.loc[rows.index, "service_refused"] = pd.array(refused[slot], dtype="boolean")
    out.loc[rows.index[~has_next], "service_refused"] = pd.NA
    # load: answer times, rate, repeated SYNs
    rtt = service["server_rtt"].astype("float64").to_numpy(dtype=float)[order]
    timed = ~np.isnan(rtt)
    if timed.sum() >= ENOUGH_HANDSHAKES:
        usual = max(float(np.median(rtt[timed])), SHORTEST_ANSWER)
        total = np.append(0.0, np.cumsum(rtt[timed]))
        low, high = _within(at, begun[timed], AROUND, AROUND)
        with np.errstate(invalid="ignore", divide="ignore"):
            slow = (total[high] - total[low]) / (high - low) / usual
        out.loc[rows.index, "handshake_slowdown"] = pd.array(np.where(high > low, slow, np.nan), dtype="Float64")
    span = int(begun[-1] - begun[0])
    if span >= ENOUGH_TIME:
        low, high = _within(at, begun, AROUND, 0)
        out.loc[rows.index, "opening_burst"] = (high - low) / (len(begun) * AROUND / span)
    again = np.append(0, np.cumsum((service["syn_frames"].fillna(0).to_numpy(dtype=np.int64)[order] - 1).clip(0)))
    low, high = _within(at, begun, RETRIES_AROUND, RETRIES_AROUND)
    out.loc[rows.index, "syn_retries"] = again[high] - again[low]


def _ports_lost(endings: pd.DataFrame) -> pd.Series[Any]:
    """Return per established reset the number of its server's ports reset within LOST_WITHIN; NA elsewhere."""
    out = pd.Series(pd.NA, index=endings.index, dtype="Int64")
    lost = endings[(endings["kind"] == "reset") & endings["stage"].isin(["established", "data", "closing"])]
    for _, rows in lost.groupby(["point", "server_ip"]):
        ports = rows["server_port"].to_numpy(dtype=np.int64)
        times = _ns(rows["time"])
        order = np.argsort(times, kind="stable")
        ports, times = ports[order], times[order]
        low, high = _within(times, times, LOST_WITHIN, LOST_WITHIN)
        counts: dict[int, int] = {}
        begin = end = 0
        found = []
        for a, b in zip(low, high, strict=True):
            for port in ports[end:b]:
                counts[port] = counts.get(port, 0) + 1
            for port in ports[begin:a]:
                counts[port] -= 1
                if not counts[port]:
                    del counts[port]
            begin, end = int(a), int(b)
            found.append(len(counts))
        out.loc[rows.index[order]] = found
    return out


def _same_ports(out: pd.DataFrame, connections: pd.DataFrame) -> None:
    """Fill in same_ports_ended and since_same_ports: the earlier connection between the same addresses and ports."""
    ordered = connections.sort_values("first", kind="stable")
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


def _other_leg(out: pd.DataFrame) -> None:
    """Fill in other_leg: a reset that the apparent sender's host received just before, on a connection in the opposite role."""
    out["other_leg"] = pd.Series(pd.NA, index=out.index, dtype="string")
    out["other_leg_delay"] = pd.Series(pd.NA, index=out.index, dtype="Float64")
    resets = out[out["kind"] == "reset"]
    by_client = resets["apparent_sender"] == "client"
    at = pd.Series(_ns(resets["time"]), index=resets.index)
    sent = pd.DataFrame(
        {"row": resets.index, "at": at, "point": resets["point"], "host": resets["client_ip"].where(by_client, resets["server_ip"]),
         "role": np.where(by_client, "client", "server")}
    )  # fmt: skip
    received = pd.DataFrame(
        {"at": at, "point": resets["point"], "host": resets["server_ip"].where(by_client, resets["client_ip"]),
         "role": np.where(by_client, "client", "server"), "leg": resets["sender"], "then": at}
    )  # fmt: skip
    # The receiver of a client's reset is a server there: as a proxy it is the client of its other leg.
    joined = pd.merge_asof(
        sent.sort_values("at"), received.sort_values("at"), on="at", by=["point", "host", "role"], tolerance=LEG_WITHIN,
        allow_exact_matches=False,
    ).dropna(subset=["leg"])  # fmt: skip
    out.loc[joined["row"], "other_leg"] = joined["leg"].to_numpy()
    out.loc[joined["row"], "other_leg_delay"] = ((joined["at"] - joined["then"]) / SECOND).to_numpy()


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
    left = endings[[*path, "time"]].reset_index(names="row").assign(at=_ns(endings["time"])).sort_values("at")
    right = cancels.assign(at=_ns(cancels["first"])).sort_values("at")
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
