"""CONNECTIONS and PACKETS -> ENDINGS: every connection that ended badly, with the facts by which it is judged.

Lives here: one row per connection life. The facts come from its own packets (packet_facts.py, exchange_facts.py, patterns.py, openings.py)
and from the others (population.py, moments.py, timers.py, legs.py, retries.py), some from what ICMP and ARP said (messages.py).
Never here: what the facts mean (causes/, diagnosis), other capture points (vantage), logs (correlation).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from analyzer import schema
from analyzer.endings import legs, openings, population, retries
from analyzer.endings.answers import first_effective
from analyzer.endings.exchange_facts import aftermath, exchange_facts
from analyzer.endings.legs import across
from analyzer.endings.life import Context, Life, lives, places
from analyzer.endings.messages import Said
from analyzer.endings.packet_facts import packet_facts
from analyzer.endings.patterns import pattern_facts
from analyzer.endings.quiet import close_facts, settle, silence_facts
from analyzer.schema import SYN

__all__ = ["Payload", "across", "endings", "renumber", "settle"]

Payload = Callable[[str, int, int], bytes]


def endings(
    packets: pd.DataFrame,
    connections: pd.DataFrame,
    hosts: pd.DataFrame,
    gaps: pd.DataFrame,
    coverage: pd.DataFrame,
    payload: Payload | None = None,
    *,
    errors: pd.DataFrame | None = None,
    changes: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return ENDINGS for one capture point, in time order, ids 'POINT/r1' … for resets, 'POINT/s1' … for silences, 'POINT/f1' … for the rest.

    A connection that ended in neither way is there because it may have died without either: its kind is 'log_only' until `settle` decides.

    `payload(capture, offset, length)` reads the bytes that a reset carries (some devices name themselves there); without it
    they stay unseen. `errors` and `changes` are the point's ICMP_ERRORS and ADDRESS_CHANGES. Connections that pass 2 did not keep have no row.
    """
    known = connections[connections["connection"].isin(packets["connection"])].set_index("connection")
    columns = ("client_ip", "client_port", "server_ip", "server_port", "client_rtt", "server_rtt", "timestamps",
               "roles_known", "handshake", "ended", "client_resets", "server_resets", "point")  # fmt: skip
    records = {
        int(c): dict(zip(columns, row, strict=True))
        for c, row in zip(known.index, known[list(columns)].itertuples(index=False), strict=True)
    }
    ttls = _host_ttls(hosts)
    local = _local_hosts(hosts)
    said = Said(errors, changes)
    rows = []
    for life in lives(packets):
        record = records.get(life.connection)
        if record is not None:
            rows.append(_row(life, record, ttls, local, payload, said))
    if not rows:
        return schema.ENDINGS.empty()
    openings.add(rows, payload)
    table = pd.DataFrame(rows)
    table = table.reindex(columns=list(schema.ENDINGS.columns))
    table["time"] = pd.to_datetime(table["time"], utc=True).astype("datetime64[ns, UTC]")
    table = table.sort_values(["time", "connection"], kind="stable")
    table["ending"] = [f"{point}/{name}" for point, name in zip(table["point"], _names(table["kind"]), strict=True)]
    table = schema.ENDINGS.conform(table[list(schema.ENDINGS.columns)])
    table = _where(table, coverage)
    table = retries.add(population.add(table, connections, gaps, hosts), connections)
    return schema.ENDINGS.conform(legs.add(table, packets, connections, coverage))


def _names(kind: pd.Series[str]) -> pd.Series[str]:
    letter = kind.map({"reset": "r", "silence": "s", "fin_midway": "f", "log_only": "f"}).astype("string")
    return letter + (letter.groupby(letter).cumcount() + 1).astype("string")


