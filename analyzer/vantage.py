"""The same connection seen from two capture points: what one shows of the other's reset, and how their clocks stand.

Lives here: pairing connections across points by addresses or, across NAT, by initial sequence numbers; each point's clock; finding
a reset again at another point, and saying where it is missing although it should be seen.
Never here: reading captures, or what presence and absence mean for the verdict (causes/origins.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyzer import schema
from analyzer.errors import Notice
from analyzer.language import N_, joined, say, say_many

# The same reset at two points is this close after the clocks are aligned; transit times are far below it.
SAME_RESET = 2.0  # s

# A drift is fitted from this many handshakes over at least this time; below it an offset alone is as good.
DRIFT_SUPPORT, DRIFT_SECONDS = 4, 5.0
# Clocks nearer than this are left as they are.
AGREE = 0.1  # s
# Crystals differ by tens of millionths (RFC 5905 uses 15 for a disciplined clock); a steeper line is noise.
MOST_DRIFT = 500e-6
# A drift that adds up to less than this over the whole capture is not worth telling.
LEAST_DRIFT = 0.002  # s


@dataclass(frozen=True)
class Clock:
    """One point's clock against the reference point's: offset at a moment of that point's own time, drifting from there.

    offset, spread  s; spread is how far the two directions leave the offset open (half the round trip between the points)
    drift           seconds a second
    support         handshakes seen at both
    middle          the moment for which the offset holds
    moves           this point's times have to be moved; clocks that agree well enough stay as Wireshark shows them
    """

    point: str
    offset: float = 0.0
    drift: float = 0.0
    spread: float | None = None
    support: int = 0
    middle: pd.Timestamp | None = None
    moves: bool = False

    def moved(self, times: pd.Series[Any]) -> pd.Series[Any]:
        """Return times of this point on the reference clock."""
        if not self.moves:
            return times
        gone = 0.0 if self.middle is None else (times - self.middle).dt.total_seconds().fillna(0.0)
        shift = pd.to_timedelta((self.offset + self.drift * gone) * pd.Series(1e9, index=times.index), unit="ns")
        return times - shift


@dataclass(frozen=True)
class Vantage:
    """What several capture points add.

    facts      keyed by `ending`: at_sender, absent_at_sender, at_peer, later_elsewhere (boolean), same_as (the ending that stands
               for this connection life: itself, or the one it is merged into)
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


# What is looked at of connections that may be the same one.
_KIN = [
    "connection", "point", "client_ip", "client_port", "server_ip", "server_port", "client_isn", "server_isn", "first", "server_rtt",
    "handshake", "syn_frames", "roles_known",
]  # fmt: skip


