"""The decoder: RECORD rows and the bytes behind them -> SEGMENT rows. The one place that reads link, IP and TCP headers.

Lives here: compiled kernels for link layers, IPv4, IPv6 and TCP, all in one file (see analyzer.compiled).
Never here: a capture format, a file, a connection.

Nothing is read beyond a frame's captured bytes nor beyond the length that its IP header states; every loop advances.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analyzer.capture.records import Bytes, Counts, Rows
from analyzer.compiled import compiled
from analyzer.schema import DIRECTION_IN, DIRECTION_OUT, DIRECTION_UNKNOWN, NO_TIME, RST

# What a frame turned out to be.
TCP, OTHER, UNREADABLE, FRAGMENT = 0, 1, 2, 3

# Places in the tally that `decode` keeps; the last three are times.
OTHERS, UNREADABLES, FRAGMENTS, CUT, RESETS, DIRECTED, UNDECODED, BACKWARDS, EARLIEST, LATEST, PREVIOUS = range(11)
TALLY = 11

SECOND = 1_000_000_000
NOT_IP, NOT_DECODED = -1, -2  # instead of the position of an IP header


def new_tally(previous: int) -> Counts:
    """Return an empty tally: indexed by OTHERS … PREVIOUS, times in nanoseconds and NO_TIME while there are none.

    `previous` is the time of the packet before the ones to be counted.
    """
    tally = np.zeros(TALLY, np.int64)
    tally[EARLIEST] = tally[LATEST] = NO_TIME
    tally[PREVIOUS] = previous
    return tally


@compiled
def _u16(data: Any, p: int) -> Any:
    return (np.int64(data[p]) << 8) | np.int64(data[p + 1])


@compiled
def _u32(data: Any, p: int) -> Any:
    return (
        (np.int64(data[p]) << 24) | (np.int64(data[p + 1]) << 16) | (np.int64(data[p + 2]) << 8) | np.int64(data[p + 3])
    )


@compiled
def _u64(data: Any, p: int) -> Any:
    return np.uint64((_u32(data, p) << 32) | _u32(data, p + 4))


@compiled
def _ethertype(data: Any, p: int, end: int, row: Any) -> int:
    """Follow the type field at `p` through VLAN tags to an IP header; return its position or NOT_IP."""
    while p + 2 <= end:
        kind = _u16(data, p)
        if kind in (0x0800, 0x86DD):
            return p + 2
        if kind in (0x8100, 0x88A8, 0x9100):  # IEEE 802.1Q 9.6; 0x9100 is QinQ before 802.1ad
            if p + 4 > end:
                return NOT_IP
            row.vlan = _u16(data, p + 2) & 0x0FFF
            p += 4
        elif kind <= 1500 and p + 10 <= end and _u32(data, p + 2) == 0xAAAA0300 and _u16(data, p + 6) == 0:
            p += 8  # RFC 1042: LLC and SNAP with OUI 0, an EtherType follows
        else:
            return NOT_IP
    return NOT_IP


@compiled
def _packet_type(kind: Any) -> int:
    """Return the direction that a cooked header's packet type states (LINKTYPE_LINUX_SLL).

    4 is "sent by us". 0 to 2 came in for this host, 3 came in for another: a fact about the frame, not about its addressee.
    """
    if kind == 4:
        return DIRECTION_OUT
    return DIRECTION_IN if kind <= 3 else DIRECTION_UNKNOWN


@compiled
def _link(data: Any, p: int, end: int, link: int, row: Any) -> int:
    """Return the position of the IP header, NOT_IP, or NOT_DECODED for a link type that is not understood here."""
    if link == 1:  # LINKTYPE_ETHERNET: two addresses of 6 bytes, type
        return _ethertype(data, p + 12, end, row)
    if link == 113:  # LINKTYPE_LINUX_SLL: packet type, ARPHRD, address length, address of 8 bytes, protocol
        if p + 16 > end:
            return NOT_IP
        row.direction = _packet_type(_u16(data, p))
        return _ethertype(data, p + 14, end, row)
    if link == 276:  # LINKTYPE_LINUX_SLL2: protocol, reserved, interface index, ARPHRD, packet type, length, address
        if p + 20 > end:
            return NOT_IP
        row.interface = np.int32(_u32(data, p + 4) & 0x7FFFFFFF)
        row.direction = _packet_type(np.int64(data[p + 10]))
        kind = _u16(data, p)
        if kind in (0x0800, 0x86DD):
            return p + 20
        if kind in (0x8100, 0x88A8, 0x9100):
            if p + 24 > end:
                return NOT_IP
            row.vlan = _u16(data, p + 20) & 0x0FFF
            return _ethertype(data, p + 22, end, row)
        return NOT_IP
    if link in (101, 12, 14, 228, 229):  # LINKTYPE_RAW, its DLTs, IPV4, IPV6
        return p
    if link in (0, 108):  # LINKTYPE_NULL (byte order of the capturing machine) and LINKTYPE_LOOP (network order)
        if p + 4 > end:
            return NOT_IP
        family = _u32(data, p)
        if family > 0xFFFF:
            family = ((family & 0xFF) << 24) | ((family & 0xFF00) << 8) | ((family >> 8) & 0xFF00) | (family >> 24)
        # AF_INET is 2 everywhere; AF_INET6 is 24 (NetBSD, OpenBSD), 28 (FreeBSD), 30 (macOS), 10 (Linux), 23 (Windows).
        if family in (2, 24, 28, 30, 10, 23):
            return p + 4
        return NOT_IP
    return NOT_DECODED


@compiled
def _ipv4(data: Any, p: int, end: int, wire_end: int, row: Any) -> Any:
    """Read an IPv4 header (RFC 791 3.1); return what it carries, where that starts, and where the datagram ends."""
    if p + 20 > end:
        return UNREADABLE, 0, 0
    header = (np.int64(data[p]) & 0x0F) * 4
    total = _u16(data, p + 2)
    if total == 0:  # the stack handed a super-segment to the card, which fills the length in (TSO)
        total = wire_end - p
    pieces = _u16(data, p + 6)
    protocol = np.int64(data[p + 9])
    if header < 20 or total < header:
        return (UNREADABLE if protocol == 6 else OTHER), 0, 0
    if pieces & 0x1FFF:
        return (FRAGMENT if protocol == 6 else OTHER), 0, 0
    stop = p + total
    limit = min(end, stop)
    transport = p + header
    while protocol == 51:  # Authentication Header: its length counts 4-byte words, minus 2 (RFC 4302 2.2)
        if transport + 2 > limit:
            return UNREADABLE, 0, 0
        protocol = np.int64(data[transport])
        transport += (np.int64(data[transport + 1]) + 2) * 4
    if protocol != 6:
        return OTHER, 0, 0
    row.ipv6 = False
    row.tos = data[p + 1]
    row.ip_id = _u16(data, p + 4)
    row.dont_fragment = (pieces & 0x4000) != 0
    row.fragment = (pieces & 0x2000) != 0
    row.ttl = data[p + 8]
    row.flow_label = -1
    row.src_hi = 0
    row.dst_hi = 0
    row.src_lo = np.uint64(0xFFFF00000000 | _u32(data, p + 12))
    row.dst_lo = np.uint64(0xFFFF00000000 | _u32(data, p + 16))
    return TCP, transport, stop


@compiled
def _ipv6(data: Any, p: int, end: int, wire_end: int, row: Any) -> Any:
    """Read an IPv6 header and its extension headers (RFC 8200 3 and 4); return as `_ipv4` does."""
    if p + 40 > end:
        return UNREADABLE, 0, 0
    first = _u32(data, p)
    length = _u16(data, p + 4)
    stop = p + 40 + length if length else wire_end  # 0: a jumbogram (RFC 2675) or a super-segment
    limit = min(end, stop)
    protocol = np.int64(data[p + 6])
    transport = p + 40
    more = False
    # Hop-by-hop, routing, destination options; fragment (RFC 8200 4.5); authentication (RFC 4302 2.2).
    while protocol in (0, 43, 60, 44, 51):
        if transport + 8 > limit:
            return UNREADABLE, 0, 0
        size: Any = (np.int64(data[transport + 1]) + 1) * 8
        if protocol == 44:
            size = np.int64(8)
            pieces = _u16(data, transport + 2)
            if pieces & 0xFFF8:
                return (FRAGMENT if data[transport] == 6 else OTHER), 0, 0
            more = more or (pieces & 1) != 0
        elif protocol == 51:
            size = (np.int64(data[transport + 1]) + 2) * 4
        protocol = np.int64(data[transport])
        transport += size
    if protocol != 6:
        return OTHER, 0, 0
    row.ipv6 = True
    row.tos = (first >> 20) & 0xFF
    row.flow_label = np.int32(first & 0xFFFFF)
    row.ip_id = -1
    row.dont_fragment = True
    row.fragment = more
    row.ttl = data[p + 7]
    row.src_hi = _u64(data, p + 8)
    row.src_lo = _u64(data, p + 16)
    row.dst_hi = _u64(data, p + 24)
    row.dst_lo = _u64(data, p + 32)
    return TCP, transport, stop


@compiled
def _options(data: Any, p: Any, end: int, row: Any) -> None:
    """Read TCP options (RFC 9293 3.1): MSS, window scale and timestamps (RFC 7323 2.2, 3.2), SACK permitted (RFC 2018 2)."""
    while p < end:
        kind = data[p]
        if kind == 1:
            p += 1
            continue
        if kind == 0 or p + 2 > end:
            return
        size = np.int64(data[p + 1])
        if size < 2 or p + size > end:
            return
        if kind == 8 and size == 10:
            row.has_timestamps = True
            row.tsval = np.uint32(_u32(data, p + 2))
            row.tsecr = np.uint32(_u32(data, p + 6))
        elif kind == 2 and size == 4:
            row.mss = np.uint16(_u16(data, p + 2))
        elif kind == 3 and size == 3:
            row.window_shift = np.int8(min(np.int64(data[p + 2]), np.int64(127)))
        elif kind == 4 and size == 2:
            row.sack_permitted = True
        p += size


@compiled
def _tcp(data: Any, p: int, end: int, stop: int, base: int, row: Any) -> int:
    """Read a TCP header (RFC 9293 3.1) at `p`; `end` is where the captured bytes end, `stop` where the datagram does."""
    limit = min(end, stop)
    if p + 18 > limit:  # up to the checksum; the urgent pointer is not used here
        return UNREADABLE
    bits = _u16(data, p + 12)
    header = (bits >> 12) * 4
    if header < 20:
        return UNREADABLE
    payload: Any = p + header
    length = max(stop - payload, 0)
    row.sport = np.uint16(_u16(data, p))
    row.dport = np.uint16(_u16(data, p + 2))
    row.seq = np.uint32(_u32(data, p + 4))
    row.ack = np.uint32(_u32(data, p + 8))
    row.flags = np.uint16(bits & 0x0FFF)
    row.window = np.uint16(_u16(data, p + 14))
    row.checksum = np.uint16(_u16(data, p + 16))
    row.header = np.uint8(header)
    row.header_cut = payload > limit
    row.offset = base + payload
    row.length = np.int32(min(length, 0x7FFFFFFF))
    row.captured = np.int32(max(limit - payload, 0))
    row.has_timestamps = False
    row.sack_permitted = False
    row.tsval = 0
    row.tsecr = 0
    row.mss = 0
    row.window_shift = -1
    if header > 20:
        _options(data, p + 20, min(payload, limit), row)
    return TCP


@compiled
def _frame(data: Any, record: Any, base: int, row: Any) -> Any:
    """Decode one frame into `row`; return TCP where it is a segment, else what it is, or NOT_DECODED."""
    start = record.offset
    end = start + record.captured
    wire_end = max(start + record.wire, end)
    row.vlan = -1
    row.direction = record.direction
    row.interface = record.interface
    p = _link(data, start, end, record.link, row)
    if p < 0:
        return p if p == NOT_DECODED else OTHER
    if p >= end:
        return OTHER
    version = data[p] >> 4
    if version == 4:
        kind, transport, stop = _ipv4(data, p, end, wire_end, row)
    elif version == 6:
        kind, transport, stop = _ipv6(data, p, end, wire_end, row)
    else:
        return OTHER
    if kind != TCP:
        return kind
    return _tcp(data, transport, end, stop, base, row)


@compiled
def decode(data: Bytes, records: Rows, frame: int, base: int, segments: Rows, tally: Counts) -> int:
    """Decode frames into segments.

    Parameters
    ----------
    data : uint8, read-only
        The buffer that the records' positions refer to.
    records : RECORD, read-only
    frame : int
        Frame number of the first record.
    base : int
        Where in the file `data` starts, in bytes.
    segments : SEGMENT
        Filled from its beginning; as long as `records`.
    tally : int64
        Counts are added to it, see `new_tally`.

    Returns
    -------
    int
        The number of segments.
    """
    found = 0
    for i in range(len(records)):
        record = records[i]
        time = record.time
        if time != NO_TIME:
            if tally[EARLIEST] == NO_TIME or time < tally[EARLIEST]:
                tally[EARLIEST] = time
            if tally[LATEST] == NO_TIME or time > tally[LATEST]:
                tally[LATEST] = time
            if tally[PREVIOUS] != NO_TIME and tally[PREVIOUS] - SECOND > time:
                tally[BACKWARDS] += 1
            tally[PREVIOUS] = time
        if record.captured < record.wire:
            tally[CUT] += 1
        row = segments[found]
        kind = _frame(data, record, base, row)
        if kind == TCP:
            row.frame = frame + i
            row.time = time
            if row.flags & RST:
                tally[RESETS] += 1
            if row.direction != DIRECTION_UNKNOWN:
                tally[DIRECTED] += 1
            found += 1
        elif kind == UNREADABLE:
            tally[UNREADABLES] += 1
        elif kind == FRAGMENT:
            tally[FRAGMENTS] += 1
        else:
            tally[OTHERS] += 1
            if kind == NOT_DECODED and record.link >= 0:
                tally[UNDECODED] += 1
    return found
