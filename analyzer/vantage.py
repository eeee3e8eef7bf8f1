"""The same connection seen from two capture points: what one shows of the other's reset, and how their clocks stand.

Lives here: pairing connections across points by address pair and initial sequence number, finding a reset again at another point,
and saying where it is missing although it should be seen.
Never here: reading captures, or what presence and absence mean for the verdict (causes/origins.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analyzer import schema
from analyzer.errors import Notice

# The same reset at two points is this close after the clocks are aligned; transit times are far below it.
SAME_RESET = 2.0  # s
# A point holds the moment when its capture goes on at least this long after it.
COVERS_AFTER = 0.0  # s

Pair = tuple[Any, ...]


@dataclass(frozen=True)
class Vantage:
    """What several capture points add.

    facts      keyed by `ending`: at_sender, absent_at_sender, at_peer, later_elsewhere (boolean), same_as (the ending that stands
               for this connection life: itself, or the one it is merged into)
    sightings  ending, point, capture, frame, stream: the same reset at each point, its own included
    clocks     point, offset_seconds (that point minus the reference point), spread_seconds, support
    notices    what weakens this
    """

    facts: pd.DataFrame
    sightings: pd.DataFrame
    clocks: pd.DataFrame
    notices: tuple[Notice, ...]


def locate(coverage: pd.DataFrame) -> tuple[pd.DataFrame, list[Notice]]:
    """Return COVERAGE with `where` from the names 'client' and 'server' where packets do not tell, and notices where the two disagree."""
    out, notices = coverage.copy(), []
    for index, row in coverage.iterrows():
        name = row["point"]
        if name in ("client", "server"):
            if row["where"] == "unknown":
                out.loc[index, ["where", "where_basis"]] = [
                    name,
                    "its name says so; the packets neither confirm nor contradict it",
                ]
            elif row["where"] != name:
                sentence = f"It is called {name}, but its packets say it was taken at: {row['where']}; the packets are believed."
                notices.append(Notice("warning", str(name), "", sentence))
    return out, notices


def _pair(row: Any) -> Pair:
    """Return the identity of a connection at any point: both addresses in a fixed order."""
    ends = sorted([(row.client_ip, int(row.client_port)), (row.server_ip, int(row.server_port))])
    return (*ends[0], *ends[1])


def _same_isn(a: Any, b: Any) -> bool:
    return a.client_isn is None or b.client_isn is None or bool(a.client_isn == b.client_isn)


def _clocks(connections: pd.DataFrame, points: list[str]) -> pd.DataFrame:
    """Return each point's clock against the first: from SYN and SYN-ACK seen at both, so that transit times cancel (RFC 5905 8)."""
    rows = [{"point": points[0], "offset_seconds": 0.0, "spread_seconds": 0.0, "support": 0}]
    handshakes = connections[
        connections["client_isn"].notna() & connections["server_rtt"].notna() & (connections["syn_frames"] > 0)
    ]
    keys = ["client_ip", "client_port", "server_ip", "server_port", "client_isn"]
    reference = handshakes[handshakes["point"] == points[0]]
    for point in points[1:]:
        both = reference.merge(handshakes[handshakes["point"] == point], on=keys, suffixes=("", "_there"))
        syn = (both["first_there"] - both["first"]).dt.total_seconds()
        syn_ack = syn + (both["server_rtt_there"] - both["server_rtt"]).astype(float)
        if len(both):
            rows.append(
                {
                    "point": point,
                    "offset_seconds": float(((syn + syn_ack) / 2).median()),
                    "spread_seconds": float(((syn - syn_ack).abs() / 2).median()),
                    "support": len(both),
                }
            )
        else:
            rows.append({"point": point, "offset_seconds": None, "spread_seconds": None, "support": 0})
    return pd.DataFrame(rows)


