"""Walking one capture file's records, whatever its format: the loop between a stream and a parser.

Lives here: chunked reading, and what is said of a file that is cut or damaged.
Never here: a format's layout (pcap, pcapng), headers (decode), which files there are (files).

Memory is bounded: one buffer, which doubles only when it was really filled and holds no complete record; the parsers refuse
records longer than `records` allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analyzer.capture.pcap import Pcap
from analyzer.capture.pcapng import Pcapng
from analyzer.capture.records import Bytes, Parser, Step
from analyzer.capture.streams import Stream
from analyzer.errors import Notice
from analyzer.language import N_, say

CHUNK_BYTES = (
    1 << 22
)  # a BATCH of whole packets: fewer would make the threads wait for each other more often than they work


def parser_of(format: str) -> Parser:
    """Return a fresh parser for a format as `CaptureFile.format` names it."""
    return Pcap() if format == "pcap" else Pcapng()


@dataclass(frozen=True)
class Mark:
    """A place between two records of a plain file, from which it can be read without what precedes it.

    position  byte of the file
    frame     frame number of the record that begins there
    parser    knows what the records before said of later ones; `fork` it
    """

    position: int
    frame: int
    parser: Parser


@dataclass(frozen=True)
class Stretch:
    """Records of a file with the bytes behind them, both valid until the next one; at the end, what ended it.

    data    the buffer that the step's positions refer to, read-only
    base    where in the file it starts, in bytes
    frame   frame number of the first record
    notice  why the file ends here and not cleanly; nothing follows it
    """

    data: Bytes
    base: int
    frame: int
    step: Step
    notice: Notice | None = None


def stretches(
    stream: Stream,
    parser: Parser,
    name: str,
    chunk_bytes: int = CHUNK_BYTES,
    *,
    begin: Mark | None = None,
    end: Mark | None = None,
) -> Iterator[Stretch]:
    """Walk a file's records; a stretch may hold no records, and the last one says how the file ended.

    Of a plain file, the piece between two marks can be walked; the parser is a fork of the first one's.
    """
    buffer = np.empty(max(chunk_bytes, 64), np.uint8)
    base, frame = (begin.position, begin.frame) if begin else (0, 1)
    if begin:
        stream.bytes.seek(base)
    position = filled = 0
    lost: OSError | None = None
    ended = False
    while True:
        while filled < len(buffer) and not ended:
            room = buffer[filled : end.position - base if end else None]
            try:
                count = stream.read_into(room.data) if len(room) else 0
            except OSError as error:
                lost, count = error, 0
            ended = count == 0
            filled += count
        data = buffer[:filled]
        data.flags.writeable = False
        step = parser.step(data, position)
        after = frame + len(step.records)
        notice = None
        if step.damage:
            at = base + step.damage.position
            sentence = say(
                "Frame {frame} (byte {byte}) {says}: the file is damaged and was read up to there.",
                frame=after,
                byte=at,
                says=say(step.damage.says),
            )
            notice = Notice("error", name, f"byte {at}", sentence)
        elif ended and not step.more and (lost or step.position < filled):
            notice = _ending(name, after, base + step.position, step.position < filled, lost, stream)
        yield Stretch(data, base, frame, step, notice)
        position, frame = step.position, after
        if step.more and not notice:
            continue
        if notice or ended:
            return
        rest = filled - position
        buffer[:rest] = buffer[position:filled]
        base, position, filled = base + position, 0, rest
        if rest == len(buffer):
            buffer = np.concatenate([buffer, np.empty(rest, np.uint8)])


def _ending(name: str, frame: int, place: int, within: bool, lost: OSError | None, stream: Stream) -> Notice:
    """Return the notice for a file that ends before its last record does, or cannot be read to its end."""
    if lost and stream.compression:
        why = say("The {compression} data is cut or damaged", compression=stream.compression)
    elif lost:
        why = say("The file could not be read further ({reason})", reason=str(lost.strerror or lost))
    else:
        why = say("The file is cut")
    cut = N_("{why} in the middle of frame {frame} (byte {byte}); what precedes it was analysed.")
    ends = N_("{why} before frame {frame} (byte {byte}); what precedes it was analysed.")
    sentence = say(cut if within else ends, why=why, frame=frame, byte=place)
    return Notice("warning", name, f"byte {place}", sentence)
