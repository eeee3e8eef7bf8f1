"""The decoder: RECORD rows and the bytes behind them -> SEGMENT rows. The one place that reads link, IP and TCP headers.

Lives here: compiled kernels for link layers, tunnels, IPv4, IPv6 and TCP, all in one file (see analyzer.compiled). Of what is no TCP,
the messages that may tell of a connection are only found (PLACE); `messages` reads them.
Never here: a capture format, a file, a connection.

Nothing is read beyond a frame's captured bytes nor beyond the length that its IP header states; every loop advances.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analyzer.capture.records import PLACE, RECORD, Bytes, Counts, Rows
from analyzer.compiled import callee, compiled
from analyzer.schema import DIRECTION_IN, DIRECTION_OUT, DIRECTION_UNKNOWN, NO_TIME, RST, SEGMENT

# What a frame turned out to be.
TCP, OTHER, UNREADABLE, FRAGMENT, CARRIER, MESSAGE = 0, 1, 2, 3, 4, 5

CARRIERS = (17, 47, 4, 41)  # protocol numbers of what may hold another IP header: UDP, GRE, IPv4, IPv6
LAYERS = 6  # IP headers within each other that are followed; mirrored overlays have three
# Bits of SEGMENT.tunnel, in the order of schema.TUNNELS.
TUNNEL_VXLAN, TUNNEL_GENEVE, TUNNEL_GRE, TUNNEL_ERSPAN, TUNNEL_IP, TUNNEL_GTP, TUNNEL_TZSP = 1, 2, 4, 8, 16, 32, 64

# Places in the tally that `decode` keeps; the last three are times.
(
    OTHERS,
    UNREADABLES,
    FRAGMENTS,
    CUT,
    RESETS,
    DIRECTED,
    UNDECODED,
    BACKWARDS,
    TUNNELS,
    MESSAGES,
    EARLIEST,
    LATEST,
    PREVIOUS,
) = range(13)
TALLY = 13

SECOND = 1_000_000_000
NOT_IP, NOT_DECODED, ARP = -1, -2, -3  # instead of the position of an IP header; an ARP message stands at row.offset


def new_tally(previous: int) -> Counts:
    """Return an empty tally: indexed by OTHERS … PREVIOUS, TUNNELS as bits, times in nanoseconds and NO_TIME while there are none.

    `previous` is the time of the packet before the ones to be counted.
    """
    tally = np.zeros(TALLY, np.int64)
    tally[EARLIEST] = tally[LATEST] = NO_TIME
    tally[PREVIOUS] = previous
    return tally


@callee
def _u16(data: Any, p: int) -> Any:
    return (np.int64(data[p]) << 8) | np.int64(data[p + 1])


@callee
def _u32(data: Any, p: int) -> Any:
    return (
        (np.int64(data[p]) << 24) | (np.int64(data[p + 1]) << 16) | (np.int64(data[p + 2]) << 8) | np.int64(data[p + 3])
    )


@callee
def _u64(data: Any, p: int) -> Any:
    return np.uint64((_u32(data, p) << 32) | _u32(data, p + 4))


@callee
def _le16(data: Any, p: int) -> Any:
    return (np.int64(data[p + 1]) << 8) | np.int64(data[p])


@callee
def _le32(data: Any, p: int) -> Any:
    return (_le16(data, p + 2) << 16) | _le16(data, p)


# --- What carries IP: each returns the position of an IP header, or NOT_IP --------------------------------------------


@callee
def _mpls(data: Any, p: Any, end: int) -> Any:
    """Pass a label stack (RFC 3032 2.1). Nothing says what follows it: only what begins as IP does is taken for IP."""
    while p + 5 <= end:
        bottom = data[p + 2] & 1
        p += 4
        if bottom:
            return p if data[p] >> 4 in (4, 6) else NOT_IP
    return NOT_IP


@callee
def _ppp(data: Any, p: Any, end: int) -> Any:
    """Pass a PPP header (RFC 1661 2, 6.5; RFC 1662 3.1), its address and protocol fields compressed or not."""
    if p + 2 <= end and data[p] == 0xFF and data[p + 1] == 0x03:
        p += 2
    if p + 2 > end:
        return NOT_IP
    protocol = np.int64(data[p])
    if protocol & 1:
        p += 1
    else:
        protocol = _u16(data, p)
        p += 2
    if protocol in (0x0021, 0x0057):
        return p
    if protocol in (0x0281, 0x0283):
        return _mpls(data, p, end)
    return NOT_IP


@callee
def _payload(data: Any, kind: Any, p: Any, end: int, row: Any) -> Any:
    """Follow what an EtherType says stands at `p` to an IP header; a type of at most 1500 is the length of an LLC frame."""
    while p <= end:
        if kind in (0x0800, 0x86DD):
            return p
        if kind in (0x8100, 0x88A8, 0x9100):  # IEEE 802.1Q 9.6; 0x9100 is QinQ before 802.1ad
            if p + 4 > end:
                return NOT_IP
            row.vlan = _u16(data, p) & 0x0FFF
            kind = _u16(data, p + 2)
            p += 4
        elif kind <= 1500:  # RFC 1042: LLC and SNAP with OUI 0, an EtherType follows
            if p + 8 > end or _u32(data, p) != 0xAAAA0300 or _u16(data, p + 4) != 0:
                return NOT_IP
            kind = _u16(data, p + 6)
            p += 8
        elif kind in (0x8847, 0x8848):
            return _mpls(data, p, end)
        elif kind == 0x0806:
            row.offset = p
            row.captured = end - p
            return ARP
        elif kind == 0x8864:  # PPPoE session stage (RFC 2516 4): version, code, session, length
            return _ppp(data, p + 6, end)
        elif kind == 0x6558:  # a whole Ethernet frame (RFC 1701, RFC 8926 3.4)
            if p + 14 > end:
                return NOT_IP
            kind = _u16(data, p + 12)
            p += 14
        else:
            return NOT_IP
    return NOT_IP


@callee
def _gre(data: Any, p: Any, end: int, row: Any) -> Any:
    """Pass a GRE header (RFC 2784 2.1, RFC 2890 2; version 1: RFC 2637 4.1), and ERSPAN's (draft-foschiano-erspan-03 4)."""
    if p + 4 > end:
        return NOT_IP
    bits = _u16(data, p)
    kind = _u16(data, p + 2)
    if bits & 0x4000:  # source routes (RFC 1701), which nobody uses
        return NOT_IP
    p += 4 + (4 if bits & 0x8000 else 0) + (4 if bits & 0x2000 else 0) + (4 if bits & 0x1000 else 0)
    if bits & 7 == 1:
        row.tunnel |= TUNNEL_GRE
        return _ppp(data, p + (4 if bits & 0x0080 else 0), end) if kind == 0x880B else NOT_IP
    if bits & 7:
        return NOT_IP
    if kind == 0x88BE or kind == 0x22EB:
        row.tunnel |= TUNNEL_ERSPAN
        if kind == 0x22EB:  # type III: 12 bytes, and 8 of the platform's where the last bit says so
            if p + 12 > end or (_u16(data, p + 10) >> 11) & 0x0F:  # else it is no Ethernet frame
                return NOT_IP
            p += 20 if data[p + 11] & 1 else 12
        elif bits & 0x1000:  # type II has a sequence number in GRE and 8 bytes of its own; type I has neither
            p += 8
        return _payload(data, 0x6558, p, end, row)
    row.tunnel |= TUNNEL_GRE
    return _payload(data, kind, p, end, row) if kind in (0x0800, 0x86DD, 0x6558, 0x8847, 0x8848) else NOT_IP


