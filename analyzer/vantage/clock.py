"""How the clocks of capture points stand to the first one's, from handshakes that both show.

Lives here: `Clock`, finding it, and moving a table's times. Never here: the clocks of logs (correlation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    kin = Kin(connections)
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
