"""Going back to a capture for what SEGMENT rows do not hold: payload bytes, checksums, whole frames.

Lives here: `payloads`, `checksums`, `offloaded` and `extract`, for a few thousand packets.
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
from analyzer.capture.records import LARGEST_FRAME, Bytes, Rows
from analyzer.capture.streams import Stream
from analyzer.capture.walking import CHUNK_BYTES, parser_of, stretches
from analyzer.errors import UnusableInput

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


def checksums(file: CaptureFile, segments: Rows) -> NDArray[np.int8]:
    """Verify TCP checksums (RFC 9293 3.1, RFC 8200 8.1).

    Parameters
    ----------
    file : CaptureFile
    segments : SEGMENT
        Rows of this file, in any order.

    Returns
    -------
    int8
        CHECKSUM_OK (1), CHECKSUM_WRONG (0), or CHECKSUM_UNKNOWN (-1) where the header or the payload is cut or the datagram
        is in pieces. Wrong is normal at the sending host under checksum offload, see `offloaded`. A packet that still
        has IPv6 routing segments to go counts as wrong: its header does not hold the final destination.
    """
    whole = ~segments["header_cut"] & ~segments["fragment"] & (segments["captured"] >= segments["length"])
    size = segments["header"].astype(np.int64) + segments["length"]
    whole &= (segments["header"] >= 20) & (size <= LARGEST_FRAME)
    places = np.flatnonzero(whole)
    spans = [(int(segments["offset"][i]) - int(segments["header"][i]), int(size[i])) for i in places]
    result = np.full(len(segments), CHECKSUM_UNKNOWN, np.int8)
    pseudo = _pseudo_header(segments)
    for i, (_, length), data in zip(places, spans, payloads(file, spans), strict=True):
        if len(data) == length:
            words = np.frombuffer(data + b"\0" * (length & 1), ">u2")
            total = _fold(pseudo[i] + words.sum(dtype=np.uint64))
            result[i] = CHECKSUM_OK if total == 0xFFFF else CHECKSUM_WRONG
    return result


def offloaded(segments: Rows) -> NDArray[np.bool_]:
    """Return where the checksum field holds the pseudo-header's sum and nothing else.

    That is what a stack writes which leaves the rest to its network card (Linux: CHECKSUM_PARTIAL): the frame was captured on
    the host that sent it, before it reached the wire. By chance it happens once in 65,536.
    """
    return np.asarray((_fold(_pseudo_header(segments)) == segments["checksum"]) & ~segments["fragment"], np.bool_)


def _pseudo_header(segments: Rows) -> NDArray[np.uint64]:
    """Return the sum of the pseudo-header's 16-bit words; IPv4 addresses count without their ::ffff: prefix."""
    total = segments["header"].astype(np.uint64) + segments["length"].astype(np.uint64) + np.uint64(TCP)
    for name in ("src_hi", "src_lo", "dst_hi", "dst_lo"):
        value = segments[name]
        if name.endswith("lo"):
            value = np.where(segments["ipv6"], value, value & np.uint64(0xFFFFFFFF))
        for shift in (48, 32, 16, 0):
            total = total + ((value >> np.uint64(shift)) & np.uint64(0xFFFF))
    return total


def _fold(total: Any) -> Any:
    """Fold a sum to 16 bits with end-around carry (RFC 1071 1)."""
    mask, shift = np.uint64(0xFFFF), np.uint64(16)
    for _ in range(4):
        total = (total & mask) + (total >> shift)
    return total


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