@callee
def _gtp(data: Any, p: Any, end: int) -> Any:
    """Pass the header of a GTP-U packet (3GPP TS 29.281 5.1)."""
    if p + 12 > end or data[p] >> 4 != 3 or data[p + 1] != 255:  # version 1, GTP, a user's packet
        return NOT_IP
    bits = data[p] & 7
    following = data[p + 11] if bits & 4 else 0
    p += 12 if bits else 8
    while following:
        if p >= end or data[p] == 0:
            return NOT_IP
        p += 4 * np.int64(data[p])
        if p > end:
            return NOT_IP
        following = data[p - 1]
    return p if p < end and data[p] >> 4 in (4, 6) else NOT_IP


@callee
def _tzsp(data: Any, p: Any, end: int, row: Any) -> Any:
    """Pass the header of a sniffed packet (TZSP 1) and its tags, where it holds an Ethernet frame."""
    if p + 4 > end or data[p] != 1 or data[p + 1] > 1 or _u16(data, p + 2) != 1:
        return NOT_IP
    p += 4
    while p < end and data[p] != 1:  # 1 ends the tags, 0 pads
        p += 1 if data[p] == 0 or p + 1 >= end else 2 + np.int64(data[p + 1])
    return _payload(data, 0x6558, p + 1, end, row)


