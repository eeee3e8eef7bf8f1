"""Going back to a capture for what SEGMENT rows do not hold: payload bytes and whole frames.

Lives here: `payloads` and `extract`, for a few thousand packets.
Never here: which packets are worth it, the bytes that pass 2 keeps (behind).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from analyzer.capture import pcapng
from analyzer.capture.files import CaptureFile
from analyzer.capture.records import LARGEST_FRAME, Bytes, Rows
from analyzer.capture.streams import Stream
from analyzer.capture.walking import CHUNK_BYTES, parser_of, stretches
from analyzer.errors import UnusableInput


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


def extract(file: CaptureFile, frames: Sequence[int], target: Path) -> list[int]:
    """Copy frames into a small capture of the same format, byte for byte.

    Link types, times, directions and comments stay as they are; so do the blocks that describe interfaces of a pcapng file. Its TLS
    secrets are left out.

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
