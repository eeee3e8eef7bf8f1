"""A proxy's two connections, one seen at one capture point and one at another: the same messages went over both.

Lives here: `carried`, which pairs connections of two points by payload and time; what the pairs tell of the points' clocks.
Never here: which of the two broke first (endings/legs.py), the same connection under two names (kin).

A TCP relay (HAProxy in mode tcp) and a connection pool (PgBouncer) pass payload on unchanged. A message reaches the second connection after
it was on the first, an answer comes back the other way: so each message bounds the offset of the two points' clocks from one side and
each answer from the other (as in Cristian's algorithm, without any assumption of symmetry), and connections that have nothing to do
with each other soon contradict themselves. What changes the payload on the way (TLS at the proxy, HTTP headers rewritten) is not paired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import pandas as pd

from analyzer import schema
from analyzer.vantage.clock import AGREE, Clock
from analyzer.vantage.kin import Kin

Clips = Callable[[str, Sequence[tuple[int, int]]], Sequence[bytes]]  # file, (offset, length) … -> the bytes there

MOST_CONNECTIONS = 1_000  # of one point that are compared, those that ended first
LAST_MESSAGES = 24  # of each connection and direction that are compared, the last ones
CLIP = 2_048  # bytes of each that are compared
LEAST_MESSAGES = 3  # that were carried over, in both directions together; fewer are said by any two connections
LEAST_BYTES = 48  # of them in all
SHORT = 8  # bytes; shorter ones prove nothing (PostgreSQL's Sync and Terminate)
# A proxy may have been told what it did not pass on, and may have had its own last word: so many messages at the end may differ.
LAST_WORDS = 2
COMMON = 50  # what more connections of one point said last tells none of them from the others
WIDEST = 0.1  # s to either side; messages that leave more than that open do not tell which connection broke first
# Clocks of two hosts drift apart by tens of millionths: what a message says of their offset is that much less exact for each second since.
DRIFT = 100e-6
NOISE = 0.002  # s; clocks that were compared by handshakes are believed this far beyond their spread
AGREED = 2  # pairs with different messages that give one offset of clocks about which nothing else is known
AS_PRINTED = 0.01  # s; clocks that were set by NTP agree at least that well


@dataclass(frozen=True)
class Carried:
    """A connection to a proxy (`front`) and one that the proxy opened (`back`), at different points, that carried the same messages.

    front, back              CONNECTIONS.connection
    front_point, back_point  where each was seen
    messages                 carried over, both directions together
    content                  a checksum of them
    low, high                s; the clock at back_point minus the one at front_point lies between, by when the messages were seen
    middle                   when they do: the time of the last request
    """

    front: int
    back: int
    front_point: str
    back_point: str
    messages: int
    content: bytes
    low: float
    high: float
    middle: pd.Timestamp

    @property
    def offset(self) -> float:
        return (self.low + self.high) / 2

    @property
    def spread(self) -> float:
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class _Message:
    time: int  # ns
    length: int
    digest: bytes
    seq: int
    relative_seq: int
    tsval: int | None


@dataclass(frozen=True)
class _Connection:
    row: Any
    said: Mapping[bool, Sequence[_Message]]  # from the client or not -> its last messages, in time order


def carried(
    packets: pd.DataFrame, connections: pd.DataFrame, clocks: Mapping[str, Clock], clips: Clips
) -> list[Carried]:
    """Return the pairs that nothing speaks against and nothing else explains. Times as captured; `clocks` by handshakes.

    Both connections carried the same last messages, in both directions, at times that fit one offset of the clocks. Where the points
    share handshakes, that offset is the one they give. Where they share none, it is zero to within AS_PRINTED, or several pairs with
    different messages give it. One to one, else nothing.
    """
    if connections["point"].nunique() < 2 or packets.empty:
        return []
    talked = _talked(packets, connections, clips)
    kin = _kin(talked, connections)
    at: dict[str, list[_Connection]] = {}
    for one in talked:
        at.setdefault(one.row.point, []).append(one)
    found: list[Carried] = []
    for a, b in combinations(at, 2):
        both = _likely(at[a], at[b], kin)
        pairs = [pair for one, other in both if (pair := _pair(one, other)) is not None]
        found += _believed(_best(_fitting(pairs, clocks)), clocks)
    return found


def _talked(packets: pd.DataFrame, connections: pd.DataFrame, clips: Clips) -> list[_Connection]:
    """Return the connections that ended and on which both ends spoke, with their last messages."""
    spoken = packets[
        packets["copy_of"].isna()
        & ~packets["retransmission"].fillna(False)
        & ~packets["keepalive"].fillna(False)
        & (packets["length"] > 0)
        & (packets["captured"] >= packets["length"].clip(upper=CLIP))
    ]
    last = spoken.groupby(["connection", "from_client"], sort=False).tail(LAST_MESSAGES)
    both = last.groupby("connection")["from_client"].nunique() == 2
    known = connections[connections["connection"].isin(both.index[both])].sort_values("last", kind="stable")
    known = known.groupby("point", sort=False).head(MOST_CONNECTIONS)
    last = last[last["connection"].isin(known["connection"])]
    digests: dict[tuple[str, int], bytes] = {}
    for capture, table in last.groupby("capture", sort=False):
        spans = list(zip(table["offset"].tolist(), table["captured"].clip(upper=CLIP).tolist(), strict=True))
        for (offset, _), clip in zip(spans, clips(str(capture), spans), strict=True):
            digests[str(capture), offset] = hashlib.blake2b(clip, digest_size=16).digest()
    said: dict[int, dict[bool, list[_Message]]] = {}
    for p in schema.rows(
        last[["connection", "from_client", "time", "length", "capture", "offset", "seq", "relative_seq", "tsval"]]
    ):
        one = _Message(p.time.value, p.length, digests[p.capture, p.offset], p.seq, p.relative_seq, p.tsval)
        said.setdefault(p.connection, {True: [], False: []})[bool(p.from_client)].append(one)
    return [_Connection(row, said[row.connection]) for row in schema.rows(known)]


def _kin(talked: Sequence[_Connection], connections: pd.DataFrame) -> Kin:
    """Return the kin of these connections; of a large capture's others nothing is asked."""
    ports = {port for c in talked for port in (c.row.client_port, c.row.server_port)}
    clients = connections["client_port"].isin(ports) & connections["server_port"].isin(ports)
    numbered = connections["client_isn"].isin({c.row.client_isn for c in talked if c.row.client_isn is not None})
    return Kin(connections[clients | numbered], pd.Series([c.row.connection for c in talked], dtype="Int64"))


