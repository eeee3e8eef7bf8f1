"""The bytes behind a chunk's segments, kept because a compressed file can only be read forward, and slowly.

Lives here: `Behind` and what is read from it: `checksums` and `clips`.
Never here: which segments are worth it (the caller says), going back to a file (extraction).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.records import Bytes, Counts, Rows
from analyzer.compiled import compiled
from analyzer.schema import SEGMENT

if TYPE_CHECKING:
    from analyzer.capture.reading import Chunk

CHECKSUM_WRONG, CHECKSUM_OK, CHECKSUM_UNKNOWN = 0, 1, -1
TCP = 6


@dataclass(frozen=True)
class Behind:
    """TCP headers and payloads as far as they were captured, one after the other: `data[places[i]:places[i + 1]]` is the i-th segment's."""

    data: Bytes
    places: Counts


def behind(data: Bytes, base: int, segments: Rows) -> Behind:
    """Copy the bytes of segments out of `data`, which begins at byte `base` of the file."""
    places = np.zeros(len(segments) + 1, np.int64)
    np.cumsum(segments["header"] + np.maximum(segments["captured"], 0), out=places[1:])
    packed = np.zeros(places[-1], np.uint8)
    _pack(data, base, segments, places, packed)
    return Behind(packed, places)


@compiled(data=np.uint8, segments=SEGMENT, places=np.int64, packed=np.uint8)
def _pack(data: Any, base: int, segments: Any, places: Any, packed: Any) -> None:
    """Copy each segment's header and payload to its place; of a header that is cut, what there is."""
    for i in range(len(segments)):
        begin = segments[i].offset - base - segments[i].header
        for p in range(max(0, -begin), min(places[i + 1] - places[i], len(data) - begin)):
            packed[places[i] + p] = data[begin + p]


def clips(chunk: Chunk, segments: Rows, most: int) -> list[bytes]:
    """Return up to `most` captured payload bytes of each of a chunk's segments (`SEGMENT`, of a chunk that keeps bytes)."""
    kept, rows = _rows(chunk, segments)
    starts = kept.places[rows] + segments["header"]
    ends = starts + np.minimum(segments["captured"], most)
    return [kept.data[a:b].tobytes() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


def checksums(chunk: Chunk, segments: Rows) -> NDArray[np.int8]:
    """Verify TCP checksums (RFC 9293 3.1, RFC 8200 8.1).

    Parameters
    ----------
    chunk : Chunk
        One that keeps bytes.
    segments : SEGMENT
        Rows of this chunk, in any order.

    Returns
    -------
    int8
        CHECKSUM_OK (1), CHECKSUM_WRONG (0), or CHECKSUM_UNKNOWN (-1) where the header or the payload is cut or the datagram
        is in pieces. Wrong is normal at the sending host under checksum offload. A packet that still has IPv6 routing
        segments to go counts as wrong: its header does not hold the final destination.
    """
    kept, rows = _rows(chunk, segments)
    verdicts = np.full(len(segments), CHECKSUM_UNKNOWN, np.int8)
    _verify(kept.data, kept.places[rows], np.ascontiguousarray(segments), verdicts)
    return verdicts


def _rows(chunk: Chunk, segments: Rows) -> tuple[Behind, Counts]:
    """Return a chunk's bytes, and which of its segments these are: no two begin at the same place of a file."""
    assert chunk.behind is not None
    return chunk.behind, np.searchsorted(chunk.segments["offset"], segments["offset"])


@compiled(data=np.uint8, places=np.int64, segments=SEGMENT, verdicts=np.int8)
def _verify(data: Any, places: Any, segments: Any, verdicts: Any) -> None:
    """Write CHECKSUM_OK or CHECKSUM_WRONG into `verdicts` for each segment that can be verified."""
    mask = np.uint64(0xFFFF)
    for i in range(len(segments)):
        s = segments[i]
        if s.header_cut or s.fragment or s.captured < s.length or s.header < 20:
            continue
        begin = places[i]
        end = begin + s.header + s.length
        total = np.uint64(s.header) + np.uint64(s.length) + np.uint64(TCP)
        for high, low in ((s.src_hi, s.src_lo), (s.dst_hi, s.dst_lo)):
            # IPv4 addresses count without their ::ffff: prefix.
            value = low if s.ipv6 else low & np.uint64(0xFFFFFFFF)
            for shift in (0, 16, 32, 48):
                total += (value >> np.uint64(shift)) & mask
                total += (high >> np.uint64(shift)) & mask
        for p in range(begin, end - 1, 2):
            total += np.uint64(data[p]) << np.uint64(8) | np.uint64(data[p + 1])
        if (end - begin) & 1:
            total += np.uint64(data[end - 1]) << np.uint64(8)
        for _ in range(4):  # end-around carry (RFC 1071 1)
            total = (total & mask) + (total >> np.uint64(16))
        verdicts[i] = CHECKSUM_OK if total == mask else CHECKSUM_WRONG
