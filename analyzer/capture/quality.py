"""What a capture file amounts to: its chunks, counted up -> a row of CAPTURES.

Lives here: `Tally` and `captures`.
Never here: what the counts mean for a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analyzer.capture.files import CaptureFile
from analyzer.capture.reading import Chunk
from analyzer.schema import CAPTURES, TUNNELS


class Tally:
    """The counts of one file. Every chunk of it is added once, in any order of files but in file order within one."""

    def __init__(self, point: str, number: int, file: CaptureFile) -> None:
        self.point = point
        self.number = number
        self.file = file
        self.packets = self.segments = self.resets = self.other = self.unreadable = 0
        self.fragments = self.cut_packets = self.backwards = 0
        self.first: int | None = None
        self.last: int | None = None
        self.link_types: tuple[str, ...] = ()
        self.snaplen: int | None = None
        self.drops: int | None = None
        self.directions = False
        self.tunnels = 0

    def add(self, chunk: Chunk) -> None:
        """Count a chunk in."""
        self.packets += chunk.packets
        self.segments += len(chunk.segments)
        self.resets += chunk.resets
        self.other += chunk.other
        self.unreadable += chunk.unreadable
        self.fragments += chunk.fragments
        self.cut_packets += chunk.cut_packets
        self.backwards += chunk.backwards
        self.first = min((time for time in (self.first, chunk.first) if time is not None), default=None)
        self.last = max((time for time in (self.last, chunk.last) if time is not None), default=None)
        self.link_types, self.snaplen, self.drops = chunk.link_types, chunk.snaplen, chunk.drops
        self.directions = self.directions or chunk.directions
        self.tunnels |= chunk.tunnels

    def row(self) -> dict[str, object]:
        """Return the file's row of CAPTURES."""
        return {
            "point": self.point,
            "capture": self.file.name,
            "path": self.file.given,
            "file": self.number,
            "bytes": self.file.bytes,
            "packets": self.packets,
            "segments": self.segments,
            "resets": self.resets,
            "first": _time(self.first),
            "last": _time(self.last),
            "link_types": ", ".join(self.link_types),
            "tunnels": ", ".join(name for bit, name in enumerate(TUNNELS) if self.tunnels >> bit & 1) or None,
            "snaplen": self.snaplen,
            "cut_packets": self.cut_packets,
            "drops": self.drops,
            "unreadable": self.unreadable,
            "other": self.other + self.fragments,
            "backwards": self.backwards,
            "directions": self.directions,
        }


def _time(nanoseconds: int | None) -> pd.Timestamp | None:
    return None if nanoseconds is None else pd.Timestamp(nanoseconds, unit="ns", tz="UTC")


def captures(tallies: Sequence[Tally]) -> pd.DataFrame:
    """Return the CAPTURES table of these files, in their order."""
    if not tallies:
        return CAPTURES.empty()
    return CAPTURES.conform(pd.DataFrame([tally.row() for tally in tallies], dtype=object))