@callee
def _udp(data: Any, p: Any, end: int, row: Any) -> Any:
    """Pass the tunnels that UDP carries, told by their registered destination ports and by what their headers must hold."""
    if p + 16 > end:
        return NOT_IP
    port = _u16(data, p + 2)
    p += 8
    # RFC 7348 5; Linux began with port 8472, which others use as well: there all that must be zero has to be.
    if (port == 4789 and data[p] & 0x08) or (port == 8472 and _u32(data, p) == 0x08000000 and data[p + 7] == 0):
        row.tunnel |= TUNNEL_VXLAN
        return _payload(data, 0x6558, p + 8, end, row)
    if port == 4790 and data[p] & 0x0C == 0x0C:  # draft-ietf-nvo3-vxlan-gpe 3.1
        row.tunnel |= TUNNEL_VXLAN
        following = data[p + 3]
        if following == 1 or following == 2:
            return p + 8
        return _payload(data, 0x6558, p + 8, end, row) if following == 3 else NOT_IP
    if port == 6081 and data[p] >> 6 == 0:  # RFC 8926 3.4
        row.tunnel |= TUNNEL_GENEVE
        kind = _u16(data, p + 2)
        return _payload(data, kind, p + 8 + 4 * (np.int64(data[p]) & 0x3F), end, row) if kind > 1500 else NOT_IP
    if port == 2152:
        row.tunnel |= TUNNEL_GTP
        return _gtp(data, p, end)
    if port == 37008:
        row.tunnel |= TUNNEL_TZSP
        return _tzsp(data, p, end, row)
    return NOT_IP


@callee
def _unwrap(data: Any, protocol: Any, p: Any, end: int, row: Any) -> Any:
    """Return the position of the IP header within what an IP header says stands at `p`, or NOT_IP."""
    if protocol == 17:
        return _udp(data, p, end, row)
    if protocol == 47:
        return _gre(data, p, end, row)
    if protocol == 4 or protocol == 41:  # RFC 2003, RFC 2473, RFC 4213
        row.tunnel |= TUNNEL_IP
        return p
    return NOT_IP


# --- Link layers --------------------------------------------------------------------------------------------------------


@callee
def _wlan(data: Any, p: Any, end: int, padded: bool, row: Any) -> Any:
    """Pass the header of an IEEE 802.11 data frame (IEEE 802.11 9.2.3) that is neither encrypted nor in pieces."""
    if p + 32 > end or data[p] & 0x0F != 0x08 or data[p] & 0x40 or data[p + 1] & 0x44 or data[p + 22] & 0x0F:
        return NOT_IP
    begin = p
    p += 30 if data[begin + 1] & 3 == 3 else 24
    if data[begin] & 0x80:  # quality of service
        if data[p] & 0x80:  # several frames in one
            return NOT_IP
        p += 6 if data[begin + 1] & 0x80 else 2
    if padded:
        p += (begin - p) & 3
    return _payload(data, 0, p, end, row)


@callee
def _radiotap(data: Any, p: Any, end: int, row: Any) -> Any:
    """Pass a radiotap header (radiotap.org): its length, and whether the frame's header is padded to four bytes."""
    if p + 8 > end:
        return NOT_IP
    after = p + _le16(data, p + 2)
    present = data[p + 4]
    fields = p + 8
    while fields + 4 < after and after <= end and data[fields - 1] & 0x80:  # another bitmap follows
        fields += 4
    if present & 1:
        fields += (p - fields) % 8 + 8
    padded = bool(present & 2) and fields < min(after, end) and data[fields] & 0x20 != 0
    return _wlan(data, after, end, padded, row)


@callee
def _nflog(data: Any, p: Any, end: int) -> Any:
    """Find the packet among the attributes of a netfilter log message, whose numbers are those of a little-endian host."""
    p += 4
    while p + 4 <= end:
        size = _le16(data, p)
        if size < 4:
            return NOT_IP
        if _le16(data, p + 2) == 9:
            return p + 4
        p += (size + 3) & ~3
    return NOT_IP


