"""Two rows of times, paired as well as possible.

Lives here: `candidates` (what lies within reach of what: an interval join) and `assign` (of all one-to-one choices that keep the order of
time, the one with the greatest sum of scores).
Never here: what the times are of, or what a pair is worth (scoring.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.compiled import compiled

MOST = 64  # targets that one line is compared with: the latest before it
PAIRS = 16_000_000  # pairs in all: where lines stand denser, each is compared with fewer
FEWEST = 8

Ints = npt.NDArray[np.int64]


def candidates(lines: pd.DataFrame, targets: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """(row, target, lag) for every target with the same keys between `reach` before a line and `tolerance` after it, the latest MOST of them.

    `lines` has row, time, tolerance, reach (ns) and the keys; `targets` has t and the keys; `target` is the index of `targets`.
    """
    if lines.empty or targets.empty:
        return pd.DataFrame({"row": [], "target": [], "lag": []}, dtype="int64")
    line_key, target_key = _codes(lines, targets, keys)
    t = targets["t"].to_numpy(dtype=np.int64)
    moments = np.unique(t)
    base = np.int64(len(moments) + 1)
    place = target_key * base + np.searchsorted(moments, t)
    order = np.argsort(place, kind="stable")
    place = place[order]
    at = lines["time"].to_numpy(dtype=np.int64)
    low = np.searchsorted(moments, at - lines["reach"].to_numpy(dtype=np.int64), side="left")
    high = np.searchsorted(moments, at + lines["tolerance"].to_numpy(dtype=np.int64), side="right")
    first = np.searchsorted(place, line_key * base + low, side="left")
    last = np.searchsorted(place, line_key * base + high, side="left")
    first = np.maximum(first, last - min(MOST, max(FEWEST, PAIRS // len(lines))))
    count = last - first
    which = np.repeat(np.arange(len(lines)), count)
    found = order[np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)]
    return pd.DataFrame(
        {
            "row": lines["row"].to_numpy()[which],
            "target": targets.index.to_numpy()[found],
            "lag": at[which] - t[found],
        }
    )


def _codes(lines: pd.DataFrame, targets: pd.DataFrame, keys: list[str]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """One number for each combination of keys, the same on both sides."""
    if not keys:
        return np.zeros(len(lines), dtype=np.int64), np.zeros(len(targets), dtype=np.int64)
    both = pd.concat([lines[keys], targets[keys]], ignore_index=True)
    codes = both.groupby(keys, sort=False, dropna=False).ngroup().to_numpy(dtype=np.int64)
    return codes[: len(lines)], codes[len(lines) :]


def assign(pairs: pd.DataFrame, line_time: pd.Series, target_time: pd.Series) -> pd.DataFrame:
    """The pairs of the best one-to-one choice among `pairs` (row, target, score, group): the greatest sum of scores, each above zero.

    Within a group, earlier lines take earlier targets: what one program says of two events, it says in their order. A line, and a target,
    is of one group. The work grows with the lines and with how many targets each can reach.
    """
    pairs = pairs[pairs["score"] > 0]
    if pairs.empty:
        return pairs
    rows, targets = _in_order(pairs, "row", line_time), _in_order(pairs, "target", target_time)
    line = pd.Index(rows).get_indexer(pairs["row"]).astype(np.int64)
    target = pd.Index(targets).get_indexer(pairs["target"]).astype(np.int64)
    order = np.lexsort((target, line))
    line, target = line[order], target[order]
    begin = np.searchsorted(line, np.arange(len(rows) + 1)).astype(np.int64)
    low = np.minimum.accumulate(target[begin[:-1]][::-1])[::-1]  # no later line reaches below this
    high = np.maximum.accumulate(target[begin[1:] - 1] + 1)  # and no earlier one beyond this
    score = pairs["score"].to_numpy(dtype=np.float64)[order]
    place = np.concatenate([[0], np.cumsum(high - low + 1)])  # where the choices of each line begin
    choice = np.full(place[-1], -1, dtype=np.int32)
    best = np.zeros(high[-1] + 1, dtype=np.float64)
    kept = np.empty(len(rows), dtype=np.int64)
    count = _best(begin, target, score, np.ascontiguousarray(low), high, place, choice, best, kept)
    return pairs.iloc[np.sort(order[kept[:count]])]


def _in_order(pairs: pd.DataFrame, name: str, time: pd.Series) -> npt.NDArray[Any]:
    """The rows or targets by group, then time, then number."""
    some = pairs.drop_duplicates(name)
    number = some[name].to_numpy()
    return number[np.lexsort((number, time.loc[number].to_numpy(), some["group"].to_numpy()))]


@compiled(
    begin=np.int64,
    target=np.int64,
    score=np.float64,
    low=np.int64,
    high=np.int64,
    place=np.int64,
    choice=np.int32,
    best=np.float64,
    kept=np.int64,
)
def _best(
    begin: Any, target: Any, score: Any, low: Any, high: Any, place: Any, choice: Any, best: Any, kept: Any
) -> int:
    """Write the numbers of the kept pairs into `kept`; return how many.

    Line i has the pairs begin[i]:begin[i + 1], in order of target, all within low[i]:high[i]; both rise. choice[place[i] + j - low[i]] is the
    pair taken at (i, j): -1 neither is taken, -2 target j - 1 is left. best[j] is the greatest sum of the lines so far with targets below j;
    below low[i] nothing changes any more.
    """
    lines = len(begin) - 1
    filled = low[0]
    for i in range(lines):
        while filled < high[i]:  # targets that no line so far could reach
            best[filled + 1] = best[filled]
            filled += 1
        above = best[low[i]]
        k = begin[i]
        for j in range(low[i], high[i] + 1):
            before, above = above, best[j]
            pick = np.int32(-1)
            value = above
            if j > low[i]:
                if best[j - 1] > value:
                    value, pick = best[j - 1], np.int32(-2)
                while k < begin[i + 1] and target[k] < j - 1:
                    k += 1
                if k < begin[i + 1] and target[k] == j - 1 and before + score[k] > value:
                    value, pick = before + score[k], np.int32(k - begin[i])
            best[j] = value
            choice[place[i] + j - low[i]] = pick
    count, j = 0, high[lines - 1]
    for i in range(lines - 1, -1, -1):
        j = min(j, high[i])
        while j > low[i] and choice[place[i] + j - low[i]] == -2:
            j -= 1
        if j <= low[i]:
            continue
        pick = choice[place[i] + j - low[i]]
        if pick >= 0:
            kept[count] = begin[i] + pick
            count += 1
            j -= 1
    return count
