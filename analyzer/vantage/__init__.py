"""The same connection seen from two capture points: what one shows of the other's reset, and how their clocks stand.

Lives here: finding a reset again at another point, and saying where it is missing although it should be seen. `kin` pairs
connections across points and NAT, `clock` compares the points' clocks.
Never here: reading captures, or what presence and absence mean for the verdict (causes/origins.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analyzer import schema
from analyzer.errors import Notice
from analyzer.language import N_, say
from analyzer.vantage.carried import Clips as Clips
from analyzer.vantage.carried import carried as carried
from analyzer.vantage.carried import carried_rows as carried_rows
from analyzer.vantage.carried import with_pairs as with_pairs
from analyzer.vantage.clock import align as align
from analyzer.vantage.clock import clock_rows as clock_rows
from analyzer.vantage.clock import clocks as clocks
from analyzer.vantage.kin import Kin

# The same reset at two points is this close after the clocks are aligned; transit times are far below it.
SAME_RESET = 2.0  # s


@dataclass(frozen=True)
class Vantage:
    """What several capture points add.

    facts      keyed by `ending`: at_sender, absent_at_sender, at_peer, later_elsewhere (boolean), client_unseen (bytes), same_as (the
               ending that stands for this connection life: itself, or the one it is merged into)
    sightings  ending, point, capture, frame, stream: the same reset at each point, its own included
    legs       ending, connection: every row of CONNECTIONS that is this connection life, at any point and under any address
    """

    facts: pd.DataFrame
    sightings: pd.DataFrame
    legs: pd.DataFrame


# By the place that the packets tell.
_MISNAMED = {
    "client": N_(
        "It is called {name}, but its packets say that it was taken on the client's host; the packets are believed."
    ),
    "server": N_(
        "It is called {name}, but its packets say that it was taken on the server's host; the packets are believed."
    ),
    "both": N_(
        "It is called {name}, but its packets say that client and server are one host; the packets are believed."
    ),
    "between": N_(
        "It is called {name}, but its packets say that it was taken between client and server; the packets are believed."
    ),
}


def locate(coverage: pd.DataFrame) -> tuple[pd.DataFrame, list[Notice]]:
    """Return COVERAGE with `where` from the names 'client' and 'server' where packets do not tell, and notices where the two disagree."""
    out, notices = coverage.copy(), []
    for index, row in coverage.iterrows():
        name = row["point"]
        if name in ("client", "server"):
            if row["where"] == "unknown":
                out.loc[index, ["where", "where_basis"]] = [
                    name,
                    say("Its name says so; the packets neither confirm nor contradict it."),
                ]
            elif row["where"] != name:
                sentence = say(_MISNAMED[row["where"]], name=name)
                notices.append(Notice("warning", str(name), "", sentence))
    return out, notices


# What of ENDINGS is read.
_LOOKED_AT = (
    "ending",
    "kind",
    "point",
    "capture",
    "frame",
    "stream",
    "connection",
    "time",
    "apparent_sender",
    "direction",
    "client_bytes",
)


def vantage(
    endings: pd.DataFrame, connections: pd.DataFrame, reset_frames: pd.DataFrame, coverage: pd.DataFrame
) -> Vantage:
    """Return what the points say of each other's endings. `coverage` is as `locate` returns it; all tables span all points, on one clock."""
    points = {c.point: c for c in schema.rows(coverage)}
    kin = Kin(connections, endings["connection"])
    frames: dict[int, list[Any]] = {}
    for row in schema.rows(reset_frames[reset_frames["connection"].isin(list(kin.by_id))]):
        if row.connection is not None:
            frames.setdefault(row.connection, []).append(row)

    facts, sightings, legs, merge = [], [], [], _Merge()
    for e in schema.rows(endings[list(_LOOKED_AT)]):
        fact: dict[str, Any] = {
            "ending": e.ending,
            "at_sender": None,
            "absent_at_sender": None,
            "at_peer": None,
            "later_elsewhere": None,
            "client_unseen": None,
        }
        sightings.append(
            {"ending": e.ending, "point": e.point, "capture": e.capture, "frame": e.frame, "stream": e.stream}
        )
        merge.add(e, e.time)
        legs.append({"ending": e.ending, "connection": e.connection})
        if len(points) > 1:
            where = points[e.point].where
            if where == e.apparent_sender and e.direction != "in":
                fact["at_sender"], fact["absent_at_sender"] = True, False
            elif where in ("client", "server") and where != e.apparent_sender:
                fact["at_peer"] = True
        mine = kin.by_id[e.connection]
        for other in kin.of(e.connection):
            there = points[other.point]
            if there.where == "client" and other.point != e.point:
                fact["client_unseen"] = max((other.client_bytes or 0) - (e.client_bytes or 0), 0)
            merge.relate(e.connection, other.connection)
            legs.append({"ending": e.ending, "connection": other.connection})
            seen = _find_again(e, mine, frames.get(e.connection, []), other, frames.get(other.connection, []))
            if seen is not None:
                sightings.append(
                    {
                        "ending": e.ending,
                        "point": other.point,
                        "capture": seen.capture,
                        "frame": seen.frame,
                        "stream": seen.stream,
                    }
                )
                if there.where == e.apparent_sender:
                    fact["at_sender"], fact["absent_at_sender"] = True, False
                elif there.where in ("client", "server"):
                    fact["at_peer"] = True
            elif (
                there.where == e.apparent_sender
                and other.point != e.point
                and e.kind == "reset"
                and fact["at_sender"] is None
            ):
                covers = there.first <= e.time <= there.last and other.first <= e.time and not there.only_resets
                fact["absent_at_sender"] = True if covers and not there.drops else None
        facts.append(fact)
    names = ["at_sender", "absent_at_sender", "at_peer", "later_elsewhere"]
    table = pd.DataFrame(facts, columns=["ending", *names, "client_unseen"])
    table["same_as"] = table["ending"].map(merge.primaries(sightings, {p: c.where for p, c in points.items()}))
    table["later_elsewhere"] = table["ending"].map(merge.later)
    for name in names:
        table[name] = table[name].astype("boolean")
    table["client_unseen"] = table["client_unseen"].astype("Int64")
    all_legs = pd.DataFrame(legs, columns=["ending", "connection"])
    all_legs["ending"] = all_legs["ending"].map(table.set_index("ending")["same_as"])
    seen = pd.DataFrame(sightings, columns=["ending", "point", "capture", "frame", "stream"])
    return Vantage(table, seen, all_legs.drop_duplicates(ignore_index=True))