@callee
def _family(data: Any, p: int, end: int) -> bool:
    """Whether four bytes, in either byte order, are the number of an IP address family.

    AF_INET is 2 everywhere; AF_INET6 is 24 (NetBSD, OpenBSD), 28 (FreeBSD), 30 (macOS), 10 (Linux), 23 (Windows).
    """
    if p + 4 > end:
        return False
    family = _u32(data, p)
    if family > 0xFFFF:
        family = _le32(data, p)
    return family in (2, 24, 28, 30, 10, 23)


@callee
def _packet_type(kind: Any) -> int:
    """Return the direction that a cooked header's packet type states (LINKTYPE_LINUX_SLL).

    4 is "sent by us". 0 to 2 came in for this host, 3 came in for another: a fact about the frame, not about its addressee.
    """
    if kind == 4:
        return DIRECTION_OUT
    return DIRECTION_IN if kind <= 3 else DIRECTION_UNKNOWN


@callee
def _link(data: Any, p: Any, end: int, link: int, row: Any) -> Any:
    """Return the position of the IP header, NOT_IP, or NOT_DECODED for a link type that is not understood here.

    The types are those of tcpdump.org's list of link-layer header types; `links.DECODED` holds the same ones.
    """
    if link == 1:  # ETHERNET: two addresses of 6 bytes, type
        return _payload(data, _u16(data, p + 12), p + 14, end, row) if p + 14 <= end else NOT_IP
    if link == 113:  # LINUX_SLL: packet type, ARPHRD, address length, address of 8 bytes, protocol
        if p + 16 > end:
            return NOT_IP
        row.direction = _packet_type(_u16(data, p))
        return _payload(data, _u16(data, p + 14), p + 16, end, row)
    if link == 276:  # LINUX_SLL2: protocol, reserved, interface index, ARPHRD, packet type, length, address
        if p + 20 > end:
            return NOT_IP
        row.interface = np.int32(_u32(data, p + 4) & 0x7FFFFFFF)
        row.direction = _packet_type(np.int64(data[p + 10]))
        return _payload(data, _u16(data, p), p + 20, end, row)
    if link in (101, 12, 14, 228, 229):  # RAW, its DLTs, IPV4, IPV6
        return p
    if link in (0, 108):  # NULL (byte order of the capturing machine) and LOOP (network order)
        return p + 4 if _family(data, p, end) else NOT_IP
    return _rare_link(data, p, end, link, row)


