"""Walking one capture file's records, whatever its format: the loop between a stream and a parser.

Lives here: chunked reading, and what is said of a file that is cut or damaged.
Never here: a format's layout (pcap, pcapng), headers (decode), which files there are (files).

Memory is bounded: one buffer, which grows only when what was really read does not hold one record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analyzer.capture.pcap import Pcap
from analyzer.capture.pcapng import Pcapng
from analyzer.capture.records import LARGEST_FOREIGN_FRAME, Bytes, Parser, Step
from analyzer.capture.streams import STREAM_ERRORS, Stream
from analyzer.errors import Notice

CHUNK_BYTES = 1 << 20  # small enough for the buffer and its rows to stay in a core's cache
LARGEST_BUFFER = 2 * LARGEST_FOREIGN_FRAME


def parser_of(format: str) -> Parser:
    """Return a fresh parser for a format as `CaptureFile.format` names it."""
    return Pcap() if format == "pcap" else Pcapng()


@dataclass(frozen=True)
class Stretch:
    """Records of a file with the bytes behind them, both valid until the next one; at the end, what ended it.

    data    the buffer that the step's positions refer to, read-only
    base    where in the file it starts, in bytes
    frame   frame number of the first record
    notice  why the file ends early; None while it goes on and at a clean end
    """

    data: Bytes
    base: int
    frame: int
    step: Step
    notice: Notice | None = None


def stretches(stream: Stream, parser: Parser, name: str, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Stretch]:
    """Walk a file's records; the last stretch may be empty and then only says how the file ended."""
    buffer = np.empty(max(chunk_bytes, 64), np.uint8)
    base = position = filled = 0
    frame = 1
    lost: Exception | None = None
    while True:
        data = buffer[:filled]
        data.flags.writeable = False
        step = parser.step(data, position)
        place = base + step.position
        after = frame + len(step.records)
        if step.damage:
            at = base + step.damage.position
            sentence = f"Frame {after} (byte {at}) {step.damage.says}: the file is damaged and was read up to there."
            yield Stretch(data, base, frame, step, Notice("error", name, f"byte {at}", sentence))
            return
        yield Stretch(data, base, frame, step)
        position, frame = step.position, after
        if step.more:
            continue
        rest = filled - position
        buffer[:rest] = buffer[position:filled]
        base, position, filled = base + position, 0, rest
        if rest == len(buffer):
            if rest >= LARGEST_BUFFER:
                lost = ValueError(f"a record is longer than {LARGEST_BUFFER:,} bytes")
            else:
                buffer = np.concatenate([buffer, np.empty(rest, np.uint8)])
        count = 0
        if not lost:
            try:
                count = stream.read_into(buffer[filled:].data)
            except STREAM_ERRORS as error:
                lost = error
        filled += count
        if count == 0:
            if lost or rest:
                yield Stretch(
                    data[:0], base, frame, Step(step.records[:0], 0), _ending(name, frame, place, lost, stream)
                )
            return


def _ending(name: str, frame: int, place: int, lost: Exception | None, stream: Stream) -> Notice:
    """Return the notice for a file that ends before its last record does."""
    if lost and stream.compression:
        why = f"The {stream.compression} data is cut or damaged"
    elif lost:
        why = f"The file could not be read further ({lost})"
    else:
        why = "The file is cut"
    sentence = f"{why} in the middle of frame {frame} (byte {place}); what precedes it was analysed."
    return Notice("warning", name, f"byte {place}", sentence)
