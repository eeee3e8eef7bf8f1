"""Rarer link types, and what mirrors and overlays wrap packets in: whole rows and stream numbers compared with tshark's."""

import struct
from collections.abc import Callable
from pathlib import Path

import capture_builders as build
import numpy as np
import pytest
from capture_builders import START, Frame
from scapy.all import GRE, ICMP, IP, TCP, UDP, CookedLinux, Dot1Q, Ether, ICMPv6DestUnreach, IPv6, Packet
from scapy.contrib.mpls import MPLS
from scapy.layers.vxlan import VXLAN
from test_capture_links import ether, ethertype, packets, sll2

import analyzer
from analyzer import connections
from analyzer.connections.folding import fold_streams
from analyzer.schema import DIRECTION_UNKNOWN, TUNNELS

OUTER = {"src": "192.0.2.101", "dst": "192.0.2.102", "ttl": 33, "id": 7}
OUTER6 = {"src": "2001:db8:a::1", "dst": "2001:db8:b::2", "hlim": 33}
Wrap = Callable[[Packet], Packet | bytes]


def two(number: int) -> bytes:
    return number.to_bytes(2, "big")


def ppp(packet: Packet) -> bytes:
    return two(0x57 if isinstance(packet, IPv6) else 0x21) + bytes(packet)


def pppoe(packet: Packet) -> bytes:
    return b"\x11\0\0\5" + two(len(packet) + 2) + ppp(packet)


def snap(packet: Packet) -> bytes:
    return b"\xaa\xaa\x03\0\0\0" + two(ethertype(packet)) + bytes(packet)


def framed(packet: Packet) -> Packet:
    return ether(type=ethertype(packet)) / packet


def in_ip(packet: Packet) -> int:
    return 41 if isinstance(packet, IPv6) else 4


def family(packet: Packet) -> int:
    return 24 if isinstance(packet, IPv6) else 2


def wlan(packet: Packet, control: bytes = b"\x08\x01", fourth: bytes = b"", more: bytes = b"") -> bytes:
    return control + b"\0\0" + b"\2\0\0\0\0\1" * 3 + b"\0\0" + fourth + more + snap(packet)


def nflog(packet: Packet) -> bytes:
    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("<HH", len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)

    head = bytes([10 if isinstance(packet, IPv6) else 2, 0, 0, 5])
    return head + attribute(1, b"\x08\0\1\0") + attribute(10, b"prefix\0") + attribute(9, bytes(packet))


def pktap(packet: Packet, link: int) -> bytes:
    return struct.pack("<III24sII", 108, 1, link, b"en0", 1, 2).ljust(108, b"\0") + bytes(packet)


def udp(port: int, head: bytes, packet: Packet | bytes, ip: Packet | None = None) -> Packet:
    return ether() / (ip or IP(**OUTER)) / UDP(sport=5555, dport=port) / (head + bytes(packet))


def gre(kind: int, payload: Packet | bytes, **fields: int) -> Packet:
    return ether() / IP(**OUTER) / GRE(proto=kind, **fields) / payload