def _find_again(e: Any, mine: Any, here: list[Any], other: Any, there: list[Any]) -> Any | None:
    """Return the frame that shows the same reset there: the same end, flags and numbers (relative to the initial ones), near in time."""
    own = next((f for f in here if f.frame == e.frame and f.capture == e.capture), None)
    if own is None:
        return None
    for f in there:
        same = (
            f.flags == own.flags
            and _from_client(f, other) == _from_client(own, mine)
            and _numbers(f, other) == _numbers(own, mine)
        )
        if same and (f.time is None or own.time is None or abs((f.time - own.time).total_seconds()) <= SAME_RESET):
            return f
    return None


def _from_client(frame: Any, connection: Any) -> bool:
    return bool((frame.src, frame.sport) == (connection.client_ip, connection.client_port))


def _numbers(frame: Any, connection: Any) -> tuple[int, int]:
    """Return sequence and acknowledgement number relative to the initial ones where those are known: some firewalls rewrite them."""
    own, other = connection.client_isn, connection.server_isn
    if not _from_client(frame, connection):
        own, other = other, own
    seq = (frame.seq - own) % 2**32 if own is not None and frame.seq else frame.seq
    return seq, (frame.ack - other) % 2**32 if other is not None and frame.ack else frame.ack


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
    out["client_unseen"] = out["ending"].map(facts["client_unseen"]).astype("Int64")
    stands_for = out["ending"].map(facts["same_as"])
    legs = ["other_leg", "other_leg_delay", "other_leg_connection", "other_leg_messages", "other_leg_error"]
    paired = out.loc[out["other_leg"].notna(), legs].assign(stands_for=stands_for)
    # What one point shows of both connections needs no comparing of clocks.
    paired = paired.sort_values("other_leg_error", na_position="first", kind="stable").drop_duplicates("stands_for")
    for name in legs:
        out[name] = stands_for.map(paired.set_index("stands_for")[name]).astype(out[name].dtype)
    keep = out["ending"] == stands_for
    return schema.ENDINGS.conform(out[keep])
