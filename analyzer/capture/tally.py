"""What a capture file amounts to: its chunks, counted up.

Lives here: `Tally`. Never here: the table of them (quality), what the counts mean for a verdict.
"""

from __future__ import annotations

from analyzer.capture.files import CaptureFile
from analyzer.capture.reading import Chunk
from analyzer.capture.walking import Mark


class Tally:
    """The counts of one file, and where its pieces begin. Every chunk of it is added once, in any order of files but in file order within one."""

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
        self.marks: list[Mark] = []
        self.secrets: tuple[tuple[int, int], ...] = ()  # where the file holds TLS secrets; no table says so

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
        self.secrets += chunk.secrets
        if chunk.mark:
            self.marks.append(chunk.mark)