# One file for each link type, every packet in each of these dresses.
LINKS: dict[int, list[Wrap]] = {
    1: [
        lambda p: ether(type=0x8864) / pppoe(p),
        lambda p: ether(type=0x8100) / Dot1Q(vlan=9, type=0x8864) / pppoe(p),
        lambda p: ether(type=0x8847) / MPLS(label=17, s=0) / MPLS(label=18, s=1) / p,
    ],
    6: [
        lambda p: b"\x10\x40" + b"\2\0\0\0\0\1" + b"\2\0\0\0\0\2" + snap(p),
        lambda p: b"\x10\x40" + b"\2\0\0\0\0\1" + b"\x82\0\0\0\0\2" + b"\x06\x30\0\x10\0\x20" + snap(p),
    ],
    9: [
        ppp,
        lambda p: b"\xff\3" + ppp(p),
        lambda p: ppp(p)[1:],
        lambda p: b"\xff\3\2\x81" + bytes(MPLS(label=18, s=1) / p),
    ],
    10: [lambda p: b"\x50" + b"\2\0\0\0\0\1" + b"\2\0\0\0\0\2" + snap(p)],
    11: [snap],
    13: [lambda p: family(p).to_bytes(4, "little") + b"\0" * 8 + bytes(p)],
    50: [lambda p: b"\xff\3" + ppp(p), lambda p: b"\x0f\0" + two(ethertype(p)) + bytes(p)],
    51: [pppoe],
    100: [snap],
    104: [lambda p: b"\x0f\0" + two(ethertype(p)) + bytes(p)],
    105: [
        wlan,
        lambda p: wlan(p, b"\x88\x02", more=b"\0\0"),
        lambda p: wlan(p, b"\x08\x03", fourth=b"\2\0\0\0\0\7"),
        lambda p: wlan(p, b"\x88\x82", more=b"\0\0\0\0\0\0"),
    ],
    107: [
        lambda p: b"\x18\x41\3" + (b"\x8e" if isinstance(p, IPv6) else b"\xcc") + bytes(p),
        lambda p: b"\x18\x41\3\0\x80\0\0\0" + two(ethertype(p)) + bytes(p),
    ],
    109: [lambda p: family(p).to_bytes(4, "little") + b"\0" * 8 + bytes(p)],
    113: [lambda p: CookedLinux(proto=0x8847) / MPLS(s=1) / p, lambda p: CookedLinux(proto=0x8864) / pppoe(p)],
    117: [lambda p: bytes([61, family(p), 1, 0]) + b"em0".ljust(60, b"\0") + bytes(p)],
    119: [lambda p: b"\x44\0\0\0\x90\0\0\0".ljust(144, b"\0") + wlan(p)],
    122: [lambda p: b"\x10\0\1\2\3\4\5\6" * 2 + snap(p)],
    127: [
        lambda p: b"\0\0\x09\0\2\0\0\0\0" + wlan(p),
        lambda p: b"\0\0\x19\0\3\0\0\xa0" + b"\0" * 16 + b"\x20" + wlan(p, b"\x88\x02", more=b"\0\0\0\0"),
    ],
    128: [lambda p: b"\1\0\0\1\1" + bytes(framed(p))],
    138: [lambda p: b"\1" * 16 + two(ethertype(p)) + bytes(p)],
    163: [lambda p: b"\x80\x21\x10\1\0\0\0\x40".ljust(64, b"\0") + wlan(p)],
    192: [lambda p: b"\0\0\x08\0\x69\0\0\0" + wlan(p)],
    204: [lambda p: b"\1\xff\3" + ppp(p)],
    239: [nflog],
    258: [lambda p: pktap(framed(p), 1), lambda p: pktap(p, 12)],
    276: [lambda p: sll2(MPLS(label=18, s=1) / p, 0x8847), lambda p: sll2(Dot1Q(vlan=9) / p, 0x8100)],
}

TUNNELLED: dict[str, list[Wrap]] = {
    "VXLAN": [
        lambda p: ether() / IP(**OUTER) / UDP(sport=5555, dport=4789) / VXLAN(vni=7, flags=8) / framed(p),
        lambda p: udp(4789, b"\x08\0\0\0\0\0\7\0", ether() / Dot1Q(vlan=8) / p, IPv6(**OUTER6)),
        lambda p: udp(8472, b"\x08\0\0\0\0\0\7\0", framed(p)),
        lambda p: udp(4790, b"\x0c\0\0" + (b"\2" if isinstance(p, IPv6) else b"\1") + b"\0\0\7\0", p),
        lambda p: udp(4790, b"\x0c\0\0\3\0\0\7\0", framed(p)),
    ],
    "GENEVE": [
        lambda p: udp(6081, b"\2\0\x65\x58\0\0\7\0" + b"\1\2\x80\1abcd", framed(p)),
        lambda p: udp(6081, b"\0\0" + two(ethertype(p)) + b"\0\0\7\0", p),
    ],
    "GRE": [
        lambda p: gre(ethertype(p), p),
        lambda p: gre(ethertype(p), p, key_present=1, seqnum_present=1, chksum_present=1),
        lambda p: gre(0x6558, framed(p)),
        lambda p: ether() / IPv6(**OUTER6) / GRE(proto=ethertype(p)) / p,
        lambda p: gre(0x8847, MPLS(label=18, s=1) / p),
        lambda p: (
            ether()
            / IP(**OUTER, proto=47)
            / (b"\x30\x81\x88\x0b" + two(len(p)) + b"\0\5\0\0\0\1\0\0\0\1\xff\3" + ppp(p))
        ),
    ],
    "ERSPAN": [
        lambda p: gre(0x88BE, framed(p)),
        lambda p: gre(0x88BE, b"\x10\0\0\1\0\0\0\0" + bytes(framed(p)), seqnum_present=1),
        lambda p: gre(0x22EB, b"\x20\0\0\1" + b"\0" * 8 + bytes(framed(p)), seqnum_present=1),
        lambda p: gre(0x22EB, b"\x20\0\0\1" + b"\0" * 7 + b"\1\x0c" + b"\0" * 7 + bytes(framed(p)), seqnum_present=1),
    ],
    "IP-in-IP": [
        lambda p: ether() / IP(**OUTER, proto=in_ip(p)) / p,
        lambda p: ether() / IPv6(**OUTER6, nh=in_ip(p)) / p,
    ],
    "GTP-U": [
        lambda p: udp(2152, b"\x30\xff" + two(len(p)) + b"\0\0\0\7", p),
        lambda p: udp(2152, b"\x34\xff" + two(len(p) + 8) + b"\0\0\0\7\0\0\0\x85\1\0\5\0", p),
    ],
    "TZSP": [lambda p: udp(37008, b"\1\0\0\1\x0a\1\x55\1", framed(p))],
    "VXLAN, GRE": [lambda p: gre(0x6558, bytes(udp(4789, b"\x08\0\0\0\0\0\7\0", framed(p))))],
}


