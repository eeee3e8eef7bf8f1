"""The pcapng format (draft-ietf-opsawg-pcapng): blocks of many types, in sections that each have their own byte order.

Lives here: the kernel that walks the blocks with packets, and the reading of the rare blocks that describe them.
Never here: classic pcap, packet headers, files.

Section numbers in comments are those of the draft. Which blocks are frames is Wireshark's rule, whose numbers we use.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from analyzer.capture.records import (
    BATCH,
    LARGEST_FOREIGN_FRAME,
    LARGEST_FRAME,
    NO_FRAME,
    RECORD,
    Bytes,
    Counts,
    Damage,
    Rows,
    Step,
    largest_frame,
)
from analyzer.compiled import callee, compiled
from analyzer.schema import DIRECTION_IN, DIRECTION_OUT, DIRECTION_UNKNOWN, NO_TIME

MAGIC = b"\x0a\x0d\x0d\x0a"  # a palindrome: the same in both byte orders
BYTE_ORDER = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
LARGEST_BLOCK = LARGEST_FOREIGN_FRAME + 131_072 + 32  # Wireshark's MAX_BLOCK_SIZE

SECTION, INTERFACE, PACKET, SIMPLE, STATISTICS, ENHANCED, SECRETS = 0x0A0D0D0A, 1, 2, 3, 5, 6, 10
TLS_KEY_LOG = 0x544C534B  # the kind of secrets that SSLKEYLOGFILE holds (4.7)
JOURNAL, CUSTOM, CUSTOM_NOT_COPIED = 9, 0x0BAD, 0x40000BAD
SYSDIG, SYSDIG_2, SYSDIG_2_LARGE = 0x204, 0x216, 0x221

SECOND = 1_000_000_000
POWERS = np.array([10**n for n in range(20)], np.uint64)
LAST_SECOND = 2**63 // SECOND - 1  # the year 2262, where 64-bit nanoseconds end
COUNTER = np.dtype(np.uint64)

# What stopped the kernel.
FINE, DESCRIPTION, BAD_LENGTH, TOO_LONG, NO_INTERFACE, TOO_LARGE = range(6)
DAMAGE = {
    BAD_LENGTH: "is a block whose lengths contradict each other",
    TOO_LONG: f"claims more than the {LARGEST_BLOCK:,} bytes that a block can have",
    NO_INTERFACE: "belongs to an interface that is not described",
    TOO_LARGE: f"claims more than the {LARGEST_FRAME:,} bytes that a packet can have",
}

INTERFACE_ROW = np.dtype(
    [
        ("offset", np.int64),  # seconds to add (if_tsoffset)
        ("largest", np.int64),  # captured bytes above which a packet is damage
        ("snaplen", np.int64),  # bytes; 0 unlimited
        ("link", np.int32),
        ("exponent", np.int32),  # ticks in a second: 10 or 2 to this power (if_tsresol)
        ("binary", np.bool_),
    ],
    align=True,
)


@callee
def _u16(data: Any, p: int, big: bool) -> Any:
    a, b = np.int64(data[p]), np.int64(data[p + 1])
    return (a << 8) | b if big else (b << 8) | a


@callee
def _u32(data: Any, p: int, big: bool) -> Any:
    a, b, c, d = np.int64(data[p]), np.int64(data[p + 1]), np.int64(data[p + 2]), np.int64(data[p + 3])
    return (a << 24) | (b << 16) | (c << 8) | d if big else (d << 24) | (c << 16) | (b << 8) | a


@callee
def _time(high: int, low: int, interface: Any) -> Any:
    """Return nanoseconds since 1970 (4.2, if_tsresol and if_tsoffset), rounded down; NO_TIME where 64 bits do not hold it."""
    ticks = (np.uint64(high) << np.uint64(32)) | np.uint64(low)
    exponent = interface.exponent
    seconds = np.uint64(0)
    rest = ticks
    if interface.binary:
        if exponent < 64:
            seconds = ticks >> np.uint64(exponent)
            rest = ticks - (seconds << np.uint64(exponent))
        if exponent > 34:  # 2**34 * 10**9 is what 64 bits hold
            lost = exponent - 34
            rest = rest >> np.uint64(lost) if lost < 64 else np.uint64(0)
            exponent = 34
        rest = (rest * np.uint64(SECOND)) >> np.uint64(exponent)
    else:
        if exponent < 20:
            seconds = ticks // POWERS[exponent]
            rest = ticks - seconds * POWERS[exponent]
        if exponent <= 9:
            rest = rest * POWERS[9 - exponent]
        elif exponent < 29:
            rest = rest // POWERS[exponent - 9]
        else:
            rest = np.uint64(0)
    if seconds > np.uint64(LAST_SECOND):
        return NO_TIME
    whole = np.int64(seconds) + interface.offset
    if whole > LAST_SECOND or whole < -LAST_SECOND:
        return NO_TIME
    return whole * SECOND + np.int64(rest)


@callee
def _options(data: Any, p: int, end: int, big: bool, enhanced: bool, lost: Any) -> int:
    """Read a packet block's options (3.5, 4.3); return the direction they state, add packets lost before it to `lost`."""
    direction = DIRECTION_UNKNOWN
    while p + 4 <= end:
        code = _u16(data, p, big)
        size = _u16(data, p + 2, big)
        if code == 0 or p + 4 + size > end:
            break
        if code == 2 and size == 4:  # epb_flags, pack_flags: bits 0 and 1 are the direction (4.3.1)
            way = _u32(data, p + 4, big) & 3
            direction = DIRECTION_IN if way == 1 else (DIRECTION_OUT if way == 2 else DIRECTION_UNKNOWN)
        elif code == 4 and size == 8 and enhanced:  # epb_dropcount
            low = _u32(data, p + 8 if big else p + 4, big)
            lost[0] += low
            lost[1] = 1
        p += 4 + ((size + 3) & ~3)
    return direction


