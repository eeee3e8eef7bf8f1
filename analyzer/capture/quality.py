"""The counts of capture files -> CAPTURES.

Lives here: `captures`. Never here: the counting (tally), what the counts mean for a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analyzer.capture.tally import Tally
from analyzer.schema import CAPTURES, TUNNELS


def captures(tallies: Sequence[Tally]) -> pd.DataFrame:
    """Return the CAPTURES table of these files, in their order."""
    if not tallies:
        return CAPTURES.empty()
    return CAPTURES.conform(pd.DataFrame([_row(tally) for tally in tallies], dtype=object))


def _row(tally: Tally) -> dict[str, object]:
    return {
        "point": tally.point,
        "capture": tally.file.name,
        "path": tally.file.given,
        "file": tally.number,
        "bytes": tally.file.bytes,
        "packets": tally.packets,
        "segments": tally.segments,
        "resets": tally.resets,
        "first": _time(tally.first),
        "last": _time(tally.last),
        "link_types": ", ".join(tally.link_types),
        "tunnels": ", ".join(name for bit, name in enumerate(TUNNELS) if tally.tunnels >> bit & 1) or None,
        "snaplen": tally.snaplen,
        "cut_packets": tally.cut_packets,
        "drops": tally.drops,
        "unreadable": tally.unreadable,
        "other": tally.other + tally.fragments,
        "backwards": tally.backwards,
        "directions": tally.directions,
    }


def _time(nanoseconds: int | None) -> pd.Timestamp | None:
    return None if nanoseconds is None else pd.Timestamp(nanoseconds, unit="ns", tz="UTC")
