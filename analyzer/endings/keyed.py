"""Counting what happened near a moment, for many groups at once.

Lives here: `codes` and `Timeline`, which make "how many connections of this server port within a second" one binary search for all rows.
Never here: what is counted (moments.py, population.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Integers = npt.NDArray[np.int64]

# One key holds the group above these bits and microseconds below: 25 days of capture, four million groups.
TIME_BITS = 41
MICROSECOND = 1000  # ns


def codes(keys: list[str], *frames: pd.DataFrame) -> list[Integers]:
    """Return for each frame its rows' group numbers over `keys`, the same number for the same values in every frame."""
    together = pd.concat([frame[keys] for frame in frames], ignore_index=True)
    number = together.groupby(keys, sort=False, dropna=False).ngroup().to_numpy(dtype=np.int64)
    return [np.asarray(part) for part in np.split(number, np.cumsum([len(frame) for frame in frames])[:-1])]


def nanoseconds(times: pd.Series[Any]) -> Integers:
    """Return times as integers."""
    return np.asarray(times.astype("int64"), dtype=np.int64)


class Timeline:
    """Events of many groups in order of (group, time)."""

    def __init__(self, group: Integers, time: Integers, base: int) -> None:
        self._base = base
        key = self._key(group, time)
        self.order = np.argsort(key, kind="stable")
        self._keys = key[self.order]
        self.group = group[self.order]
        self.time = time[self.order]

    def __len__(self) -> int:
        return len(self._keys)

    def _key(self, group: Integers, time: Integers) -> Integers:
        return (group << TIME_BITS) + np.clip((time - self._base) // MICROSECOND, 0, (1 << TIME_BITS) - 1)

    def reach(self, group: Integers, moment: Integers, before: int, after: int) -> tuple[Integers, Integers]:
        """Return the bounds of each group's events from `before` earlier to `after` later than the moment (ns)."""
        low = np.searchsorted(self._keys, self._key(group, moment - before), "left")
        return low, np.searchsorted(self._keys, self._key(group, moment + after), "right")

    def count(self, group: Integers, moment: Integers, before: int, after: int) -> Integers:
        """Return how many events each group had within that reach."""
        low, high = self.reach(group, moment, before, after)
        return np.asarray(high - low)

    def following(self, group: Integers, moment: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
        """Return the place (in `order`) of each group's first event after the moment, and whether there is one."""
        if not len(self):
            return np.zeros(len(group), dtype=np.int64), np.zeros(len(group), dtype=bool)
        place = np.searchsorted(self._keys, self._key(group, moment), "right")
        inside = np.minimum(place, len(self) - 1)
        return inside, (place < len(self)) & (self.group[inside] == group)