@callee
def _walk(
    data: Bytes, position: int, big: bool, interfaces: Rows, count: int, records: Rows, lost: Counts
) -> tuple[int, int, int]:
    """Fill `records` from complete blocks; return how many, where the next block starts, and what stopped the walk."""
    end = len(data)
    found = 0
    while found < len(records) and position + 12 <= end:
        kind = _u32(data, position, big)
        if kind == SECTION:
            return found, position, DESCRIPTION
        total = _u32(data, position + 4, big)
        if total < 12:
            return found, position, BAD_LENGTH
        if total > LARGEST_BLOCK:
            return found, position, TOO_LONG
        size = (total + 3) & ~3  # 3.1: a multiple of 4; some writers forgot, and Wireshark forgives them
        after = position + size
        if after > end:
            break
        if _u32(data, after - 4, big) != total:
            return found, position, BAD_LENGTH
        if kind in (INTERFACE, STATISTICS, SECRETS):
            return found, position, DESCRIPTION
        row = records[found]
        row.start = position
        row.size = size
        row.direction = DIRECTION_UNKNOWN
        row.time = NO_TIME
        if kind in (ENHANCED, PACKET):  # 4.3; appendix A
            if total < 32:
                return found, position, BAD_LENGTH
            number = _u32(data, position + 8, big) if kind == ENHANCED else _u16(data, position + 8, big)
            if number >= count:
                return found, position, NO_INTERFACE
            interface = interfaces[number]
            row.captured = _u32(data, position + 20, big)
            row.wire = _u32(data, position + 24, big)
            row.offset = position + 28
            if row.captured > size - 32:
                return found, position, BAD_LENGTH
            if row.captured > interface.largest:
                return found, position, TOO_LARGE
            row.time = _time(_u32(data, position + 12, big), _u32(data, position + 16, big), interface)
            row.link = interface.link
            row.interface = np.int32(number)
            options = row.offset + ((row.captured + 3) & ~3)
            if options + 4 < after:
                row.direction = _options(data, options, after - 4, big, kind == ENHANCED, lost)
        elif kind == SIMPLE:  # 4.4: no time; the captured length follows from the interface's snaplen
            if total < 16:
                return found, position, BAD_LENGTH
            if count == 0:
                return found, position, NO_INTERFACE
            interface = interfaces[0]
            row.wire = _u32(data, position + 8, big)
            row.captured = min(row.wire, interface.snaplen) if interface.snaplen > 0 else row.wire
            if row.captured > size - 16:
                return found, position, BAD_LENGTH
            if row.captured > interface.largest:
                return found, position, TOO_LARGE
            row.offset = position + 12
            row.link = interface.link
            row.interface = 0
        elif kind in (JOURNAL, CUSTOM, CUSTOM_NOT_COPIED, SYSDIG, SYSDIG_2, SYSDIG_2_LARGE):  # frames without a packet
            if total < (16 if kind in (CUSTOM, CUSTOM_NOT_COPIED) else (35 if kind == JOURNAL else 36)):
                return found, position, BAD_LENGTH
            row.offset = position + 8
            row.captured = 0
            row.wire = 0
            row.link = NO_FRAME
            row.interface = -1
        else:  # 3.1: what is not known is passed over
            position = after
            continue
        found += 1
        position = after
    return found, position, FINE