@callee
def _rare_link(data: Any, p: Any, end: int, link: int, row: Any) -> Any:
    """The same for link types that few captures have."""
    if link == 258 and p + 40 <= end:  # PKTAP (macOS): length, type of record, link type, interface name, flags
        flags = _le32(data, p + 36)
        row.direction = DIRECTION_OUT if flags & 2 else DIRECTION_IN if flags & 1 else DIRECTION_UNKNOWN
        link = _le32(data, p + 8)
        p += _le32(data, p)
        if link == 1:
            return _payload(data, _u16(data, p + 12), p + 14, end, row) if p + 14 <= end else NOT_IP
        if link in (12, 101):
            return p
        return p + 4 if link == 0 and _family(data, p, end) else NOT_IP
    if link == 192 and p + 8 <= end and _le32(data, p + 4) == 105:  # PPI: version, flags, length, link type
        return _wlan(data, p + _le16(data, p + 2), end, False, row)
    if link == 104 or (link in (9, 50) and p + 4 <= end and data[p] in (0x0F, 0x8F)):  # C_HDLC: address, 0, protocol
        return _payload(data, _u16(data, p + 2), p + 4, end, row) if p + 4 <= end else NOT_IP
    if link in (9, 50):  # PPP, PPP_HDLC
        return _ppp(data, p, end)
    if link == 204 and p < end:  # PPP_WITH_DIR: a byte that says whether the host sent it
        row.direction = DIRECTION_OUT if data[p] else DIRECTION_IN
        return _ppp(data, p + 1, end)
    if link == 51:  # PPP_ETHER
        return _ppp(data, p + 6, end)
    if link == 107 and p + 4 <= end:  # FRELAY: address (Q.922), control, protocol (RFC 2427 4)
        p += 2 if data[p + 1] & 1 else 4
        if p + 2 > end or data[p] != 3:
            return NOT_IP
        if data[p + 1] in (0xCC, 0x8E):
            return p + 2
        if p + 8 <= end and data[p + 1] == 0 and data[p + 2] == 0x80 and _u16(data, p + 3) == 0 and data[p + 5] == 0:
            return _payload(data, _u16(data, p + 6), p + 8, end, row)
        return NOT_IP
    if link in (11, 100):  # ATM_RFC1483: LLC and SNAP
        return _payload(data, 0, p, end, row)
    if link == 122:  # IP_OVER_FC: network header (RFC 2625 3), LLC and SNAP
        return _payload(data, 0, p + 16, end, row)
    if link == 138:  # APPLE_IP_OVER_IEEE1394: two addresses of 8 bytes, type
        return _payload(data, _u16(data, p + 16), p + 18, end, row) if p + 18 <= end else NOT_IP
    if (
        link == 6 and p + 15 <= end
    ):  # IEEE802_5: access and frame control, two addresses, the route where the source says so
        if data[p + 1] & 0xC0 != 0x40:
            return NOT_IP
        return _payload(data, 0, p + 14 + (data[p + 14] & 0x1F if data[p + 8] & 0x80 else 0), end, row)
    if link == 10 and p < end:  # FDDI: frame control, two addresses
        return _payload(data, 0, p + 13, end, row) if data[p] & 0xF0 == 0x50 else NOT_IP
    if link in (13, 109):  # ENC (OpenBSD's IPsec interface): address family, SPI, flags
        return p + 12 if _family(data, p, end) else NOT_IP
    if link == 117 and p + 2 <= end:  # PFLOG: its length, address family
        return p + ((np.int64(data[p]) + 3) & ~3) if data[p + 1] in (2, 24, 28, 30) else NOT_IP
    if link == 239:
        return _nflog(data, p, end)
    if link == 105:
        return _wlan(data, p, end, False, row)
    if link == 127:
        return _radiotap(data, p, end, row)
    if link == 119 and p + 8 <= end:  # IEEE802_11_PRISM: message code, length
        return _wlan(data, p + _le32(data, p + 4), end, False, row) if _le32(data, p) in (0x41, 0x44) else NOT_IP
    if link == 163 and p + 8 <= end:  # IEEE802_11_AVS: version, length
        return _wlan(data, p + _u32(data, p + 4), end, False, row)
    if link == 128:  # TZSP
        return _tzsp(data, p, end, row)
    rare = (6, 9, 10, 50, 51, 107, 117, 119, 163, 192, 204, 258)
    return NOT_IP if link in rare else NOT_DECODED


# --- IP and TCP ---------------------------------------------------------------------------------------------------------


@callee
def _icmp(data: Any, p: Any, limit: Any) -> Any:
    """Whether this is an ICMP error that quotes TCP (RFC 792): unreachable, time exceeded, parameter problem.

    Source quench is none of them: hosts have to ignore it (RFC 6633).
    """
    if p + 28 > limit or data[p + 17] != 6 or data[p + 8] >> 4 != 4:
        return False
    kind = data[p]
    return kind == 3 or kind == 11 or kind == 12


@callee
def _icmpv6(data: Any, p: Any, limit: Any) -> Any:
    """Whether this is an ICMPv6 error whose quoted header names TCP (RFC 4443 3), or a neighbour advertisement (RFC 4861 4.4)."""
    if p + 24 > limit:
        return False
    kind = data[p]
    return kind == 136 or (1 <= kind <= 4 and p + 48 <= limit and data[p + 14] == 6 and data[p + 8] >> 4 == 6)


@callee
def _ipv4(data: Any, p: int, end: int, wire_end: int, row: Any) -> Any:
    """Read an IPv4 header (RFC 791 3.1).

    Returns TCP, CARRIER (what may hold another IP header), MESSAGE (its header is at row.offset) or what else it is; the protocol; where
    that starts; where the datagram ends.
    """
    if p + 20 > end:
        return UNREADABLE, 0, 0, 0
    header = (np.int64(data[p]) & 0x0F) * 4
    total = _u16(data, p + 2)
    if total == 0:  # the stack handed a super-segment to the card, which fills the length in (TSO)
        total = wire_end - p
    pieces = _u16(data, p + 6)
    protocol = np.int64(data[p + 9])
    if header < 20 or total < header:
        return (UNREADABLE if protocol == 6 else OTHER), 0, 0, 0
    if pieces & 0x1FFF:
        return (FRAGMENT if protocol == 6 else OTHER), 0, 0, 0
    stop = p + total
    limit = min(end, stop)
    transport = p + header
    while protocol == 51:  # Authentication Header: its length counts 4-byte words, minus 2 (RFC 4302 2.2)
        if transport + 2 > limit:
            return UNREADABLE, 0, 0, 0
        protocol = np.int64(data[transport])
        transport += (np.int64(data[transport + 1]) + 2) * 4
    if protocol != 6:
        if protocol == 1 and _icmp(data, transport, limit):
            row.offset = p
            row.captured = limit - p
            return MESSAGE, protocol, transport, stop
        return (CARRIER if protocol in CARRIERS else OTHER), protocol, transport, stop
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
    return TCP, protocol, transport, stop


