"""The classic capture format (draft-ietf-opsawg-pcap): a header of 24 bytes, then one record for each packet.

Lives here: its magic numbers, its header, and the kernel that walks its records.
Never here: pcapng, packet headers, files.
"""

from __future__ import annotations

import copy
import struct
from typing import Any

import numpy as np

from analyzer.capture.records import BATCH, LARGEST_FRAME, RECORD, Bytes, Counts, Damage, Rows, Step, largest_frame
from analyzer.compiled import callee, compiled
from analyzer.schema import DIRECTION_IN, DIRECTION_OUT, DIRECTION_UNKNOWN

HEADER = 24
RECORD_HEADER = 16
MODIFIED_RECORD_HEADER = 24

# Magic number -> (nanoseconds per unit of the second time field, bytes of a record's header). Read in both byte orders.
MAGIC = {
    0xA1B2C3D4: (1000, RECORD_HEADER),
    0xA1B23C4D: (1, RECORD_HEADER),
    # Alexey Kuznetzov's patched libpcap: interface index, protocol and packet type behind the four usual fields.
    0xA1B2CD34: (1000, MODIFIED_RECORD_HEADER),
}
MAGICS = frozenset(struct.pack(order + "I", magic) for magic in MAGIC for order in "<>")

LINK_TYPE = 0x03FFFFFF  # the bits above say whether and how long a frame check sequence follows each frame
FINE, TOO_LONG = 0, 1


@callee
def _u32(data: Any, p: int, big: bool) -> Any:
    a, b, c, d = np.int64(data[p]), np.int64(data[p + 1]), np.int64(data[p + 2]), np.int64(data[p + 3])
    return (a << 24) | (b << 16) | (c << 8) | d if big else (d << 24) | (c << 16) | (b << 8) | a


@callee
def _walk(
    data: Bytes, position: int, big: bool, unit: int, header: int, minor: int, link: int, largest: int, records: Rows
) -> tuple[int, int, int]:
    """Fill `records` from complete records; return how many, where the next one starts, and FINE or TOO_LONG."""
    end = len(data)
    found = 0
    while found < len(records) and position + header <= end:
        captured = _u32(data, position + 8, big)
        wire = _u32(data, position + 12, big)
        # Files of version 2.3 by some programs, and all before, have the two lengths the other way round.
        if minor < 3 or (minor == 3 and captured > wire):
            captured, wire = wire, captured
        if captured > largest:
            return found, position, TOO_LONG
        after = position + header + captured
        if after > end:
            break
        row = records[found]
        row.start = position
        row.size = header + captured
        row.offset = position + header
        row.captured = captured
        row.wire = wire
        row.time = _u32(data, position, big) * 1_000_000_000 + _u32(data, position + 4, big) * unit
        row.link = link
        row.interface = -1
        row.direction = DIRECTION_UNKNOWN
        if header == MODIFIED_RECORD_HEADER:
            row.interface = np.int32(_u32(data, position + 16, big) & 0x7FFFFFFF)
            kind = data[position + 22]
            row.direction = DIRECTION_OUT if kind == 4 else (DIRECTION_IN if kind <= 3 else DIRECTION_UNKNOWN)
        found += 1
        position = after
    return found, position, FINE


@compiled(data=np.uint8, records=RECORD, stopped=np.int64)
def _walked(
    data: Bytes,
    position: int,
    big: bool,
    unit: int,
    header: int,
    minor: int,
    link: int,
    largest: int,
    records: Rows,
    stopped: Counts,
) -> int:
    """Return the first of what `_walk` returns, the others in `stopped`."""
    found, stopped[0], stopped[1] = _walk(data, position, big, unit, header, minor, link, largest, records)
    return found


class Pcap:
    """Parser of one classic capture file."""

    def __init__(self) -> None:
        self.link_types: tuple[int, ...] = ()
        self.snaplen: int | None = None
        self.drops: int | None = None
        self._order = ""
        self._unit = self._header = self._minor = 0
        self._records = np.zeros(BATCH, RECORD)
        self._stopped = np.zeros(2, np.int64)  # where the last walk ended, and why

    def step(self, data: Bytes, position: int) -> Step:
        """Take complete records from `data`, starting at `position`; see `records.Parser`."""
        others: tuple[tuple[int, int], ...] = ()
        if not self._order:
            if len(data) - position < HEADER:
                return Step(self._records[:0], position)
            if says := self._begin(data[position : position + HEADER].tobytes()):
                return Step(self._records[:0], position, Damage(position, says))
            others = ((position, HEADER),)
            position += HEADER
        link = self.link_types[0]
        found = _walked(
            data, position, self._order == ">", self._unit, self._header, self._minor, link, largest_frame(link),
            self._records, self._stopped,
        )  # fmt: skip
        position, state = self._stopped.tolist()
        damage = None
        if state == TOO_LONG:
            damage = Damage(position, f"claims more than the {largest_frame(link):,} bytes that a packet can have")
        return Step(self._records[:found], position, damage, others, more=found == len(self._records))

    def fork(self) -> Pcap:
        """Return another that knows the same; see `records.Parser`."""
        return copy.deepcopy(self, {id(self._records): np.zeros(BATCH, RECORD)})

    def _begin(self, header: bytes) -> str | None:
        """Read the file's header; return what is wrong with it, or None."""
        order = "<" if struct.unpack("<I", header[:4])[0] in MAGIC else ">"
        magic, major, minor, _, _, snaplen, link = struct.unpack(order + "IHHiIII", header)
        if major != 2:
            return f"has version {major}.{minor} of the pcap format, of which only version 2 is known"
        self._unit, self._header = MAGIC[magic]
        self._order, self._minor = order, minor
        self.snaplen = snaplen if 0 < snaplen < LARGEST_FRAME else None
        self.link_types = (link & LINK_TYPE,)
        return None
