"""What is no TCP segment and may tell what became of one: ICMP errors that quote a segment, and who says to have an address.

Lives here: reading these messages (ICMP, ICMPv6, ARP, neighbour advertisements), and `Heard`, which keeps those of a capture point.
Never here: finding them (decode), their tables (heard), whose connection is quoted (connections), what that means (causes).

They are few where nobody floods; what is read of a flood is bounded, and the rest counted.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, NamedTuple

from analyzer.errors import Notice
from analyzer.language import say

if TYPE_CHECKING:
    from analyzer.capture.reading import Chunk

IN_A_CHUNK = 1_024  # messages read of about one megabyte of capture; more are a flood
ERRORS_KEPT = 20_000  # ICMP errors of one capture point
CHANGES_KEPT = 10_000  # changes of an address's hardware address, of one capture point
ADDRESSES = 65_536  # addresses whose hardware address is remembered: a large network, and a bound for a scan
BYTES_KEPT = 192  # of a message: two IP headers with options and what an error quotes of TCP

TCP, AUTHENTICATION, ICMP, ICMPV6 = 6, 51, 1, 58
EXTENSIONS = (0, 43, 60)  # hop-by-hop, routing, destination options (RFC 8200 4)
NEIGHBOUR_ADVERTISEMENT, TARGET_ADDRESS = 136, 2

# What an error says, by IP version, type and code (RFC 792, RFC 1812 5.2.7.1, RFC 4443 3), in the words of schema.ICMP_SAYS. Codes that
# are not here are rare and obsolete.
_SAYS = {
    **{(4, 3, code): "network unreachable" for code in (0, 6, 11)},
    **{(4, 3, code): "host unreachable" for code in (1, 7, 8, 12)},
    (4, 3, 2): "protocol unreachable",
    (4, 3, 3): "port unreachable",
    (4, 3, 4): "fragmentation needed",
    **{(4, 3, code): "administratively prohibited" for code in (9, 10, 13)},
    (4, 11, 0): "time exceeded",
    (6, 1, 0): "network unreachable",
    **{(6, 1, code): "administratively prohibited" for code in (1, 5, 6)},  # 5 and 6 are subsets of 1 (RFC 4443 3.1)
    (6, 1, 3): "host unreachable",
    (6, 1, 4): "port unreachable",
    (6, 2, 0): "fragmentation needed",
    (6, 3, 0): "time exceeded",
}


class Message(NamedTuple):
    """One message as it stands in a capture: its first bytes, from the IP header or the beginning of ARP on."""

    frame: int
    time: int  # ns since 1970 UTC; NO_TIME where the file has none
    vlan: int  # -1 none
    data: bytes


def error(data: bytes) -> dict[str, Any] | None:
    """Read an ICMP error that quotes TCP: columns of ICMP_ERRORS; None where it is none, or cut before the quoted ports.

    A quote may be cut: 8 bytes of it are the least that a sender has to give (RFC 792), and a snaplen may leave less.
    """
    try:
        version = data[0] >> 4
        protocol, p = _transport(data, 0)
        if protocol != (ICMP if version == 4 else ICMPV6):
            return None
        kind, code = data[p], data[p + 1]
        quote = p + 8
        if kind not in ((3, 11, 12) if version == 4 else (1, 2, 3, 4)) or data[quote] >> 4 != version:
            return None
        protocol, segment = _transport(data, quote)
        if protocol != TCP:
            return None
        sport, dport = struct.unpack_from(">HH", data, segment)
        seq = struct.unpack_from(">I", data, segment + 4)[0] if segment + 8 <= len(data) else None
        mtu = None
        if (version, kind, code) == (4, 3, 4):
            mtu = struct.unpack_from(">H", data, p + 6)[0] or None  # 0: a router older than RFC 1191
        elif (version, kind) == (6, 2):
            mtu = struct.unpack_from(">I", data, p + 4)[0]
        sender, receiver = _addresses(data, 0)
        src, dst = _addresses(data, quote)
    except (IndexError, struct.error):
        return None
    return {
        "type": kind, "code": code, "says": _SAYS.get((version, kind, code), "other"), "sender": sender, "receiver": receiver,
        "src": src, "sport": sport, "dst": dst, "dport": dport, "seq": seq, "mtu": mtu,
    }  # fmt: skip


def announced(data: bytes) -> tuple[str, str] | None:
    """Read who says to have which address: (address, hardware address); None where the message says no such thing.

    ARP requests tell it as well as replies (RFC 826); a probe, from nobody's address, does not (RFC 5227 1.1). A neighbour advertisement
    counts only with hop limit 255: another one came from beyond the link (RFC 4861 7.1.2).
    """
    try:
        if data[0] >> 4 != 6:
            kinds = struct.unpack_from(">HHBBH", data, 0)
            address, hardware = data[14:18], data[8:14]
            if kinds[:4] != (1, 0x0800, 6, 4) or kinds[4] not in (1, 2) or len(address) < 4 or not any(address):
                return None
            return (str(IPv4Address(address)), hardware.hex(":")) if _one_machine(hardware) else None
        protocol, p = _transport(data, 0)
        if protocol != ICMPV6 or data[p] != NEIGHBOUR_ADVERTISEMENT or data[7] != 255:
            return None
        address, option = data[p + 8 : p + 24], p + 24
        while data[option] != TARGET_ADDRESS or data[option + 1] != 1:
            option += 8 * data[option + 1] or len(data)
        hardware = data[option + 2 : option + 8]
        return (str(IPv6Address(address)), hardware.hex(":")) if _one_machine(hardware) else None
    except (IndexError, struct.error):
        return None


def _one_machine(hardware: bytes) -> bool:
    """Whether this is a whole hardware address, neither empty nor of a group."""
    return len(hardware) == 6 and any(hardware) and not hardware[0] & 1


def _transport(data: bytes, p: int) -> tuple[int, int]:
    """Return the protocol that an IP header at `p` carries, and where that begins; protocol -1 for a fragment that is not the first."""
    if data[p] >> 4 == 4:
        (pieces,) = struct.unpack_from(">H", data, p + 6)
        if pieces & 0x1FFF:
            return -1, p
        protocol, p = data[p + 9], p + 4 * (data[p] & 0x0F)
    else:
        protocol, p = data[p + 6], p + 40
    while protocol == AUTHENTICATION or protocol in EXTENSIONS:
        size = 4 * (data[p + 1] + 2) if protocol == AUTHENTICATION else 8 * (data[p + 1] + 1)
        protocol, p = data[p], p + size
    return protocol, p


def _addresses(data: bytes, p: int) -> tuple[str, str]:
    """Return source and destination of an IP header. Raises IndexError where it is cut."""
    if data[p] >> 4 == 4:
        data[p + 19]
        return str(IPv4Address(data[p + 12 : p + 16])), str(IPv4Address(data[p + 16 : p + 20]))
    data[p + 39]
    return str(IPv6Address(data[p + 8 : p + 24])), str(IPv6Address(data[p + 24 : p + 40]))


class Heard:
    """The messages of one capture point, in the order in which its chunks are added: `errors` and `changes`, rows of the tables in heard.py."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.errors: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self._hardware: dict[tuple[int, str], str] = {}  # by VLAN and address
        self._unread = 0

    def add(self, capture: str, chunk: Chunk) -> None:
        """Read the messages of a chunk of this file."""
        self._unread += chunk.unread_messages
        for message in chunk.messages:
            place = {"point": self.point, "capture": capture, "frame": message.frame, "time": message.time}
            said = announced(message.data)
            if said is not None:
                self._note(place, message.vlan, *said)
            elif (found := error(message.data)) is not None:
                if len(self.errors) < ERRORS_KEPT:
                    self.errors.append(place | found)
                else:
                    self._unread += 1

    def _note(self, place: dict[str, Any], vlan: int, address: str, hardware: str) -> None:
        """Remember who has an address, and list it where that was another machine before."""
        before = self._hardware.get((vlan, address))
        if before is None and len(self._hardware) >= ADDRESSES:
            self._unread += 1
            return
        self._hardware[vlan, address] = hardware
        if before is None or before == hardware:
            return
        if len(self.changes) < CHANGES_KEPT:
            self.changes.append(place | {"address": address, "before": before, "now": hardware})
        else:
            self._unread += 1

    def notices(self) -> list[Notice]:
        """Say how many messages were too many."""
        if not self._unread:
            return []
        sentence = say(
            "{n:,} ICMP errors and announcements of addresses (ARP, neighbour advertisements) were only counted: there are too many to read "
            "them all.",
            n=self._unread,
        )
        return [Notice("warning", self.point, "", sentence)]