@compiled(data=np.uint8, interfaces=INTERFACE_ROW, records=RECORD, lost=np.int64, stopped=np.int64)
def _walked(
    data: Bytes, position: int, big: bool, interfaces: Rows, count: int, records: Rows, lost: Counts, stopped: Counts
) -> int:
    """Return the first of what `_walk` returns, the others in `stopped`."""
    found, stopped[0], stopped[1] = _walk(data, position, big, interfaces, count, records, lost)
    return found


class Pcapng:
    """Parser of one pcapng file."""

    def __init__(self) -> None:
        self.link_types: tuple[int, ...] = ()
        self._order = ""
        self._count = 0  # interfaces of this section
        self._interfaces = np.zeros(4, INTERFACE_ROW)
        self._snaplens: set[int] = set()
        self._dropped: dict[tuple[int, int], int] = {}  # (section, interface) -> packets lost
        self._section = 0
        self._lost = np.zeros(2, np.int64)  # packets lost by the packets' own options, and whether any said so
        self._records = np.zeros(BATCH, RECORD)
        self._stopped = np.zeros(2, np.int64)  # where the last walk ended, and why

    @property
    def snaplen(self) -> int | None:
        """Smallest snapshot length of the interfaces so far, in bytes; None when all are unlimited."""
        return min(self._snaplens, default=None)

    @property
    def drops(self) -> int | None:
        """Packets lost by the interface statistics, else by the packets' own options; None when neither speaks."""
        if self._dropped:
            return sum(self._dropped.values())
        return int(self._lost[0]) if self._lost[1] else None

    def step(self, data: Bytes, position: int) -> Step:
        """Take complete records from `data`, starting at `position`; see `records.Parser`."""
        others: list[tuple[int, int]] = []
        secrets: list[tuple[int, int]] = []
        found, state = 0, DESCRIPTION if not self._order else FINE
        while True:
            if self._order:
                found = _walked(
                    data, position, self._order == ">", self._interfaces, self._count, self._records, self._lost, self._stopped,
                )  # fmt: skip
                position, state = self._stopped.tolist()
            if state != DESCRIPTION or found:
                break
            size, damage = self._describe(data, position)
            if damage or not size:
                stop = Damage(position, damage) if damage else None
                return Step(self._records[:0], position, stop, tuple(others), tuple(secrets))
            if struct.unpack(self._order + "I", data[position : position + 4].tobytes())[0] == SECRETS:
                secrets += self._secrets(data, position, size)
            else:
                others.append((position, size))
            position += size
        stop = Damage(position, DAMAGE[state]) if state in DAMAGE else None
        more = stop is None and (state == DESCRIPTION or found == len(self._records))
        return Step(self._records[:found], position, stop, tuple(others), tuple(secrets), more)

    def _secrets(self, data: Bytes, position: int, size: int) -> list[tuple[int, int]]:
        """Return where the TLS secrets of a block with secrets are, if it holds such (4.7); how long they are is a claim."""
        if size < 20:
            return []
        what, length = struct.unpack(self._order + "II", data[position + 8 : position + 16].tobytes())
        return [(position + 16, length)] if what == TLS_KEY_LOG and 0 < length <= size - 20 else []

    def fork(self) -> Pcapng:
        """Return another that knows the same; see `records.Parser`."""
        return copy.deepcopy(self, {id(self._records): np.zeros(BATCH, RECORD)})

    def _describe(self, data: Bytes, position: int) -> tuple[int, str | None]:
        """Read a block that describes later ones; return its size (0: not all of it is there) and what is wrong with it."""
        start = data[position : position + 12].tobytes()
        if len(start) < 12:
            return 0, None
        order = self._order
        section = start.startswith(MAGIC)
        if section and (order := BYTE_ORDER.get(start[8:12], "")) == "":
            return 0, "begins a section without a byte order"
        kind, total = struct.unpack(order + "II", start[:8])
        if not 12 <= total <= LARGEST_BLOCK:
            return 0, DAMAGE[BAD_LENGTH]
        size = (total + 3) & ~3
        if position + size > len(data):
            return 0, None
        block = data[position : position + size].tobytes()
        if struct.unpack_from(order + "I", block, size - 4)[0] != total:
            return 0, DAMAGE[BAD_LENGTH]
        body = block[8 : size - 4]
        if section:
            return size, self._begin_section(order, body)
        if kind == INTERFACE:
            return size, self._add_interface(body)
        if kind == STATISTICS:
            self._add_statistics(body)
        return size, None

    def _begin_section(self, order: str, body: bytes) -> str | None:
        """Section header block (4.1): byte order, version; interfaces are numbered anew."""
        if len(body) < 16:
            return DAMAGE[BAD_LENGTH]
        major, minor = struct.unpack_from(order + "HH", body, 4)
        if major != 1:
            return f"begins a section in version {major}.{minor} of pcapng, of which only version 1 is known"
        self._order = order
        self._count = 0
        self._section += 1
        return None

    def _add_interface(self, body: bytes) -> str | None:
        """Interface description block (4.2): link type, snaplen, clock."""
        if len(body) < 8:
            return DAMAGE[BAD_LENGTH]
        link, _, snaplen = struct.unpack_from(self._order + "HHI", body)
        resolution, offset = 6, 0
        for code, value in self._options(body, 8):
            if code == 9 and len(value) == 1:
                resolution = value[0]
            elif code == 14 and len(value) == 8:
                offset = struct.unpack(self._order + "q", value)[0]
        if self._count == len(self._interfaces):
            self._interfaces = np.concatenate([self._interfaces, np.zeros(self._count, INTERFACE_ROW)])
        offset = max(-2 * LAST_SECOND, min(2 * LAST_SECOND, offset))
        row = (offset, largest_frame(link), snaplen, link, resolution & 0x7F, bool(resolution & 0x80))
        self._interfaces[self._count] = row
        self._count += 1
        if link not in self.link_types:
            self.link_types += (link,)
        if 0 < snaplen < LARGEST_FRAME:
            self._snaplens.add(snaplen)
        return None

    def _add_statistics(self, body: bytes) -> None:
        """Interface statistics block (4.6): counts since the capture began; the last one of an interface holds."""
        if len(body) < 12:
            return
        (interface,) = struct.unpack_from(self._order + "I", body)
        lost = [
            struct.unpack(self._order + "Q", value)[0]
            for code, value in self._options(body, 12)
            if code in (5, 7) and len(value) == 8  # isb_ifdrop, isb_osdrop
        ]
        if lost:
            self._dropped[self._section, interface] = sum(lost)

    def _options(self, body: bytes, p: int) -> Iterator[tuple[int, bytes]]:
        """Yield the options of a block (3.5) as (code, value)."""
        while p + 4 <= len(body):
            code, size = struct.unpack_from(self._order + "HH", body, p)
            if code == 0 or p + 4 + size > len(body):
                return
            yield code, body[p + 4 : p + 4 + size]
            p += 4 + ((size + 3) & ~3)
