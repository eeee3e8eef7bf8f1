"""Which files of a set are worth reading for a stretch of time, by their first and last packets.

Lives here: `chosen`, and finding a file's last packet without reading the file.
Never here: which stretch of time that is (pipeline), what the packets are.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from analyzer.capture.files import CaptureFile
from analyzer.capture.pcap import HEADER, MAGIC, RECORD_HEADER
from analyzer.capture.records import LARGEST_FRAME
from analyzer.capture.streams import Stream
from analyzer.capture.walking import parser_of
from analyzer.errors import Notice
from analyzer.language import say
from analyzer.schema import NO_TIME

HEAD = 1 << 16  # bytes; the interfaces of a pcapng file are described at its beginning
TAIL = 1 << 20  # bytes at the end that are searched for whole records: some of the largest fit in
# Records that must follow each other to the very end of the file. A chain that begins by chance within a packet joins the true one
# after few records, or does not end where the file does.
CHAIN = 4
LONGEST = 366 * 86_400  # seconds that one file covers at most: what claims more is no record


def chosen(files: Sequence[CaptureFile], begin: int, end: int) -> tuple[list[CaptureFile], list[Notice]]:
    """Leave out the files that hold nothing between two times (ns since 1970 UTC), and say so.

    A file of which that is not certain stays: compressed, cut off, or without times. Where none would stay, all do.
    """
    kept = [file for file in files if file.first is None or (file.first <= end and _reaches(file, begin))]
    left = len(files) - len(kept)
    if not kept or not left:
        return list(files), []
    sentence = say(
        "{left} of {n} files were not read: by their first and last packets they hold nothing of the time that was asked for.",
        left=left,
        n=len(files),
    )
    return kept, [Notice("info", "", "", sentence)]


def _reaches(file: CaptureFile, begin: int) -> bool:
    """Whether the file may hold packets of `begin` or later."""
    assert file.first is not None
    if file.first >= begin:
        return True
    last = last_time(file)
    return last is None or last >= begin


def last_time(file: CaptureFile) -> int | None:
    """Return the time of the last packets of a plain file, ns since 1970 UTC; None where its end cannot be read backwards."""
    if file.compression or file.first is None:
        return None
    try:
        with Stream(file.path) as stream:
            head = np.frombuffer(stream.read_at(0, HEAD), np.uint8)
            tail = stream.read_at(max(file.bytes - TAIL, 0), TAIL)
    except OSError:
        return None
    parser = parser_of(file.format)
    if parser.step(head, 0).damage:
        return None
    start = (
        _pcap_chain(head[:HEADER].tobytes(), tail, file.first // 10**9)
        if file.format == "pcap"
        else _pcapng_chain(tail)
    )
    if start is None:
        return None
    last: int | None = None
    data = np.frombuffer(tail, np.uint8)
    while True:
        step = parser.step(data, start)
        times = step.records["time"][step.records["time"] != NO_TIME]
        if len(times):
            last = max(int(times.max()), last or 0)
        if step.damage:
            return None
        if not step.more:
            return last
        start = step.position


def _pcap_chain(header: bytes, tail: bytes, first: int) -> int | None:
    """Return where in `tail` records begin that follow each other to its end; the file's first is of the second `first`."""
    order = "<" if struct.unpack("<I", header[:4])[0] in MAGIC else ">"
    magic, _, minor = struct.unpack(order + "IHH", header[:8])
    _, size = MAGIC[magic]
    if size != RECORD_HEADER or minor < 4:
        return None
    record = struct.Struct(order + "I4xII")
    for begin in range(min(LARGEST_FRAME + size, len(tail))):
        place, count = begin, 0
        while place + size <= len(tail):
            second, captured, wire = record.unpack_from(tail, place)
            if not 0 < captured <= min(wire, LARGEST_FRAME) or not -LONGEST < second - first < LONGEST:
                break
            place += size + captured
            count += 1
        if place == len(tail) and count >= CHAIN:
            return begin
    return None


def _pcapng_chain(tail: bytes) -> int | None:
    """Return where the block begins from which others follow to the end; every block ends with its length."""
    for order in "<>":
        length = struct.Struct(order + "I")
        place, count = len(tail), 0
        while place >= 12:
            (total,) = length.unpack_from(tail, place - 4)
            size = (total + 3) & ~3
            if total < 12 or size > place or length.unpack_from(tail, place - size + 4)[0] != total:
                break
            place -= size
            count += 1
        if count >= CHAIN:
            return place
    return None
