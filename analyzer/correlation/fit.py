"""A clock out of differences: an offset, and a drift where there is enough to see one.

Lives here: `densest` and `fullest` (which differences agree, for lines that name a connection and for lines that do not), `lower_edge` (the
clock that they say) and `Line`. A line is written after its packet, so a clock is the lower edge of the differences that agree, not
their mean.
Never here: which line is compared with which packet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SECOND = 10**9
QUARTER = 900 * SECOND
HOUR = 3600 * SECOND
ZONES = tuple(quarter * QUARTER for quarter in range(-56, 57))  # from -14 to +14 hours
PROMPT = 300_000_000  # ns; a line that is written at once is written within this time
AT_ONCE = 10_000_000  # ns; most of them within this
DRIFT = 200  # ppm; crystals keep within 100, of two clocks each may be wrong
DRIFT_SPAN = 600 * SECOND  # over less a drift cannot be told from lag
DRIFT_SUPPORT = 5
SLOPES = 400  # tried at most

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Line:
    """A log's clock: log minus capture, `offset` ns at `since` (on the log's clock), gaining `ppm` from there on; None: no drift was seen."""

    offset: int
    since: int
    ppm: float | None

    def at(self, t: Ints) -> Ints:
        """The offset at these times of the log."""
        gained = np.zeros(len(t)) if not self.ppm else (t - self.since) * (self.ppm * 1e-6)
        return self.offset + np.rint(gained).astype(np.int64)

    @property
    def at_capture(self) -> int:
        """The moment of the capture at which the offset holds."""
        return self.since - self.offset


@dataclass(frozen=True)
class Agreement:
    """The differences that agree: which, how many lines, with what drift (a share), and how many the best rival offset has."""

    inside: Bools
    held: int
    slope: float
    rival: int


def _slopes(t: Ints, window: int) -> npt.NDArray[np.float64]:
    """Drifts to try: none first, then so many that the ends of the log move by a third of the window from one to the next."""
    span = int(np.ptp(t)) if len(t) else 0
    if span < DRIFT_SPAN or span * DRIFT * 1e-6 < window / 3:
        return np.zeros(1)
    count = int(min(SLOPES // 2, np.ceil(span * DRIFT * 1e-6 / (window / 3))))
    steps = np.arange(1, count + 1) * (DRIFT * 1e-6 / count)
    return np.concatenate([[0.0], np.column_stack([steps, -steps]).ravel()])


def tail(n: int, k: int, p: float) -> float:
    """The chance of k or more hits among n, each with chance p (binomial)."""
    if k <= 0 or p >= 1:
        return 1.0
    if p <= 0 or k > n:
        return 0.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(k, n + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, logs)))


def densest(t: Ints, difference: Ints, weight: npt.NDArray[np.float64], window: int) -> Agreement | None:
    """The differences that agree within `window`, by weight; None when an offset elsewhere holds nearly as much and nothing else decides."""
    best = None
    middle = int(np.median(t))
    for slope in _slopes(t, window):
        moved = difference - np.rint((t - middle) * slope).astype(np.int64)
        order = np.argsort(moved, kind="stable")
        values, sums = moved[order], np.concatenate([[0.0], np.cumsum(weight[order])])
        held = sums[np.searchsorted(values, values + window, side="right")] - sums[:-1]
        if best is None or held.max() > best[0] * 1.05:
            best = (float(held.max()), float(slope), values, held, moved)
    assert best is not None
    most, slope, values, held, moved = best
    start = int(values[int(held.argmax())])
    apart = np.abs(values - start)
    # an hour apart is no rival but summer time
    rivals = (apart > window) & (np.abs(apart - HOUR) > window) & (held >= 0.8 * most)
    if rivals.any():
        found = np.concatenate([[start], values[rivals]])
        skew = np.abs((found + QUARTER // 2) % QUARTER - QUARTER // 2)
        near = np.unique(found[skew <= 2 * SECOND])
        if not len(near) or near[-1] - near[0] > window:
            return None
        start = int(near[0])
    inside = (moved >= start) & (moved <= start + window)
    return Agreement(inside, int(inside.sum()), slope, int(rivals.sum()))


def fullest(t: Ints, difference: Ints, rows: Ints, window: int) -> Agreement:
    """The window of differences that holds most lines, each counted once, and what the best rival holds. Without pairs it holds none."""
    best: tuple[int, float, int, int, Ints] | None = None
    middle = int(np.median(t))
    for slope in _slopes(t, window):
        moved = difference - np.rint((t - middle) * slope).astype(np.int64)
        order = np.argsort(moved, kind="stable")
        values, own = moved[order], rows[order]
        ends = np.searchsorted(values, values + window, side="right")
        starts = np.argsort(np.arange(len(values)) - ends, kind="stable")[:2000]  # the fullest windows first
        if best is not None and ends[starts[0]] - starts[0] <= best[0]:
            continue
        held = {int(i): len(np.unique(own[i : ends[i]])) for i in starts}
        top = max(held, key=lambda i: (held[i], -i))
        start = int(values[top])
        rival = max((count for i, count in held.items() if abs(int(values[i]) - start) > window), default=0)
        if best is None or held[top] > best[0]:
            best = (held[top], float(slope), start, rival, moved)
    assert best is not None
    count, slope, start, rival, moved = best
    return Agreement((moved >= start) & (moved <= start + window), count, slope, rival)


def lower_edge(t: Ints, difference: Ints, step: int, slope: float, *, early: bool = False) -> Line:
    """The clock of differences that agree, of lines that are written at once and whose stamps are cut to whole steps: each difference lies
    in [offset - step, offset + lag]. `early`: lines that may also come before their packet say their middle instead.

    A drift is read where at least DRIFT_SUPPORT lines over DRIFT_SPAN move by more than they scatter, as the median of the slopes between
    all pairs of differences (Theil and Sen), which a few late lines do not move.
    """
    since = int(t.min())
    span = int(np.ptp(t))
    drift = slope
    if len(np.unique(t)) >= DRIFT_SUPPORT and span >= DRIFT_SPAN:
        drift = _theil_sen(t, difference)
        flat, tilted = np.ptp(difference), np.ptp(difference - drift * (t - since))
        clear = abs(drift) * span > max(step, 2_000_000) and tilted < 0.7 * flat
        drift = drift if clear and abs(drift) <= DRIFT * 1e-6 else slope
    moved = difference - np.rint((t - since) * drift).astype(np.int64)
    values = np.sort(moved)
    near = np.searchsorted(values, values + step + AT_ONCE, side="right") - np.arange(len(values))
    best = len(near) - 1 - int(near[::-1].argmax())  # what agrees best: a stray among the lines may seem earlier
    low, high = int(values[best]), int(values[best + near[best] - 1])
    if early:
        offset = int(np.median(moved))
    elif high < low + step:
        offset = (high + low + step) // 2
    else:
        offset = low + step if step > PROMPT else low
    return Line(offset, since, round(drift * 1e6, 3) if drift else None)


def followed(line: Line, begun: Ints, lines: Ints, resets: Ints, step: int) -> tuple[Line, int]:
    """The clock that some lines (`begun`) say, followed from them to all `lines` (times in order), and how many of these agree with it.

    Further and further lines are each compared with the last reset before them by the clock so far, and its drift put right.
    """
    middle, reach = int(np.median(begun)), max(int(np.ptp(begun)), 120 * SECOND)
    window, support = step + PROMPT, 0
    while True:
        some = lines[np.abs(lines - middle) <= reach]
        some = some[np.linspace(0, len(some) - 1, min(len(some), 3000)).astype(int)]
        expected = some - line.at(some)
        last = np.searchsorted(resets, expected + step + 2 * AT_ONCE, side="right") - 1
        late = expected - resets[np.maximum(last, 0)]
        agree = (last >= 0) & (late <= window)
        support = int(agree.sum())
        if support >= DRIFT_SUPPORT:
            slope = (line.ppm or 0.0) * 1e-6
            line = lower_edge(some[agree], (some - resets[np.maximum(last, 0)])[agree], step, slope)
        if len(lines) == 0 or (middle - reach <= lines[0] and middle + reach >= lines[-1]):
            return line, support
        reach *= 3


def _theil_sen(t: Ints, difference: Ints) -> float:
    """The median slope between pairs of points far apart in time, of at most 300 points."""
    keep = np.linspace(0, len(t) - 1, min(len(t), 300)).astype(int)
    order = np.argsort(t, kind="stable")[keep]
    x, y = t[order].astype(np.float64), difference[order].astype(np.float64)
    first, second = np.triu_indices(len(x), 1)
    run = x[second] - x[first]
    far = run >= np.ptp(x) / 4
    return float(np.median((y[second] - y[first])[far] / run[far]))
