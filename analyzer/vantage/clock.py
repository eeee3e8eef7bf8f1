"""How the clocks of capture points stand to the first one's, from handshakes that two points show.

A point that shares no handshake with the first one may share some with another, whose clock is known: it is compared by way of that one.
Lives here: `Clock`, finding it, and moving a table's times. Never here: the clocks of logs (correlation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from analyzer import schema
from analyzer.language import joined, say, say_many
from analyzer.vantage.kin import Kin

# A drift is fitted from this many handshakes over at least this time; below it an offset alone is as good.
DRIFT_SUPPORT, DRIFT_SECONDS = 4, 5.0
# Clocks nearer than this are left as they are.
AGREE = 0.1  # s
# Crystals differ by tens of millionths (RFC 5905 uses 15 for a disciplined clock); a steeper line is noise.
MOST_DRIFT = 500e-6
# A drift that adds up to less than this over the whole capture is not worth telling.
LEAST_DRIFT = 0.002  # s


_BASES = {"handshakes": "identity", "carried": "carried", "none": "none"}  # CLOCKS.basis


@dataclass(frozen=True)
class Clock:
    """One point's clock against the reference point's: offset at a moment of that point's own time, drifting from there.

    offset, spread  s; spread is how far the two directions leave the offset open (half the round trip between the points)
    drift           seconds a second
    support         handshakes seen at both, or pairs of a proxy's connections
    basis           by what it was found; 'none': it is taken to agree
    via             the point by way of which it was compared, where that is not the reference itself
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
    basis: Literal["reference", "handshakes", "carried", "none"] = "none"
    via: str | None = None

    @property
    def known(self) -> bool:
        return self.basis != "none"

    def ahead(self, moment: pd.Timestamp) -> float:
        """Return how far (s) it is ahead of the reference at a moment of its own time."""
        return self.offset + (0.0 if self.middle is None else self.drift * (moment - self.middle).total_seconds())

    def moved(self, times: pd.Series[Any]) -> pd.Series[Any]:
        """Return times of this point on the reference clock."""
        if not self.moves:
            return times
        gone = 0.0 if self.middle is None else (times - self.middle).dt.total_seconds().fillna(0.0)
        shift = pd.to_timedelta((self.offset + self.drift * gone) * pd.Series(1e9, index=times.index), unit="ns")
        return times - shift


def _clock(point: str, by: Clock, pairs: list[tuple[Any, Any]]) -> Clock:
    """Return the clock of a point from handshakes (row at the point that is known, row there) seen at both.

    The SYN crosses one way and the SYN-ACK the other, so that the mean of their differences is free of the transit time
    (the on-wire protocol of RFC 5905 8). The drift is the median of slopes between pairs (Theil and Sen).
    """
    syn = np.array([(there.first - here.first).total_seconds() + by.ahead(here.first) for here, there in pairs])
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
    spread = float(np.median(np.abs(turn)) / 2) + (by.spread or 0.0)
    via = None if by.basis == "reference" else by.point
    return Clock(point, offset, drift, spread, len(pairs), middle, moves, "handshakes", via)


def clocks(connections: pd.DataFrame, points: Sequence[str]) -> dict[str, Clock]:
    """Return each point's clock against the first point's, from the handshakes in CONNECTIONS that two points show.

    Of the points whose clocks are known, the one that shares the most handshakes with the next one is its measure.
    """
    found = {p: Clock(p) for p in points}
    found[points[0]] = Clock(points[0], basis="reference")
    shared = _shared(connections) if len(points) > 1 else {}
    while True:
        links = [
            (found[here].basis != "reference", -len(pairs), here, there)
            for (here, there), pairs in shared.items()
            if found[here].known and not found[there].known
        ]
        if not links:
            return found
        _, _, here, there = min(links)
        found[there] = _clock(there, found[here], shared[here, there])


def _shared(connections: pd.DataFrame) -> dict[tuple[str, str], list[tuple[Any, Any]]]:
    """Return two points -> the rows of the connections whose handshakes both show."""
    kin = Kin(connections)
    whole = {n for n, row in kin.by_id.items() if row.handshake and row.server_rtt is not None and row.syn_frames == 1}
    out: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
    for here in (kin.by_id[n] for n in whole):
        for there in kin.of(here.connection):
            if there.point != here.point and there.connection in whole:
                out.setdefault((here.point, there.point), []).append((here, there))
    return out


def clock_rows(clocks: Mapping[str, Clock]) -> pd.DataFrame:
    """Return CLOCKS rows of the points other than the first: how each stands to it, and whether its times were moved."""
    reference = next(iter(clocks))
    rows = []
    for clock in list(clocks.values())[1:]:
        both = {"point": clock.point, "reference": reference}
        drift = say(", drifting {drift:+.0f} millionths", drift=clock.drift * 1e6) if clock.drift else say("")
        told = both | {"offset": clock.offset, "drift": drift}
        if clock.basis == "carried":
            offset = say_many(
                "The clock at {point} is {offset:+.6f} s from the one at {reference}, by the messages on {n} pair of a proxy's connections.",
                "The clock at {point} is {offset:+.6f} s from the one at {reference}, by the messages on {n} pairs of a proxy's connections.",
                clock.support, **told,
            )  # fmt: skip
        else:
            offset = say_many(
                "The clock at {point} is {offset:+.6f} s from the one at {reference}{drift}, by {n} handshake seen at both.",
                "The clock at {point} is {offset:+.6f} s from the one at {reference}{drift}, by {n} handshakes seen at both.",
                clock.support, **told,
            ) if clock.via is None else say_many(
                "The clock at {point} is {offset:+.6f} s from the one at {reference}{drift}, by {n} handshake seen at {point} and {via}.",
                "The clock at {point} is {offset:+.6f} s from the one at {reference}{drift}, by {n} handshakes seen at {point} and {via}.",
                clock.support, via=clock.via, **told,
            )  # fmt: skip
        moved = say("Its times are shown on that clock.") if clock.moves else say("")
        none = say("No handshake was seen at both {point} and {reference}: their clocks are taken to agree.", **both)
        sentence = joined([offset, moved]) if clock.known else none
        rows.append(
            {
                "source": clock.point, "offset_seconds": clock.offset if clock.known else None, "spread_seconds": clock.spread,
                "support": clock.support, "basis": _BASES[clock.basis], "sentence": sentence,
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