def _likely(here: list[_Connection], there: list[_Connection], kin: Kin) -> list[tuple[_Connection, _Connection]]:
    """Return the pairs whose clients said the same last, leaving out what either point shows of the other's connection itself."""
    shown = {c.row.connection: {o.point for o in kin.of(c.row.connection)} for c in (*here, *there)}
    by_last: dict[tuple[int, bytes], list[_Connection]] = {}
    for one in there:
        for m in one.said[True][-1 - LAST_WORDS :]:
            by_last.setdefault((m.length, m.digest), []).append(one)
    found = {}
    for one in here:
        for m in one.said[True][-1 - LAST_WORDS :]:
            alike = by_last.get((m.length, m.digest), [])
            for other in alike if len(alike) <= COMMON else ():
                if (
                    other.row.point not in shown[one.row.connection]
                    and one.row.point not in shown[other.row.connection]
                ):
                    found[one.row.connection, other.row.connection] = (one, other)
    return list(found.values())


def _pair(a: _Connection, b: _Connection) -> Carried | None:
    """Return what the two carried in common, None where that is too little, at odds with any offset, or one connection under two names."""
    same = {side: _tail(a.said[side], b.said[side]) for side in (True, False)}
    matched = [*same[True], *same[False]]
    telling = [m for m, _ in matched if m.length >= SHORT]
    if (
        not (same[True] and same[False])
        or len(telling) < LEAST_MESSAGES
        or sum(m.length for m in telling) < LEAST_BYTES
        or not _two_connections(matched)
    ):
        return None
    middle = max(there.time for _, there in same[True])
    high_low = []
    for side in (True, False):
        gaps = [((there.time - here.time) / 1e9, DRIFT * abs(middle - there.time) / 1e9) for here, there in same[side]]
        high_low.append((min(gap + open_ for gap, open_ in gaps), max(gap - open_ for gap, open_ in gaps)))
    (least_asked, most_asked), (least_answered, most_answered) = high_low
    # At the connection to the proxy a request comes first and an answer last.
    last = max(here.time for here, _ in same[True])
    for front, back, low, high, when in (
        (a, b, most_answered, least_asked, middle), (b, a, -least_answered, -most_asked, last),
    ):  # fmt: skip
        if 0 < high - low <= 2 * WIDEST:
            return Carried(
                front.row.connection, back.row.connection, front.row.point, back.row.point, len(matched),
                hashlib.blake2b(b"".join(m.digest for m, _ in matched)).digest(), low, high, pd.Timestamp(when, tz="UTC"),
            )  # fmt: skip
    return None


def _tail(here: Sequence[_Message], there: Sequence[_Message]) -> list[tuple[_Message, _Message]]:
    """Return the longest common end of two lists of messages, either of them without its very last ones."""
    best: list[tuple[_Message, _Message]] = []
    for skip_here, skip_there in ((n, m) for n in range(LAST_WORDS + 1) for m in range(LAST_WORDS + 1 - n)):
        pairs = zip(here[len(here) - 1 - skip_here :: -1], there[len(there) - 1 - skip_there :: -1], strict=False)
        run = []
        for one, other in pairs if len(here) > skip_here and len(there) > skip_there else ():
            if (one.length, one.digest) != (other.length, other.digest):
                break
            run.append((one, other))
        if len(run) > len(best):
            best = run
    return best