def _has_kin(connections: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows share their addresses with a row of another point, or both initial sequence numbers with any row."""
    c = connections
    numbers = c[["client_isn", "server_isn"]]
    out = (numbers.duplicated(keep=False) & numbers.notna().all(axis=1)).to_numpy(bool, copy=True)
    if c["point"].nunique() > 1:
        codes, _ = pd.factorize(pd.concat([c["client_ip"], c["server_ip"]]))
        ends = codes.reshape(2, -1) << 16 | np.stack(
            [c["client_port"].to_numpy(np.int64), c["server_port"].to_numpy(np.int64)]
        )
        pairs = pd.DataFrame({"low": ends.min(axis=0), "high": ends.max(axis=0)})
        out |= pairs.duplicated(keep=False).to_numpy(bool)
    return out


class _Kin:
    """The rows of CONNECTIONS that are the same connection: seen at another point, or at the same one with other addresses (NAT)."""

    def __init__(self, connections: pd.DataFrame, asked: pd.Series | None = None) -> None:
        """Know the rows that have kin, and those that are `asked` for by number: most of a large capture are neither."""
        told = _has_kin(connections)
        if asked is not None:
            told |= connections["connection"].isin(asked).to_numpy(bool)
        self.by_id: dict[int, Any] = {}
        self._by_addresses: dict[tuple[Any, ...], list[Any]] = {}
        self._by_numbers: dict[tuple[Any, ...], list[Any]] = {}
        for row in schema.rows(connections.loc[told, _KIN]):
            self.by_id[row.connection] = row
            self._by_addresses.setdefault(_addresses(row), []).append(row)
            if row.client_isn is not None and row.server_isn is not None:
                self._by_numbers.setdefault((row.client_isn, row.server_isn), []).append(row)

    def of(self, connection: int) -> list[Any]:
        """Return the other rows of this connection.

        The same addresses at another point, unless the initial sequence numbers differ; or both initial sequence numbers the same
        whatever the addresses: 64 random bits do not meet by chance (RFC 6528).
        """
        mine = self.by_id[connection]
        same = [o for o in self._by_addresses[_addresses(mine)] if o.point != mine.point and _same_numbers(mine, o)]
        found = {o.connection: o for o in same}
        for o in self._by_numbers.get((mine.client_isn, mine.server_isn), []):
            if o.connection != mine.connection and (o.point != mine.point or _addresses(o) != _addresses(mine)):
                found[o.connection] = o
        return list(found.values())


def _addresses(row: Any) -> tuple[Any, ...]:
    """Return both addresses in a fixed order: without a handshake two points may guess the roles differently."""
    ends = sorted([(row.client_ip, row.client_port), (row.server_ip, row.server_port)])
    return (*ends[0], *ends[1])


def _same_numbers(a: Any, b: Any) -> bool:
    return a.client_isn is None or b.client_isn is None or bool(a.client_isn == b.client_isn)


def _clock(point: str, pairs: list[tuple[Any, Any]]) -> Clock:
    """Return the clock of a point from handshakes (reference row, row there) seen at both.

    The SYN crosses one way and the SYN-ACK the other, so that the mean of their differences is free of the transit time
    (the on-wire protocol of RFC 5905 8). The drift is the median of slopes between pairs (Theil and Sen).
    """
    if not pairs:
        return Clock(point)
    syn = np.array([(there.first - here.first).total_seconds() for here, there in pairs])
    turn = np.array([there.server_rtt - here.server_rtt for here, there in pairs])
    when = pd.DatetimeIndex([there.first for _, there in pairs])
    middle = when[len(when) // 2]
    offsets, seconds = syn + turn / 2, np.asarray((when - middle).total_seconds())
    drift = 0.0
    if len(pairs) >= DRIFT_SUPPORT and np.ptp(seconds) >= DRIFT_SECONDS:
        i, j = np.triu_indices(min(len(pairs), 200), 1)
        apart = np.abs(seconds[j] - seconds[i]) >= DRIFT_SECONDS / 2
        slope = float(np.median((offsets[j] - offsets[i])[apart] / (seconds[j] - seconds[i])[apart]))
        noise = float(np.median(np.abs(offsets - slope * seconds - np.median(offsets - slope * seconds))))
        if abs(slope) <= MOST_DRIFT and abs(slope) * np.ptp(seconds) >= max(LEAST_DRIFT, 4 * noise):
            drift = slope
    offset = float(np.median(offsets - drift * seconds))
    moves = bool(np.abs(offset + drift * seconds).max() >= AGREE)
    return Clock(point, offset, drift, float(np.median(np.abs(turn)) / 2), len(pairs), middle, moves)


def clocks(connections: pd.DataFrame, points: Sequence[str]) -> dict[str, Clock]:
    """Return each point's clock against the first point's, from the handshakes in CONNECTIONS that both show."""
    kin = _Kin(connections)
    pairs: dict[str, list[tuple[Any, Any]]] = {p: [] for p in points}
    if len(points) > 1:
        for here in kin.by_id.values():
            if here.point == points[0] and here.handshake and here.server_rtt is not None and here.syn_frames == 1:
                for there in kin.of(here.connection):
                    if (
                        there.point != here.point
                        and there.handshake
                        and there.server_rtt is not None
                        and there.syn_frames == 1
                    ):
                        pairs[there.point].append((here, there))
    return {p: Clock(p) if p == points[0] else _clock(p, pairs[p]) for p in points}


def clock_rows(clocks: Mapping[str, Clock]) -> pd.DataFrame:
    """Return CLOCKS rows of the points other than the first: how each stands to it, and whether its times were moved."""
    reference = next(iter(clocks))
    rows = []
    for clock in list(clocks.values())[1:]:
        found = clock.support > 0
        both = {"point": clock.point, "reference": reference}
        drift = say(", drifting {drift:+.0f} millionths", drift=clock.drift * 1e6) if clock.drift else say("")
        offset = say_many(
            "The clock at {point} is {offset:+.6f} s from the one at {reference}{drift}, by {n} handshake seen at both.",
            "The clock at {point} is {offset:+.6f} s from the one at {reference}{drift}, by {n} handshakes seen at both.",
            clock.support, offset=clock.offset, drift=drift, **both,
        )  # fmt: skip
        moved = say("Its times are shown on that clock.") if clock.moves else say("")
        none = say("No handshake was seen at both {point} and {reference}: their clocks are taken to agree.", **both)
        sentence = joined([offset, moved]) if found else none
        rows.append(
            {
                "source": clock.point, "offset_seconds": clock.offset if found else None, "spread_seconds": clock.spread,
                "support": clock.support, "basis": "identity" if found else "none", "sentence": sentence,
            }
        )  # fmt: skip
    return schema.CLOCKS.of(rows)


def align(table: pd.DataFrame, clocks: Mapping[str, Clock]) -> pd.DataFrame:
    """Return a table with a `point` column, its times moved onto the first point's clock where clocks disagree."""
    if not any(c.moves for c in clocks.values()) or table.empty:
        return table
    out = table.copy()
    for name in (n for n in ("time", "first", "last", "minute") if n in out.columns):
        for point, clock in clocks.items():
            here = out["point"] == point
            out.loc[here, name] = clock.moved(out.loc[here, name])
    return out


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
)


def vantage(
    endings: pd.DataFrame, connections: pd.DataFrame, reset_frames: pd.DataFrame, coverage: pd.DataFrame
) -> Vantage:
    """Return what the points say of each other's endings. `coverage` is as `locate` returns it; all tables span all points, on one clock."""
    points = {c.point: c for c in schema.rows(coverage)}
    kin = _Kin(connections, endings["connection"])
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
    table = pd.DataFrame(facts, columns=["ending", *names])
    table["same_as"] = table["ending"].map(merge.primaries(sightings, {p: c.where for p, c in points.items()}))
    table["later_elsewhere"] = table["ending"].map(merge.later)
    for name in names:
        table[name] = table[name].astype("boolean")
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
    stands_for = out["ending"].map(facts["same_as"])
    for name in ("other_leg", "other_leg_delay", "other_leg_connection"):  # the point on the proxy's host knows it
        out[name] = out[name].fillna(out.groupby(stands_for)[name].transform("first"))
    keep = out["ending"] == stands_for
    return schema.ENDINGS.conform(out[keep])
