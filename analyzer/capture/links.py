"""Link types: their names, and which of them the decoder understands.

Lives here: the table, after tcpdump.org's list of link-layer header types.
Never here: how a header is read (decode).
"""

from __future__ import annotations

NAMES = {
    0: "BSD loopback",
    1: "Ethernet",
    6: "Token Ring",
    8: "SLIP",
    9: "PPP",
    10: "FDDI",
    12: "raw IP",
    14: "raw IP",
    50: "PPP over serial",
    51: "PPPoE",
    101: "raw IP",
    104: "Cisco HDLC",
    105: "IEEE 802.11",
    107: "Frame Relay",
    108: "OpenBSD loopback",
    113: "Linux cooked",
    119: "IEEE 802.11 with Prism header",
    127: "IEEE 802.11 with radiotap header",
    138: "IP over FireWire",
    143: "DOCSIS",
    187: "Bluetooth HCI",
    189: "USB (Linux)",
    192: "Per-Packet Information",
    195: "IEEE 802.15.4",
    197: "Extensible Record Format",
    220: "USB (Linux, padded)",
    228: "IPv4",
    229: "IPv6",
    239: "netfilter log",
    240: "netANALYZER",
    243: "MPEG transport stream",
    249: "USBPcap",
    251: "Bluetooth Low Energy",
    252: "Wireshark upper PDU",
    253: "netlink",
    272: "nordic BLE",
    276: "Linux cooked v2",
}

DECODED = frozenset({0, 1, 12, 14, 101, 108, 113, 228, 229, 276})


def name(link: int) -> str:
    """Return the name of a link type, its number where it has none here."""
    return NAMES.get(link, f"link type {link}")