def _two_connections(matched: list[tuple[_Message, _Message]]) -> bool:
    """Tell whether these segments were made twice. A NAT passes on the timestamps, and the places in the stream, even where it rewrites numbers."""
    if any(one.seq == other.seq for one, other in matched):
        return False
    stamped = [(one.tsval, other.tsval) for one, other in matched if one.tsval is not None and other.tsval is not None]
    if stamped:
        return all(one != other for one, other in stamped)
    return any(one.relative_seq != other.relative_seq for one, other in matched)


def _known(pair: Carried, clocks: Mapping[str, Clock]) -> tuple[float, float] | None:
    """Return between what (s) the offset of the pair's points lies by other connections; None where these do not tell."""
    front, back = clocks[pair.front_point], clocks[pair.back_point]
    if not (front.known and back.known):
        return None
    offset = back.ahead(pair.middle) - front.ahead(pair.middle)
    since = sum(
        abs((pair.middle - c.middle).total_seconds()) for c in (front, back) if c.middle is not None and not c.drift
    )
    open_ = (front.spread or 0.0) + (back.spread or 0.0) + NOISE + DRIFT * since
    return offset - open_, offset + open_


def _fitting(pairs: list[Carried], clocks: Mapping[str, Clock]) -> list[Carried]:
    """Return the pairs that do not contradict what is known of their clocks, their bounds narrowed by that."""
    out = []
    for pair in pairs:
        known = _known(pair, clocks)
        low, high = (pair.low, pair.high) if known is None else (max(pair.low, known[0]), min(pair.high, known[1]))
        if low <= high:
            out.append(replace(pair, low=low, high=high))
    return out


def _best(pairs: list[Carried]) -> list[Carried]:
    """Return the pairs that have more messages in common than any other pair of either connection: one to one."""
    most: dict[int, list[int]] = {}
    for pair in pairs:
        for end in (pair.front, pair.back):
            most.setdefault(end, []).append(pair.messages)
    return [
        p
        for p in pairs
        if all(max(most[e]) == p.messages and most[e].count(p.messages) == 1 for e in (p.front, p.back))
    ]


def _believed(pairs: list[Carried], clocks: Mapping[str, Clock]) -> list[Carried]:
    """Return the pairs for whose offset something else speaks: what programs say by rote, they say at the same pace elsewhere too."""
    told = [p for p in pairs if _known(p, clocks) is not None]
    if told or not pairs:
        return told  # the clocks of two points are known or not: for all pairs alike
    printed = [p for p in pairs if p.low - AS_PRINTED <= 0 <= p.high + AS_PRINTED]
    if printed:
        return printed
    agreed = max(([q for q in pairs if _same_clocks(p, q)] for p in pairs), key=len)
    return agreed if 2 * len(agreed) > len(pairs) and len({p.content for p in agreed}) >= AGREED else []


def _same_clocks(p: Carried, q: Carried) -> bool:
    """Tell whether one offset fits both pairs, the clocks drifting in between."""
    apart = DRIFT * abs((p.middle - q.middle).total_seconds())
    sign = 1 if p.front_point == q.front_point else -1
    low, high = (q.low, q.high) if sign > 0 else (-q.high, -q.low)
    return p.low - apart <= high and low <= p.high + apart


def with_pairs(clocks: Mapping[str, Clock], pairs: Sequence[Carried]) -> dict[str, Clock]:
    """Return the clocks, those that no handshake tells from what proxies carried over between a known point and theirs."""
    found = dict(clocks)
    while True:
        told: dict[tuple[str, str], list[tuple[float, float, pd.Timestamp]]] = {}
        for pair in pairs:
            for known, point, sign in ((pair.front_point, pair.back_point, 1), (pair.back_point, pair.front_point, -1)):
                if found[known].known and not found[point].known:
                    at = pair.middle if sign > 0 else pair.middle - pd.Timedelta(seconds=pair.offset)
                    offset = sign * pair.offset + found[known].ahead(pair.middle)
                    told.setdefault((known, point), []).append((pair.spread + (found[known].spread or 0.0), offset, at))
        if not told:
            return found
        known, point = max(told, key=lambda link: len(told[link]))
        spread, offset, at = min(told[known, point])
        via = None if found[known].basis == "reference" else known
        support = len(told[known, point])
        found[point] = Clock(point, offset, 0.0, spread, support, at, abs(offset) >= AGREE, "carried", via)


def carried_rows(pairs: Sequence[Carried], clocks: Mapping[str, Clock]) -> pd.DataFrame:
    """Return CARRIED: the pairs after the points' times were moved by these clocks."""
    rows = []
    for p in pairs:
        front, back = clocks[p.front_point], clocks[p.back_point]
        back_moved = back.ahead(p.middle) if back.moves else 0.0
        front_moved = front.ahead(p.middle - pd.Timedelta(seconds=p.offset)) if front.moves else 0.0
        left = front_moved - back_moved
        rows.append(
            {
                "front": p.front, "back": p.back, "messages": p.messages, "offset_low": p.low + left, "offset_high": p.high + left,
                "at": p.middle - pd.Timedelta(seconds=back_moved), "drift": DRIFT,
            }
        )  # fmt: skip
    return schema.CARRIED.of(rows)