def vantage(
    endings: pd.DataFrame, connections: pd.DataFrame, reset_frames: pd.DataFrame, coverage: pd.DataFrame
) -> Vantage:
    """Return what the points say of each other's endings. `coverage` is as `locate` returns it; all tables span all points."""
    points = list(coverage["point"])
    clocks = _clocks(connections, points)
    offset = {
        p: 0.0 if pd.isna(o) else float(o) for p, o in zip(clocks["point"], clocks["offset_seconds"], strict=True)
    }
    notices = [
        Notice("warning", p, "", "No handshake is seen here and at the first point: their clocks are taken to agree.")
        for p, support in zip(clocks["point"][1:], clocks["support"][1:], strict=True)
        if not support
    ]
    where = dict(zip(coverage["point"], coverage["where"], strict=True))
    last = dict(zip(coverage["point"], coverage["last"], strict=True))
    first = dict(zip(coverage["point"], coverage["first"], strict=True))
    dropped = {p for p, d in zip(coverage["point"], coverage["drops"], strict=True) if not pd.isna(d) and d > 0}

    by_pair: dict[Pair, list[Any]] = {}
    by_id: dict[int, Any] = {}
    if len(points) > 1:
        for row in schema.rows(connections):
            by_pair.setdefault(_pair(row), []).append(row)
            by_id[int(row.connection)] = row
    frames: dict[int, list[Any]] = {}
    for row in schema.rows(reset_frames):
        if row.connection is not None:
            frames.setdefault(int(row.connection), []).append(row)

    facts, sightings, merge = [], [], _Merge()
    for e in schema.rows(endings):
        fact: dict[str, Any] = {
            "ending": e.ending,
            "at_sender": None,
            "absent_at_sender": None,
            "at_peer": None,
            "later_elsewhere": None,
        }
        sightings.append(
            {"ending": e.ending, "point": e.point, "capture": e.capture, "frame": e.frame, "stream": e.stream}
        )
        at = e.time - pd.Timedelta(seconds=offset[e.point])
        merge.add(e, at)
        if len(points) > 1:
            mine = by_id[int(e.connection)]
            if where[e.point] == e.apparent_sender and e.direction != "in":
                fact["at_sender"] = True
            if where[e.point] in ("client", "server") and where[e.point] != e.apparent_sender:
                fact["at_peer"] = True
            for other in by_pair[_pair(mine)]:
                if other.point == e.point or not _same_isn(mine, other):
                    continue
                there = other.point
                moment = at + pd.Timedelta(seconds=offset[there])
                merge.relate(int(e.connection), int(other.connection))
                seen = _find_again(
                    e, mine, frames.get(int(e.connection), []), frames.get(int(other.connection), []), moment
                )
                if seen is not None:
                    sightings.append(
                        {
                            "ending": e.ending,
                            "point": there,
                            "capture": seen.capture,
                            "frame": seen.frame,
                            "stream": seen.stream,
                        }
                    )
                    if where[there] == e.apparent_sender:
                        fact["at_sender"], fact["absent_at_sender"] = True, False
                    elif where[there] in ("client", "server"):
                        fact["at_peer"] = True
                elif where[there] == e.apparent_sender and e.kind == "reset" and fact["at_sender"] is None:
                    covers = first[there] <= moment and last[there] >= moment + pd.Timedelta(seconds=COVERS_AFTER)
                    fact["absent_at_sender"] = (
                        True if covers and other.first <= moment and there not in dropped else None
                    )
        facts.append(fact)
    table = pd.DataFrame(facts, columns=["ending", "at_sender", "absent_at_sender", "at_peer", "later_elsewhere"])
    table["same_as"] = table["ending"].map(merge.primaries(sightings, where))
    table["later_elsewhere"] = table["ending"].map(merge.later)
    for name in ("at_sender", "absent_at_sender", "at_peer", "later_elsewhere"):
        table[name] = table[name].astype("boolean")
    return Vantage(
        table,
        pd.DataFrame(sightings, columns=["ending", "point", "capture", "frame", "stream"]),
        clocks,
        tuple(notices),
    )


def _find_again(e: Any, mine: Any, here: list[Any], there: list[Any], moment: pd.Timestamp) -> Any | None:
    """Return the frame at the other point that shows the same reset: same addresses, flags and numbers, near the moment."""
    own = next((f for f in here if f.frame == e.frame and f.capture == e.capture), None)
    if own is None:
        return None
    for f in there:
        same = (f.src, f.sport, f.dst, f.dport, f.flags, f.seq, f.ack) == (
            own.src,
            own.sport,
            own.dst,
            own.dport,
            own.flags,
            own.seq,
            own.ack,
        )
        if same and (f.time is None or abs((f.time - moment).total_seconds()) <= SAME_RESET):
            return f
    return None


class _Merge:
    """Which endings are one connection life: those of related connections, the earliest first."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self._endings: list[tuple[Any, pd.Timestamp]] = []
        self.later: dict[str, bool | None] = {}

    def add(self, ending: Any, at: pd.Timestamp) -> None:
        self._parent.setdefault(int(ending.connection), int(ending.connection))
        self._endings.append((ending, at))

    def relate(self, a: int, b: int) -> None:
        self._parent.setdefault(b, b)
        ra, rb = self._root(a), self._root(b)
        self._parent[max(ra, rb)] = min(ra, rb)

    def _root(self, c: int) -> int:
        while self._parent[c] != c:
            c = self._parent[c]
        return c

    def primaries(self, sightings: list[dict[str, Any]], where: dict[str, str]) -> dict[str, str]:
        """Return ending -> the ending that stands for its connection life.

        That is the earliest reset; of several sightings of that same reset, the one on the host whose address it carries.
        """
        seen_at: dict[str, set[tuple[str, str, int]]] = {}
        for s in sightings:
            seen_at.setdefault(s["ending"], set()).add((s["point"], s["capture"], int(s["frame"])))
        groups: dict[int, list[tuple[Any, pd.Timestamp]]] = {}
        for ending, at in self._endings:
            groups.setdefault(self._root(int(ending.connection)), []).append((ending, at))
        out: dict[str, str] = {}
        for members in groups.values():
            members.sort(key=lambda m: (m[0].kind != "reset", m[1], m[0].ending))
            earliest = members[0][0]
            same = [e for e, _ in members if (e.point, e.capture, int(e.frame)) in seen_at[earliest.ending]]
            same.sort(key=lambda e: (where.get(e.point) != e.apparent_sender, e.ending != earliest.ending, e.ending))
            chosen = same[0] if same else earliest
            alike = {e.ending for e in same}
            for e, _ in members:
                out[e.ending] = chosen.ending
                self.later[e.ending] = None if len(members) == 1 else e.ending not in alike
        return out


def apply(endings: pd.DataFrame, seen: Vantage) -> pd.DataFrame:
    """Return ENDINGS with the facts of `seen` filled in and merged endings dropped: one row per connection life."""
    facts = seen.facts.set_index("ending")
    out = endings.copy()
    for name in ("at_sender", "absent_at_sender", "at_peer", "later_elsewhere"):
        out[name] = out["ending"].map(facts[name]).astype("boolean")
    keep = out["ending"] == out["ending"].map(facts["same_as"])
    return schema.ENDINGS.conform(out[keep])


def with_notices(seen: Vantage, more: list[Notice]) -> Vantage:
    """Return the same with further notices."""
    return replace(seen, notices=(*seen.notices, *more))
