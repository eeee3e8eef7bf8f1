"""Are these files one capture point? Files of a rotated set follow each other; files that show the same packets do not.

Lives here: finding two files that overlap in time and show the same packets.
Never here: joining capture points (vantage), or the order of files (files.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyzer import schema
from analyzer.capture.files import CaptureFile
from analyzer.capture.reading import read
from analyzer.schema import NO_TIME

# Rotated files may share a moment at the seam, and clocks are set back now and then.
SEAM = pd.Timedelta(seconds=2)
# Enough segments to judge by; the two files are looked at in the stretch of time that both cover.
SAMPLE = 20_000
# Of the rarer file's distinct packets in that stretch, this share in the other makes them the same traffic.
SHARED = 0.5
FEWEST = 5
_KEY = ["src_hi", "src_lo", "dst_hi", "dst_lo", "sport", "dport", "seq", "ack", "length", "flags", "tsval"]


def overlapping(captures: pd.DataFrame) -> list[tuple[int, int, pd.Timestamp, pd.Timestamp]]:
    """Return (file, file, start, end) for files of one point (CAPTURES rows) that cover the same time beyond a seam."""
    known = [c for c in schema.rows(captures) if c.first is not None]
    known.sort(key=lambda c: c.first)
    return [(a.file, b.file, b.first, min(a.last, b.last)) for a, b in pairwise(known) if a.last - b.first > SEAM]


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
