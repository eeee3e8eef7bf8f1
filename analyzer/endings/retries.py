"""What the client did next: whether it tried again, at what spacing, and when it was connected again.

Lives here: the attempts that follow each ending on its path, by column. Never here: the first next attempt as evidence (population.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.endings.keyed import Timeline, codes, nanoseconds

PATH = ["point", "client_ip", "server_ip", "server_port"]
WITHIN = 60_000_000_000  # ns; later attempts are another story
LOOKED_AT = 20  # pauses between attempts that tell the spacing
LEAST_PAUSES = 3  # fewer tell no spacing
STORM, STORM_RATE = 10, 10.0  # attempts, and attempts a second
SAME_PAUSE = 1.5  # the longest pause is at most so many times the shortest
GROWTH, SHRINK = 2.0, 0.8  # the last pause against the first; one pause against the longest before it (jitter)


def add(endings: pd.DataFrame, connections: pd.DataFrame) -> pd.DataFrame:
    """Return ENDINGS with retries, retry_spacing, retry_interval and connected_again filled in.

    An attempt is a connection of the same client address to the same server port that began after the ending, within WITHIN. What comes
    after the first one that worked is no attempt any more. That nobody tried is known only where the capture goes on that long.
    """
    out = endings
    n = len(out)
    retries = np.full(n, np.nan)
    again, interval = np.full(n, np.nan), np.full(n, np.nan)
    spacing = np.full(n, None, dtype=object)
    later = connections.dropna(subset=["first", "last"])
    if n and len(later):
        path, of_later = codes(PATH, out, later)
        at, first = nanoseconds(out["time"]), nanoseconds(later["first"])
        opened = Timeline(of_later, first, int(min(at.min(), first.min())))
        worked = (
            ((later["server_bytes"] > 0) | (later["conn_state"] == "SF")).fillna(False).to_numpy(bool)[opened.order]
        )
        begin, end = opened.reach(path, at, 0, 0)[1], opened.reach(path, at, 0, WITHIN)[1]
        good = np.append(np.flatnonzero(worked), len(opened))
        next_good = good[np.searchsorted(good[:-1], begin)]
        back = next_good < end
        last = later.groupby("point")["last"].max()
        over = nanoseconds(out["point"].map(last).fillna(out["time"])) - at < WITHIN
        retries = np.where(back, next_good - begin + 1, end - begin).astype(float)
        again[back] = (opened.time[next_good[back]] - at[back]) / 1e9
        retries[(retries == 0) & over] = np.nan
        spacing[retries == 0] = "none"
        _pace(opened.time, begin, np.nan_to_num(retries).astype(np.int64), spacing, interval)
    out["retries"] = pd.Series(retries, index=out.index).astype("Int64")
    out["retry_spacing"] = pd.Series(spacing, index=out.index).astype("string")
    out["retry_interval"] = pd.Series(interval, index=out.index).astype("Float64")
    out["connected_again"] = pd.Series(again, index=out.index).astype("Float64")
    return out


def _pace(
    time: npt.NDArray[np.int64], begin: npt.NDArray[np.int64], count: npt.NDArray[np.int64], spacing: Any, interval: Any
) -> None:
    """Write down the spacing of each ending's attempts, and the median pause, where they are enough to tell."""
    rows = np.flatnonzero(count > LEAST_PAUSES)
    if not len(rows):
        return
    place = np.arange(LOOKED_AT + 1)
    inside = place[None, :] < count[rows, None]
    when = time[np.minimum(begin[rows, None] + place[None, :], len(time) - 1)]
    pauses = np.where(inside[:, 1:], np.diff(when, axis=1) / 1e9, np.nan)
    longest = np.fmax.accumulate(pauses, axis=1)
    steady = np.nanmax(pauses, axis=1) <= SAME_PAUSE * np.nanmin(pauses, axis=1)
    number = np.minimum(count[rows], LOOKED_AT + 1)
    final = pauses[np.arange(len(rows)), number - 2]
    shrinks = np.where(inside[:, 2:], pauses[:, 1:] < SHRINK * longest[:, :-1], False).any(axis=1)
    grows = ~shrinks & (final >= GROWTH * pauses[:, 0])
    span = np.maximum((time[begin[rows] + count[rows] - 1] - time[begin[rows]]) / 1e9, 1e-9)
    storm = (count[rows] >= STORM) & ((count[rows] - 1) / span >= STORM_RATE)
    spacing[rows] = np.select([storm, steady, grows], ["storm", "fixed", "backoff"], "irregular")
    interval[rows] = np.nanmedian(pauses, axis=1)
