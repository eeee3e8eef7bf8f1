"""What is done to a capture after it was taken: another clock, lost records. The case's label says so.

Works on the bytes of a pcap file; pcapng is not edited.
"""

import struct
from collections.abc import Callable, Iterator

FILE_HEADER_BYTES, RECORD_HEADER_BYTES = 24, 16
NANOSECONDS_PER_UNIT = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}  # by magic number, in the writer's byte order

Edit = Callable[[bytes], bytes]


def shift_clock(offset_seconds: float, drift_ppm: float) -> Edit:
    """A clock that is ahead by so much at the first packet, and gains so much from then on."""

    def edit(capture: bytes) -> bytes:
        unit = _unit(capture)
        shifted, first = [capture[:FILE_HEADER_BYTES]], None
        for at, lengths, data in _records(capture):
            first = at if first is None else first
            gained = round(offset_seconds * 1e9 + (at - first) * drift_ppm * 1e-6)
            seconds, rest = divmod(at + gained, 1_000_000_000)
            shifted += [struct.pack("=II", seconds, rest // unit), lengths, data]
        return b"".join(shifted)

    return edit


def lose_every(number: int) -> Edit:
    """A capture that could not keep up: each seventh packet, say, is not in the file."""

    def edit(capture: bytes) -> bytes:
        kept = [capture[:FILE_HEADER_BYTES]]
        unit = _unit(capture)
        for count, (at, lengths, data) in enumerate(_records(capture), start=1):
            if count % number:
                seconds, rest = divmod(at, 1_000_000_000)
                kept += [struct.pack("=II", seconds, rest // unit), lengths, data]
        return b"".join(kept)

    return edit


def _unit(capture: bytes) -> int:
    return NANOSECONDS_PER_UNIT[struct.unpack_from("=I", capture)[0]]


def _records(capture: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each record's time in nanoseconds, its two lengths as they stand there, and its data."""
    unit, place = _unit(capture), FILE_HEADER_BYTES
    while place < len(capture):
        seconds, rest, captured = struct.unpack_from("=III", capture, place)
        data = capture[place + RECORD_HEADER_BYTES : place + RECORD_HEADER_BYTES + captured]
        yield seconds * 1_000_000_000 + rest * unit, capture[place + 8 : place + RECORD_HEADER_BYTES], data
        place += RECORD_HEADER_BYTES + captured