@callee
def _ipv6(data: Any, p: int, end: int, wire_end: int, row: Any) -> Any:
    """Read an IPv6 header and its extension headers (RFC 8200 3 and 4); return as `_ipv4` does."""
    if p + 40 > end:
        return UNREADABLE, 0, 0, 0
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
            return UNREADABLE, 0, 0, 0
        size: Any = (np.int64(data[transport + 1]) + 1) * 8
        if protocol == 44:
            size = np.int64(8)
            pieces = _u16(data, transport + 2)
            if pieces & 0xFFF8:
                return (FRAGMENT if data[transport] == 6 else OTHER), 0, 0, 0
            more = more or (pieces & 1) != 0
        elif protocol == 51:
            size = (np.int64(data[transport + 1]) + 2) * 4
        protocol = np.int64(data[transport])
        transport += size
    if protocol != 6:
        if protocol == 58 and _icmpv6(data, transport, limit):
            row.offset = p
            row.captured = limit - p
            return MESSAGE, protocol, transport, stop
        return (CARRIER if protocol in CARRIERS else OTHER), protocol, transport, stop
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
    return TCP, protocol, transport, stop


@callee
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


@callee
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


@callee
def _frame(data: Any, record: Any, base: int, row: Any) -> Any:
    """Decode one frame into `row`; return TCP where it is a segment, else what it is, or NOT_DECODED."""
    start = record.offset
    end = start + record.captured
    wire_end = max(start + record.wire, end)
    row.vlan = -1
    row.direction = record.direction
    row.interface = record.interface
    row.tunnel = 0
    p = _link(data, start, end, record.link, row)
    if p == NOT_DECODED:
        return NOT_DECODED
    for _ in range(LAYERS):
        if p < 0 or p >= end:
            return MESSAGE if p == ARP else OTHER
        version = data[p] >> 4
        if version == 4:
            kind, protocol, transport, stop = _ipv4(data, p, end, wire_end, row)
        elif version == 6:
            kind, protocol, transport, stop = _ipv6(data, p, end, wire_end, row)
        else:
            return OTHER
        if kind == TCP:
            if row.tunnel:  # the frame's direction is the tunnel's: a mirror's copy comes in, whoever sent the packet
                row.direction = DIRECTION_UNKNOWN
            return _tcp(data, transport, end, stop, base, row)
        if kind != CARRIER:
            return kind
        end = min(end, stop)
        wire_end = stop
        p = _unwrap(data, protocol, transport, end, row)
    return OTHER


@compiled(data=np.uint8, records=RECORD, segments=SEGMENT, places=PLACE, tally=np.int64)
def decode(data: Bytes, records: Rows, frame: int, base: int, segments: Rows, places: Rows, tally: Counts) -> int:
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
        Filled from its beginning; at least as long as `records`.
    places : PLACE
        Filled from its beginning with the messages that were found, until it is full; tally[MESSAGES] counts them all.
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
            tally[TUNNELS] |= row.tunnel
            found += 1
        elif kind == MESSAGE:
            if tally[MESSAGES] < len(places):
                place = places[tally[MESSAGES]]
                place.record = i
                place.start = row.offset
                place.size = row.captured
                place.vlan = row.vlan
            tally[MESSAGES] += 1
            tally[OTHERS] += 1
        elif kind == UNREADABLE:
            tally[UNREADABLES] += 1
        elif kind == FRAGMENT:
            tally[FRAGMENTS] += 1
        else:
            tally[OTHERS] += 1
            if kind == NOT_DECODED and record.link >= 0:
                tally[UNDECODED] += 1
    return found
