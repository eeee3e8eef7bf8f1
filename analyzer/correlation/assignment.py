"""Two rows of times, paired as well as possible: most pairs first, then least delay.

Lives here: `candidates` (what lies within reach of what) and `assign` (the best one-to-one choice among it).
Never here: what the times are of.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

LARGE = 250_000  # cells of one table above which lines simply take the earliest free target, which keeps most pairs but not least delay

Ints = npt.NDArray[np.int64]


def candidates(lines: pd.DataFrame, targets: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """(row, target, lag) for every target with the same keys between `reach` before a line and `tolerance` after it.

    `lines` has row, time, tolerance, reach and the keys; `targets` has t and the keys; `target` is the index of `targets`.
    """
    rows, found, lags = [], [], []
    wanted: dict[object, pd.DataFrame] = dict(iter(targets.groupby(keys, sort=False))) if keys else {(): targets}
    for key, group in lines.groupby(keys, sort=False) if keys else [((), lines)]:
        some = wanted.get(key)
        if some is None or some.empty:
            continue
        some = some.sort_values("t")
        times = some["t"].to_numpy(dtype=np.int64)
        at = group["time"].to_numpy(dtype=np.int64)
        low = np.searchsorted(times, at - group["reach"].to_numpy(dtype=np.int64), side="left")
        high = np.searchsorted(times, at + group["tolerance"].to_numpy(dtype=np.int64), side="right")
        count = high - low
        which = np.repeat(np.arange(len(group)), count)
        position = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)
        rows.append(group["row"].to_numpy()[which])
        found.append(some.index.to_numpy()[position])
        lags.append(at[which] - times[position])
    if not rows:
        return pd.DataFrame({"row": [], "target": [], "lag": []}, dtype="int64")
    return pd.DataFrame({"row": np.concatenate(rows), "target": np.concatenate(found), "lag": np.concatenate(lags)})


def assign(pairs: pd.DataFrame, line_time: pd.Series, target_time: pd.Series) -> pd.DataFrame:
    """The pairs of the best one-to-one choice among `pairs` (row, target, lag): most pairs, then the least sum of delays.

    Windows have one width, so some best choice never crosses: earlier lines take earlier targets. Times that do not reach each other are
    decided apart.
    """
    if pairs.empty:
        return pairs
    rows = pairs["row"].unique()
    rows = rows[np.argsort(line_time.loc[rows].to_numpy(), kind="stable")]
    place = {row: i for i, row in enumerate(rows)}
    order = pairs.assign(line=pairs["row"].map(place), moment=pairs["target"].map(target_time)).sort_values(
        ["line", "moment", "target"]
    )
    kept: list[int] = []
    block: list[tuple[int, int, int, int]] = []
    furthest = None
    for index, line, target, moment, lag in zip(
        order.index, order["line"], order["target"], order["moment"], order["lag"], strict=True
    ):
        if furthest is not None and moment > furthest and line != block[-1][1]:
            kept += _best(block)
            block = []
        block.append((index, line, target, abs(lag)))
        furthest = moment if furthest is None or not block[:-1] else max(furthest, moment)
    kept += _best(block)
    return pairs.loc[sorted(kept)]


def _best(block: list[tuple[int, int, int, int]]) -> list[int]:
    lines = list(dict.fromkeys(line for _, line, _, _ in block))
    targets = list(dict.fromkeys(target for _, _, target, _ in block))
    if len(lines) * len(targets) > LARGE:
        return _earliest(block)
    cost = {(line, target): (lag, index) for index, line, target, lag in block}
    # table[i][j]: (pairs, -delay) of the first i lines and j targets
    table = [[(0, 0)] * (len(targets) + 1)]
    for line in lines:
        above, row = table[-1], [(0, 0)]
        for j, target in enumerate(targets, 1):
            best = max(above[j], row[j - 1])
            if (line, target) in cost:
                count, delay = above[j - 1]
                best = max(best, (count + 1, delay - cost[line, target][0]))
            row.append(best)
        table.append(row)
    kept, i, j = [], len(lines), len(targets)
    while i and j:
        if table[i][j] == table[i - 1][j]:
            i -= 1
        elif table[i][j] == table[i][j - 1]:
            j -= 1
        else:
            kept.append(cost[lines[i - 1], targets[j - 1]][1])
            i, j = i - 1, j - 1
    return kept


def _earliest(block: list[tuple[int, int, int, int]]) -> list[int]:
    taken: set[int] = set()
    done: set[int] = set()
    kept = []
    for index, line, target, _ in block:
        if line not in done and target not in taken:
            kept.append(index)
            taken.add(target)
            done.add(line)
    return kept