def capture_of(path: Path, wraps: list[Wrap], link: int = 1) -> Path:
    """Every packet in every dress, one after the other."""
    bare = [p for p in packets(1) if ICMP not in p and ICMPv6DestUnreach not in p and not (link == 239 and zero(p))]
    data = [bytes(wrap(packet)) for wrap in wraps for packet in bare]  # tshark numbers what ICMP quotes
    path.write_bytes(build.pcap((Frame(START + i * 1_000_003, one) for i, one in enumerate(data)), link=link))
    return path


def zero(packet: Packet) -> bool:
    """A super-segment whose IP header states no length: an nflog attribute pads it, and the frame's end says nothing."""
    return IP in packet and packet[IP].len == 0


def assert_as_tshark(
    tshark: str, path: Path, ports: tuple[str, ...] = (), gaps: bool = False, in_pieces: bool = False
) -> np.ndarray:
    """The same frames, times, fields of the innermost headers and stream numbers; returns the segments."""
    segments, _ = build.read(path)
    ours = build.as_tshark(segments)
    theirs = build.tshark_rows(tshark, path, (*build.FIELDS, "tcp.stream"), decode_as=ports)
    streams = [int(row.pop("tcp.stream")) for row in theirs]
    inner = {row["frame.number"]: "ipv6." if row["ip.src"] else "ip." for row in ours}
    for row in theirs:  # the outer header's fields of the other IP version
        other = inner.get(row["frame.number"], "?")
        row.update({field: "" for field in row if field.startswith(other)})
    # Where the outer datagram is in pieces tshark counts what the first one holds; the length of the segment is another.
    wrong = build.differences(ours, theirs)
    assert [one for one in wrong if not (in_pieces and " tcp.len " in one)] == []
    state = connections.start()
    connections.begin_file(state, 0, "x")
    order = sorted(set(streams))  # in Frame Relay, tshark gives a number to a later fragment, which no frame shows
    assert fold_streams(state, segments).tolist() == ([order.index(n) for n in streams] if gaps else streams)
    return segments


@pytest.mark.parametrize("link", LINKS)
def test_link_types(tshark: str, tmp_path: Path, link: int) -> None:
    path = capture_of(tmp_path / "a.pcap", LINKS[link], link)
    segments = assert_as_tshark(tshark, path, gaps=link == 107)
    assert len(segments) >= 70 * len(LINKS[link])
    assert not segments["tunnel"].any()
    assert segments["captured"].tolist() == segments["length"].tolist()


@pytest.mark.parametrize("name", TUNNELLED)
def test_tunnels(tshark: str, tmp_path: Path, name: str) -> None:
    path = capture_of(tmp_path / "a.pcap", TUNNELLED[name])
    segments = assert_as_tshark(tshark, path, ("udp.port==8472,vxlan",))
    assert len(segments) == 75 * len(TUNNELLED[name])
    assert {named(bits) for bits in segments["tunnel"].tolist()} == {name}


def named(bits: int) -> str:
    return ", ".join(name for i, name in enumerate(TUNNELS) if bits >> i & 1)


@pytest.mark.parametrize("name", TUNNELLED)
def test_a_tunnel_in_pieces_shows_its_first_one(tshark: str, tmp_path: Path, name: str) -> None:
    """A mirror adds its headers to full packets, so the outer datagram is often fragmented."""
    inner = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=1025, dport=7001, flags="PA", seq=9) / (b"x" * 900)
    frames = []
    for wrap in TUNNELLED[name]:
        outer = Ether(bytes(wrap(inner)))
        if IP in outer and outer[IP].src == OUTER["src"]:
            payload = bytes(outer[IP].payload)
            frames += [ether() / IP(**OUTER, proto=outer[IP].proto, flags="MF") / payload[:600]]
            frames += [ether() / IP(**OUTER, proto=outer[IP].proto, frag=75) / payload[600:]]
    path = tmp_path / "a.pcap"
    path.write_bytes(build.pcap(Frame(START + i, bytes(frame)) for i, frame in enumerate(frames)))
    segments = assert_as_tshark(tshark, path, ("udp.port==8472,vxlan",), in_pieces=True)
    assert segments["frame"].tolist() == list(range(1, len(frames), 2))
    assert set(segments["length"].tolist()) == {900}
    assert (segments["captured"] < 600).all()
    assert not segments["fragment"].any()