def renumber(table: pd.DataFrame, *others: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """Return ENDINGS of all points in time order with their final ids ('r1' …, 's1' …), and the other tables' rows of those endings."""
    out = table.sort_values(["time", "point", "connection"], kind="stable").reset_index(drop=True)
    names = dict(zip(out["ending"], _names(out["kind"]), strict=True))
    out["ending"] = out["ending"].map(names).astype("string")
    kept = [other[other["ending"].isin(names)].reset_index(drop=True) for other in others]
    return out, *(other.assign(ending=other["ending"].map(names).astype("string")) for other in kept)


def _host_ttls(hosts: pd.DataFrame) -> dict[str, int | None]:
    ttl = hosts["ttl_usual"].fillna(hosts["syn_ttl_usual"])
    return {ip: None if pd.isna(value) else int(value) for ip, value in zip(hosts["ip"], ttl, strict=True)}


def _local_hosts(hosts: pd.DataFrame) -> dict[str, bool | None]:
    """Return address -> whether its segments start at the capturing host; None where frames have no direction."""
    came, went = hosts["frames_in"].fillna(0) > 0, hosts["frames_out"].fillna(0) > 0
    return {ip: None if not (i or o) else not i for ip, i, o in zip(hosts["ip"], came, went, strict=True)}


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _row(
    life: Life,
    record: dict[str, Any],
    ttls: dict[str, int | None],
    local: dict[str, bool | None],
    payload: Payload | None,
    said: Said,
) -> dict[str, Any]:
    """Return one row of ENDINGS as a dict."""
    context = Context(
        rtt={True: _number(record["client_rtt"]), False: _number(record["server_rtt"])},
        host_ttl={True: ttls.get(record["client_ip"]), False: ttls.get(record["server_ip"])},
        local={True: local.get(record["client_ip"]), False: local.get(record["server_ip"])},
        timestamps=None if pd.isna(record["timestamps"]) else bool(record["timestamps"]),
    )
    i = first_effective(life)
    if i is not None:
        kind = "reset"
        carried = None
        if life.captured[i] > 0 and payload is not None:
            carried = payload(str(life.capture[i]), int(life.offset[i]), int(life.captured[i]))
        facts = (
            packet_facts(life, i, context, carried) | exchange_facts(life, i, context) | pattern_facts(life, i, context)
        )
        facts |= aftermath(life, i, context)
        copies = int(record["client_resets"] or 0) + int(record["server_resets"] or 0) - 1
    elif record["ended"] == "silence":
        i, facts = silence_facts(life)
        kind, copies = "silence", 0
    else:
        i, facts = close_facts(life)
        kind, copies = "log_only", 0
    if record["client_ip"] == record["server_ip"]:
        facts["loopback"] = None  # a connection of a host with itself belongs there
    facts |= said.facts(life, i, record["client_ip"], record["client_port"], record["server_ip"])
    from_client = bool(life.from_client[i])
    client = address(record["client_ip"], record["client_port"])
    server = address(record["server_ip"], record["server_port"])
    stream = int(life.stream[i])
    return facts | {
        "kind": kind,
        "point": record["point"],
        "capture": life.capture[i],
        "frame": int(life.frame[i]),
        "stream": None if stream < 0 else stream,
        "connection": life.connection,
        "time": int(life.time[i]),
        "client_ip": record["client_ip"],
        "client_port": record["client_port"],
        "server_ip": record["server_ip"],
        "server_port": record["server_port"],
        "client": client,
        "server": server,
        "roles_known": record["roles_known"],
        "apparent_sender": "client" if from_client else "server",
        "sender": client if from_client else server,
        "peer": server if from_client else client,
        "handshake": record["handshake"],
        "copies": max(copies, 0),
        "_openings": _openings(life),
    }


def _openings(life: Life) -> dict[bool, tuple[str, int, int]]:
    """Return side -> where its first payload byte is, for the sides whose SYN and first byte are in the capture."""
    found = {}
    begun = {bool(side) for side in life.from_client[life.has(SYN)]}
    for i in places((life.relative_seq == 1) & (life.captured > 0) & ~life.keepalive)[::-1]:
        if bool(life.from_client[i]) in begun:
            found[bool(life.from_client[i])] = (str(life.capture[i]), int(life.offset[i]), int(life.captured[i]))
    return found


def address(ip: str, port: int) -> str:
    """Return ip:port, IPv6 in brackets (RFC 5952 6)."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _where(table: pd.DataFrame, coverage: pd.DataFrame) -> pd.DataFrame:
    """Fill in captured_at: on whose host the capture was taken, seen from each ending's apparent sender."""
    where = dict(zip(coverage["point"], coverage["where"], strict=True))
    local = {c.point: set((c.local_hosts or "").split(", ")) for c in schema.rows(coverage)}
    out = []
    for point, sender, client_ip, server_ip in zip(
        table["point"], table["apparent_sender"], table["client_ip"], table["server_ip"], strict=True
    ):
        sender_ip, peer_ip = (client_ip, server_ip) if sender == "client" else (server_ip, client_ip)
        here = local.get(point, set())
        if (sender_ip in here) != (peer_ip in here):
            out.append("sender" if sender_ip in here else "peer")
        elif where.get(point) == "both":
            out.append("sender")
        elif where.get(point) in ("client", "server"):
            out.append("sender" if where[point] == sender else "peer")
        else:
            out.append("between" if where.get(point) == "between" else "unknown")
    table["captured_at"] = pd.Series(out, index=table.index, dtype="string")
    return table
