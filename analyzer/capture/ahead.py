"""Reading many files with several threads: later files are decoded while an earlier one is worked on.

Lives here: `read_all`, which yields what reading the files one after the other yields, whatever the number of threads.
Never here: what a file holds (reading), which files there are (files).

The kernels and the decompressors hold no lock, so that threads suffice; the interface is that of concurrent.futures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from threading import Condition
from types import MappingProxyType

from analyzer.capture.files import CaptureFile
from analyzer.capture.reading import Chunk, Keep, read
from analyzer.capture.records import Rows
from analyzer.capture.walking import Mark

# Decoded bytes that may wait, of all files: most of what a file of 200 MB decodes to. The file in turn may always have AT_HAND chunks.
WAITING = 64 * 2**20
AT_HAND = 3


class _Stopped(Exception):
    """The caller wants no more."""


class _Waiting:
    """Chunks that were decoded and not yet taken, by file."""

    def __init__(self, files: int) -> None:
        self.chunks: list[deque[Chunk | BaseException | None]] = [deque() for _ in range(files)]
        self.turn = 0  # the file that is taken from
        self.size = 0  # bytes that wait
        self.stopped = False
        self.changed = Condition()

    def put(self, file: int, chunk: Chunk | BaseException | None) -> None:
        """Add a chunk, the file's end (None) or its error; wait for room. Raises _Stopped."""
        size = chunk.size if isinstance(chunk, Chunk) else 0
        with self.changed:
            while not self.stopped and size and self.size + size > WAITING and not self._at_hand(file):
                self.changed.wait()
            if self.stopped:
                raise _Stopped
            self.size += size
            self.chunks[file].append(chunk)
            self.changed.notify_all()

    def _at_hand(self, file: int) -> bool:
        return file == self.turn and len(self.chunks[file]) < AT_HAND

    def take(self, file: int) -> Chunk | BaseException | None:
        """Return the file's next chunk, its end or its error."""
        with self.changed:
            self.turn = file
            self.changed.notify_all()
            while not self.chunks[file]:
                self.changed.wait()
            chunk = self.chunks[file].popleft()
            self.size -= chunk.size if isinstance(chunk, Chunk) else 0
            self.changed.notify_all()
        return chunk

    def stop(self) -> None:
        """Let every thread end at its next chunk."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()


def read_all(
    files: Sequence[tuple[int, CaptureFile]],
    *,
    threads: int = 1,
    keep: Keep | None = None,
    marks: Mapping[int, Sequence[Mark]] = MappingProxyType({}),
) -> Iterator[tuple[int, Chunk]]:
    """Yield the chunks of all files, each with its file's number: one file after the other, in the order given.

    A chunk's segments hold until the next one is taken.

    Parameters
    ----------
    files : sequence of (number, CaptureFile)
    threads : int
        Threads that read and decode beside the caller's; with 1 the caller's own does it.
    keep : function of segments, optional
        As `read` has it; called in the threads that read.
    marks : mapping of file number to marks
        Of an earlier reading: the pieces between them are read side by side.

    Raises
    ------
    UnusableInput
        When a file can no longer be opened; the chunks before it were yielded.
    """
    spare: deque[Rows] = deque()
    with closing(_read_all(files, threads, keep, marks, spare)) as chunks:
        for number, chunk in chunks:
            yield number, chunk
            if chunk.segments.base is not None:  # rows that were kept are a copy already
                spare.append(chunk.segments.base)


def _read_all(
    files: Sequence[tuple[int, CaptureFile]],
    threads: int,
    keep: Keep | None,
    marks: Mapping[int, Sequence[Mark]],
    spare: deque[Rows],
) -> Generator[tuple[int, Chunk]]:
    """The same; `spare` is memory that may be used for segments."""
    if threads < 2 or not files:
        for number, file in files:
            yield from ((number, chunk) for chunk in read(file, keep=keep, spare=spare))
        return
    pieces = [
        (number, file, begin, end)
        for number, file in files
        for begin, end in pairwise((None, *marks.get(number, ()), None))
    ]
    waiting = _Waiting(len(pieces))

    def produce(place: int) -> None:
        _, file, begin, end = pieces[place]
        try:
            for chunk in read(file, keep=keep, begin=begin, end=end, spare=spare):
                waiting.put(place, chunk)
            waiting.put(place, None)
        except _Stopped:
            pass
        except BaseException as error:
            waiting.put(place, error)

    with ThreadPoolExecutor(threads, "read") as pool:
        try:
            for place in range(len(pieces)):  # they begin in this order, so the one in turn is always under way
                pool.submit(produce, place)
            for place, (number, *_) in enumerate(pieces):
                while (chunk := waiting.take(place)) is not None:
                    if isinstance(chunk, BaseException):
                        raise chunk
                    yield number, chunk
        finally:
            waiting.stop()
            pool.shutdown(wait=True, cancel_futures=True)
