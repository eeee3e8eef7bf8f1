"""Pass 1: every header of every capture point, read and folded; and the progress of reading.

Lives here: driving capture and connections over files. It needs no pandas, so that it can run while that is loaded.
Never here: the tables of what was folded, pass 2 (survey).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer import capture, connections
from analyzer.compiled import at_hand
from analyzer.connections.kernels import fold_segments
from analyzer.errors import Notice
from analyzer.pipeline.asked import Progress


@dataclass(frozen=True)
class Headers:
    """What pass 1 read of one capture point, before it is tables."""

    point: str
    files: Sequence[capture.CaptureFile]
    state: connections.State
    tallies: Sequence[capture.Tally]
    heard: capture.Heard
    notices: Sequence[Notice]


class Told:
    """The progress of reading, in bytes of files."""

    def __init__(self, progress: Progress | None, total: int, done: int = 0) -> None:
        self.progress, self.total, self.done = progress, total, done

    def add(self, what: str, size: int) -> None:
        self.done += size
        if self.progress:
            self.progress(what, self.done, self.total)


def prepare() -> None:
    """Import what `read_headers` uses, so that it imports nothing; kernels that are called in other threads are made there."""
    _ = capture.read_all, capture.Tally, capture.Heard, connections.start, connections.begin_file, connections.fold
    at_hand(fold_segments)


def read_headers(
    points: Mapping[str, Sequence[capture.CaptureFile]],
    progress: Progress | None = None,
    *,
    threads: int | None = None,
    closer: bool = True,
) -> list[Headers]:
    """Read every header of each point's captures.

    `threads` of them read and decode, by default one for each processor; the result does not depend on how many. Without `closer`
    nothing follows, and the progress ends here.
    """
    threads = threads or os.cpu_count() or 1
    told = Told(progress, (1 + closer) * bytes_of(points))
    if not at_hand(fold_segments):
        told.add("compiling for this machine, the first time only", 0)
    found: list[Headers] = []
    next_connection = 1
    for point, files in points.items():
        found.append(_read_point(point, files, next_connection, threads, told))
        next_connection += connections.numbered(found[-1].state)
    return found


def bytes_of(points: Mapping[str, Sequence[capture.CaptureFile]]) -> int:
    """Return the size of all files."""
    return sum(f.bytes for files in points.values() for f in files)


def _read_point(
    point: str, files: Sequence[capture.CaptureFile], next_connection: int, threads: int, told: Told
) -> Headers:
    state = connections.start(point, first_connection=next_connection)
    tallies: list[capture.Tally] = []
    heard = capture.Heard(point)
    notices: list[Notice] = []
    for number, chunk in capture.read_all(list(enumerate(files)), threads=threads):
        if number == len(tallies):
            if number:
                told.add("reading", files[number - 1].bytes)
            tallies.append(capture.Tally(point, number, files[number]))
            connections.begin_file(state, number, files[number].name)
        connections.fold(state, chunk.segments)
        tallies[-1].add(chunk)
        heard.add(files[number].name, chunk)
        notices.extend(chunk.notices)
    told.add("reading", files[-1].bytes)
    return Headers(point, files, state, tallies, heard, notices)
