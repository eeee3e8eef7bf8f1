"""Are these files one capture point? Files of a rotated set follow each other; files that show the same packets do not.

Lives here: finding two files that overlap in time and show the same packets; noticing gaps and overlaps.
Never here: joining capture points (vantage), or the order of files (files.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyzer import schema
from analyzer.capture.files import CaptureFile
from analyzer.capture.reading import read
from analyzer.errors import Notice
from analyzer.language import say
from analyzer.schema import NO_TIME

# Rotated files may share a moment at the seam, and clocks are set back now and then.
SEAM = pd.Timedelta(seconds=2)
# Enough segments to judge by; the two files are looked at in the stretch of time that both cover.
SAMPLE = 20_000
# Of the rarer file's distinct packets in that stretch, this share in the other makes them the same traffic.
SHARED = 0.5
FEWEST = 5
# A gap between two files is one that chance does not leave: so many times the mean distance of two packets, and this long.
GAP = pd.Timedelta(seconds=5)
GAP_TIMES = 100
SHOWN = 5  # notices of one kind
_KEY = ["src_hi", "src_lo", "dst_hi", "dst_lo", "sport", "dport", "seq", "ack", "length", "flags", "tsval"]


def overlapping(captures: pd.DataFrame) -> list[tuple[int, int, pd.Timestamp, pd.Timestamp]]:
    """Return (file, file, start, end) for files of one point (CAPTURES rows) that cover the same time beyond a seam."""
    found = []
    longest = None
    for a, b in pairwise(_in_order(captures)):
        longest = a if longest is None or a.last > longest.last else longest
        for earlier in {
            a.file: a,
            longest.file: longest,
        }.values():  # the one before it, and the one that reaches farthest
            if earlier.last - b.first > SEAM:
                found.append((earlier.file, b.file, b.first, min(earlier.last, b.last)))
    return found


def _in_order(captures: pd.DataFrame) -> list[Any]:
    known = [c for c in schema.rows(captures) if c.first is not None]
    return sorted(known, key=lambda c: c.first)


def seams(captures: pd.DataFrame) -> list[Notice]:
    """Return notices about files of one point (CAPTURES rows) that overlap in time, or that leave out time between them.

    A quiet network leaves gaps, too: one counts where it is far longer than what usually lies between two packets of both files.
    """
    order = _in_order(captures)
    names = {c.file: c.capture for c in order}
    notices = []
    for earlier, later, start, end in overlapping(captures)[:SHOWN]:
        sentence = say(
            "{a} and {b} cover the same time ({seconds:,.0f} s) with different packets: they are taken for two parts of one capture "
            "point, and what happened at the same moment is seen in the order of the files.",
            a=names[earlier],
            b=names[later],
            seconds=(end - start).total_seconds(),
        )
        notices.append(Notice("warning", names[later], "", sentence))
    reach = None
    for a, b in pairwise(order):
        reach = a.last if reach is None else max(reach, a.last)
        usual = max((c.last - c.first) / max(c.packets - 1, 1) for c in (a, b))
        if b.first - reach > max(GAP, GAP_TIMES * usual):
            sentence = say(
                "Between {a} and {b} nothing was captured for {seconds:,.0f} s, far longer than packets usually lie apart: a file may be "
                "missing, and what ended in that time is not seen.",
                a=a.capture,
                b=b.capture,
                seconds=(b.first - reach).total_seconds(),
            )
            notices.append(Notice("warning", b.capture, "", sentence))
    return notices[: 2 * SHOWN]


def same_packets(a: CaptureFile, b: CaptureFile, start: pd.Timestamp, end: pd.Timestamp) -> bool:
    """Tell whether two files show the same packets between two moments."""
    here, there = (_packets(file, start.value, end.value) for file in (a, b))
    fewer = min(len(here), len(there))
    return fewer >= FEWEST and len(np.intersect1d(here, there)) >= SHARED * fewer


def _packets(file: CaptureFile, start: int, end: int) -> NDArray[np.uint64]:
    """Return a hash of each distinct TCP segment of the file in this time, at most SAMPLE of them."""
    found: list[NDArray[np.uint64]] = []
    count = 0
    for chunk in read(file):
        rows = chunk.segments[
            (chunk.segments["time"] != NO_TIME) & (chunk.segments["time"] >= start) & (chunk.segments["time"] <= end)
        ]
        frame = pd.DataFrame({name: rows[name].astype(np.uint64) for name in _KEY})
        found.append(np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64))
        count += len(rows)
        if count >= SAMPLE:
            break
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.uint64)


def seen_twice(files: Sequence[CaptureFile], captures: pd.DataFrame) -> tuple[CaptureFile, CaptureFile] | None:
    """Return two files of one point that overlap in time and show the same packets, or None."""
    for a, b, start, end in overlapping(captures):
        if same_packets(files[a], files[b], start, end):
            return files[a], files[b]
    return None