@pytest.mark.parametrize("wrap", [wrap for wraps in TUNNELLED.values() for wrap in wraps])
def test_a_cut_tunnel_never_reads_beyond_itself(tmp_path: Path, wrap: Wrap) -> None:
    whole = bytes(wrap(IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="R", seq=9)))
    path = tmp_path / "a.pcap"
    frames = [
        Frame(START, whole[:length] + b"\xff" * (i % 2), len(whole)) for i, length in enumerate(range(len(whole)))
    ]
    path.write_bytes(build.pcap([*frames, Frame(START, whole)]))
    segments, _ = build.read(path)
    assert segments["frame"][-1] == len(frames) + 1
    assert len(segments) <= 4  # the last two bytes of a TCP header are not needed
    assert set(segments["seq"].tolist()) == {9}
    assert set(segments["dport"].tolist()) == {80}


NOT_TUNNELS = {
    "VXLAN without its flag": udp(4789, b"\0\0\0\0\0\0\7\0", framed(IP() / TCP())),
    "another protocol on 8472": udp(8472, b"\x08\0\0\1\0\0\7\0", framed(IP() / TCP())),
    "GENEVE of a later version": udp(6081, b"\x40\0\x65\x58\0\0\7\0", framed(IP() / TCP())),
    "signalling of GTP": udp(2152, b"\x30\1\0\0\0\0\0\7", IP() / TCP()),
    "GRE with an unknown type": gre(0x1234, IP() / TCP()),
    "GRE of version 2": gre(0x0800, IP() / TCP(), version=2),
    "encrypted wlan": None,
}


def test_what_only_looks_like_a_tunnel_is_counted(tmp_path: Path) -> None:
    frames = [Frame(START, bytes(p)) for p in NOT_TUNNELS.values() if p is not None]
    path = tmp_path / "a.pcap"
    path.write_bytes(build.pcap(frames))
    segments, chunks = build.read(path)
    assert len(segments) == 0
    assert sum(chunk.other for chunk in chunks) == len(frames)
    path.write_bytes(
        build.pcap([Frame(START, wlan(IP() / TCP(), b"\x08\x41")), Frame(START, wlan(IP() / TCP()))], link=105)
    )
    segments, chunks = build.read(path)
    assert segments["frame"].tolist() == [2]


def test_deep_nesting_ends(tmp_path: Path) -> None:
    packet = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="R")
    found = []
    for depth in range(12):
        path = tmp_path / f"{depth}.pcap"
        path.write_bytes(build.pcap([Frame(START, bytes(ether() / packet))]))
        found.append(len(build.read(path)[0]))
        packet = IP(**OUTER, proto=4) / packet
    assert found == [1] * 6 + [0] * 6


def test_the_connection_inside_is_judged_and_the_tunnel_named(tmp_path: Path) -> None:
    """A mirror's collector sees every frame come in: that says nothing of where the packets were sent."""
    c, s = {"src": "10.0.0.1", "dst": "10.0.0.2"}, {"src": "10.0.0.2", "dst": "10.0.0.1"}
    up, down = {"sport": 40000, "dport": 5432}, {"sport": 5432, "dport": 40000}
    talk = [
        IP(**c, ttl=60) / TCP(**up, flags="S", seq=1),
        IP(**s, ttl=62) / TCP(**down, flags="SA", seq=100, ack=2),
        IP(**c, ttl=60) / TCP(**up, flags="A", seq=2, ack=101),
        IP(**c, ttl=60) / TCP(**up, flags="PA", seq=2, ack=101) / b"hello",
        IP(**s, ttl=62) / TCP(**down, flags="R", seq=101),
    ]
    data = [sll2(IP(**OUTER) / UDP(sport=5555, dport=4789) / VXLAN(vni=7, flags=8) / framed(p), 0) for p in talk]
    path = tmp_path / "mirror.pcap"
    path.write_bytes(build.pcap((Frame(START + i * 10**6, one) for i, one in enumerate(data)), link=276))
    segments, chunks = build.read(path)
    assert set(segments["direction"].tolist()) == {DIRECTION_UNKNOWN}
    assert not chunks[0].directions
    d = analyzer.analyze(str(path), dissect=False)
    assert d.captures["tunnels"].tolist() == ["VXLAN"]
    assert d.packets["tunnel"].tolist() == ["VXLAN"] * 5
    assert d.resets["server"].tolist() == ["10.0.0.2:5432"]
    assert "Packets came in tunnels (VXLAN): the connections inside were judged." in d.coverage["sentence"].iloc[0]
    assert not d.hosts["frames_in"].any()
