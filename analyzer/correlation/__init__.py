"""ENDINGS x LOG_LINES -> MATCHES, clock offsets, and what is left over.

Lives here: `correlate`, the order of its steps, and `Correlation`. Which event can belong to which ending is in rules.py, the clocks in
clocks.py, fit.py and boot.py, ties by name in ties.py, by host and time in nearest.py (scoring.py, assignment.py), lines about a service
in services.py, which lines speak of a broken connection in speaking.py, what a kernel says to have sent in senders.py, what is left over in
leftovers.py and remarks.py.
Never here: reading logs or captures, or what a match says about the cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analyzer.correlation.senders import none_traced, traced
from analyzer.correlation.speaking import named_ends, spoken_of
from analyzer.correlation.wire import SECOND, Wire, prepare_lines
from analyzer.schema import CLOCKS, LOG_REMARKS, MATCHES, UNMATCHED_LOG_LINES

__all__ = ["Correlation", "correlate", "named_ends", "spoken_of"]


@dataclass(frozen=True)
class Correlation:
    """The tables MATCHES, CLOCKS, UNMATCHED_LOG_LINES and LOG_REMARKS; and `traced`, the endings whose reset a kernel says to have sent
    (ending, source, line, reason)."""

    matches: pd.DataFrame
    clocks: pd.DataFrame
    unmatched: pd.DataFrame
    remarks: pd.DataFrame
    traced: pd.DataFrame


def correlate(
    endings: pd.DataFrame,
    connections: pd.DataFrame,
    reset_frames: pd.DataFrame,
    log_lines: pd.DataFrame,
    coverage: pd.DataFrame,
    *,
    offsets: Mapping[str, float] | None = None,
    reference_point: str,
    sightings: pd.DataFrame | None = None,
) -> Correlation:
    """Tie each log line to the ending it reports, and say how the log's clock stands.

    endings, connections, reset_frames, log_lines, coverage
        ENDINGS, CONNECTIONS, RESET_FRAMES, LOG_LINES and COVERAGE
    offsets
        log minus capture in seconds, zone included, by source: believed, not estimated
    sightings
        which frame at which point shows which ending's reset: columns ending, point, capture, frame
    reference_point
        the capture point whose clock is the measure; another one is used where it has no connections

    A line is tied to at most one ending of each capture point; an ending can have several lines.
    """
    if log_lines.empty:
        return Correlation(
            MATCHES.empty(), CLOCKS.empty(), UNMATCHED_LOG_LINES.empty(), LOG_REMARKS.empty(), none_traced()
        )
    # The steps are loaded where there are lines: most captures come without.
    from analyzer.correlation.boot import boot_clocks, with_boot_clocks
    from analyzer.correlation.clocks import estimate_clocks
    from analyzer.correlation.leftovers import unmatched_lines
    from analyzer.correlation.remarks import remarks
    from analyzer.correlation.ties import tie_lines

    wire = Wire.of(endings, connections, reset_frames, coverage, reference_point, sightings)
    lines = prepare_lines(log_lines, wire)
    boots = boot_clocks(lines, wire)
    booted = dict(zip(boots["source"], boots["offset"] / SECOND, strict=True))
    clocks, lines = estimate_clocks(lines, wire, booted | dict(offsets or {}))
    clocks = with_boot_clocks(clocks, boots)
    matches, doubtful = tie_lines(lines, wire)
    unmatched = unmatched_lines(lines, matches, doubtful, wire)
    return Correlation(
        MATCHES.conform(matches[list(MATCHES.columns)]),
        CLOCKS.conform(clocks),
        UNMATCHED_LOG_LINES.conform(unmatched[list(UNMATCHED_LOG_LINES.columns)]),
        LOG_REMARKS.conform(remarks(lines, matches, unmatched, wire)),
        traced(lines, matches, wire, alone=set(boots.loc[boots["support"] < 2, "source"]) - set(offsets or {})),
    )
