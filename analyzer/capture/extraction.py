"""Going back to a capture for what SEGMENT rows do not hold: payload bytes, checksums, whole frames.

Lives here: `payloads`, `clips`, `checksums` and `extract`, for a few thousand packets.
Never here: which packets are worth it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.capture import pcapng
from analyzer.capture.files import CaptureFile
from analyzer.capture.reading import Chunk
from analyzer.capture.records import LARGEST_FRAME, Bytes, Rows
from analyzer.capture.streams import Stream
from analyzer.capture.walking import CHUNK_BYTES, parser_of, stretches
from analyzer.compiled import compiled
from analyzer.errors import UnusableInput
from analyzer.schema import SEGMENT

CHECKSUM_WRONG, CHECKSUM_OK, CHECKSUM_UNKNOWN = 0, 1, -1
TCP = 6


def payloads(file: CaptureFile, spans: Sequence[tuple[int, int]]) -> list[bytes]:
    """Return the bytes at (offset, length) spans of the uncompressed file, as `SEGMENT.offset` and `captured` give them.

    A span that reaches beyond the end of the file gives fewer bytes, none where the file has become unreadable.

    Raises
    ------
    UnusableInput
        When the file can no longer be opened.
    ValueError
        For a span that no packet can have.
    """
    if any(offset < 0 or not 0 <= length <= LARGEST_FRAME for offset, length in spans):
        raise ValueError(f"a span must lie behind the file's start and have at most {LARGEST_FRAME:,} bytes")
    found = [b""] * len(spans)
    with Stream(file.path) as stream:
        for i in sorted(range(len(spans)), key=lambda i: spans[i][0]):  # compressed files can only be read forward
            try:
                found[i] = stream.read_at(*spans[i])
            except OSError:
                break
    return found


def clips(chunk: Chunk, segments: Rows, most: int) -> list[bytes]:
    """Return up to `most` captured payload bytes of each of a chunk's segments (`SEGMENT`, read with `keep_bytes`)."""
    assert chunk.data is not None
    starts = segments["offset"] - chunk.base
    ends = starts + np.minimum(segments["captured"], most)
    return [chunk.data[a:b].tobytes() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


def checksums(chunk: Chunk, segments: Rows) -> NDArray[np.int8]:
    """Verify TCP checksums (RFC 9293 3.1, RFC 8200 8.1).

    Parameters
    ----------
    chunk : Chunk
        Read with `keep_bytes`.
    segments : SEGMENT
        Rows of this chunk, in any order.

    Returns
    -------
    int8
        CHECKSUM_OK (1), CHECKSUM_WRONG (0), or CHECKSUM_UNKNOWN (-1) where the header or the payload is cut or the datagram
        is in pieces. Wrong is normal at the sending host under checksum offload. A packet that still has IPv6 routing
        segments to go counts as wrong: its header does not hold the final destination.
    """
    assert chunk.data is not None
    verdicts = np.full(len(segments), CHECKSUM_UNKNOWN, np.int8)
    _verify(chunk.data, chunk.base, np.ascontiguousarray(segments), verdicts)
    return verdicts


@compiled(data=np.uint8, segments=SEGMENT, verdicts=np.int8)
def _verify(data: Any, base: int, segments: Any, verdicts: Any) -> None:
    """Write CHECKSUM_OK or CHECKSUM_WRONG into `verdicts` for each segment that can be verified."""
    mask = np.uint64(0xFFFF)
    for i in range(len(segments)):
        s = segments[i]
        begin = s.offset - base - s.header
        end = s.offset - base + s.length
        if s.header_cut or s.fragment or s.captured < s.length or s.header < 20 or begin < 0 or end > len(data):
            continue
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


def extract(file: CaptureFile, frames: Sequence[int], target: Path) -> list[int]:
    """Copy frames into a small capture of the same format, byte for byte.

    Link types, times, directions and comments stay as they are; so do the blocks that describe interfaces and the TLS secrets
    of a pcapng file.

    Parameters
    ----------
    file : CaptureFile
    frames : sequence of int
        Frame numbers, from 1, in any order.
    target : Path
        Written anew; plain even when the source is compressed.

    Returns
    -------
    list of int
        The frame numbers written, ascending: the n-th of them is frame n of `target`.

    Raises
    ------
    UnusableInput
        When the source cannot be opened or the target cannot be written.
    """
    wanted = np.array(sorted(set(frames)), np.int64)
    written: list[int] = []
    try:
        with Stream(file.path) as stream, open(target, "wb") as out:
            for stretch in stretches(stream, parser_of(file.format), file.name, CHUNK_BYTES):
                out.writelines(_description(stretch.data, start, size) for start, size in stretch.step.others)
                here = wanted[
                    np.searchsorted(wanted, stretch.frame) : np.searchsorted(
                        wanted, stretch.frame + len(stretch.step.records)
                    )
                ]
                out.writelines(_copies(stretch.data, stretch.step.records[here - stretch.frame]))
                written += here.tolist()
                if not len(wanted) or stretch.frame + len(stretch.step.records) > wanted[-1]:
                    break
    except OSError as error:
        raise UnusableInput(f"{target} cannot be written: {error.strerror or error}.") from error
    return written


def _copies(data: Bytes, records: Rows) -> Iterable[bytes]:
    for record in records:
        yield data[record["start"] : record["start"] + record["size"]].tobytes()


def _description(data: Bytes, start: int, size: int) -> bytes:
    """Return a file header or descriptive block; a section's length is left open (-1), for it no longer is what it was."""
    block = data[start : start + size].tobytes()
    if block.startswith(pcapng.MAGIC):
        return block[:16] + b"\xff" * 8 + block[24:]
    return block
