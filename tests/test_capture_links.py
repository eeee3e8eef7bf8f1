"""Link, IP and TCP headers of every kind that is understood: whole rows compared with tshark's."""

import random
from pathlib import Path

import capture_builders as build
import pytest
from capture_builders import START, Frame
from scapy.all import (
    AH,
    ARP,
    ICMP,
    IP,
    LLC,
    SNAP,
    TCP,
    UDP,
    CookedLinux,
    Dot1AD,
    Dot1Q,
    Ether,
    ICMPv6DestUnreach,
    IPOption_NOP,
    IPOption_RR,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    Packet,
    Padding,
    PadN,
)  # fmt: skip

from analyzer.schema import DIRECTION_IN, DIRECTION_OUT, DIRECTION_UNKNOWN, RST

FLAGS = ["S", "SA", "A", "PA", "FA", "R", "RA", "SEC", "SAE", "AUN", "", "FSRPAUECN"]
OPTIONS = [
    [],
    [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (123456789, 0)), ("NOP", None), ("WScale", 7)],
    [("NOP", None), ("NOP", None), ("Timestamp", (4294967295, 2147483648))],
    [("NOP", None), ("WScale", 14), ("MSS", 536)],
    [("NOP", None), ("NOP", None), ("SAck", (1000, 2000, 3000, 4000))],
    [("EOL", None), ("MSS", 99)],
    [(253, b"\xf9\x89\xce"), ("MSS", 1220)],
]


def ether(**fields: int) -> Packet:
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", **fields)  # given, or scapy asks the network


def tcp(rng: random.Random) -> Packet:
    flags, options = rng.choice(FLAGS), rng.choice(OPTIONS)
    numbers = {"seq": rng.getrandbits(32), "ack": rng.getrandbits(32), "window": rng.getrandbits(16)}
    ports = {"sport": rng.randrange(20000, 60000), "dport": 7001}
    return TCP(flags=flags, options=options, **ports, **numbers) / rng.randbytes(rng.choice([0, 0, 1, 7, 300]))


def ip(rng: random.Random, **more: object) -> Packet:
    values = {
        "src": f"10.0.{rng.randrange(256)}.{rng.randrange(1, 255)}",
        "dst": "192.0.2.7",
        "ttl": rng.randrange(1, 256),
    }
    values |= {"id": rng.getrandbits(16), "tos": rng.getrandbits(8), "flags": rng.choice([0, "DF"])}
    return IP(**(values | more))


def ipv6(rng: random.Random, **more: object) -> Packet:
    values = {"src": f"2001:db8::{rng.getrandbits(16):x}:1", "dst": "2001:db8:ffff::2", "hlim": rng.randrange(1, 256)}
    values |= {"tc": rng.getrandbits(8), "fl": rng.getrandbits(20)}
    return IPv6(**(values | more))


def packets(seed: int) -> list[Packet]:
    """IP packets: TCP in every dress, and what must not be taken for it."""
    rng = random.Random(seed)
    kinds = [
        *(ip(rng) / tcp(rng) for _ in range(40)),
        *(ipv6(rng) / tcp(rng) for _ in range(25)),
        ip(rng, options=[IPOption_NOP(), IPOption_RR(routers=["1.2.3.4", "5.6.7.8"])]) / tcp(rng),
        ip(rng, len=0) / tcp(rng),
        ip(rng, flags="MF", frag=0) / tcp(rng),
        ip(rng, flags="MF", frag=3, proto=6) / b"not a header but the middle of one",
        ip(rng, flags=0, frag=9, proto=6) / b"the end of a segment",
        ip(rng, flags=0, frag=9, proto=17) / b"the end of a datagram",
        ip(rng) / AH(nh=6, icv=b"x" * 12, payloadlen=4) / tcp(rng),
        ip(rng) / UDP(sport=7001, dport=7001) / b"hello",
        ip(rng) / ICMP(type=3, code=1) / bytes(ip(rng) / tcp(rng)),
        ip(rng) / ICMP(type=3, code=1) / bytes(ip(rng) / tcp(rng))[:28],
        ipv6(rng) / ICMPv6DestUnreach() / bytes(ipv6(rng) / tcp(rng)),
        ipv6(rng) / UDP(sport=7001, dport=7001) / b"hello",
        ipv6(rng) / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"x" * 12)]) / tcp(rng),
        ipv6(rng) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"x" * 4)]) / tcp(rng),
        ipv6(rng) / IPv6ExtHdrRouting(type=253, segleft=0, addresses=[]) / tcp(rng),
        ipv6(rng) / IPv6ExtHdrFragment(offset=0, m=0, id=7) / tcp(rng),
        ipv6(rng) / IPv6ExtHdrFragment(offset=185, m=1, id=7, nh=6) / b"the middle of a segment",
        ipv6(rng) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(offset=0, m=0, id=8) / tcp(rng),
        ipv6(rng) / AH(nh=6, icv=b"x" * 12, payloadlen=4) / tcp(rng),
        ipv6(rng, nh=59) / b"nothing follows",
    ]
    rng.shuffle(kinds)
    return kinds


def ethertype(packet: Packet) -> int:
    return 0x86DD if isinstance(packet, IPv6) else 0x0800


LINKS = {
    "ethernet": (1, lambda p: ether(type=ethertype(p)) / p),
    "vlan": (1, lambda p: ether(type=0x8100) / Dot1Q(vlan=77, prio=5, type=ethertype(p)) / p),
    "qinq": (1, lambda p: ether(type=0x88A8) / Dot1AD(vlan=5) / Dot1Q(vlan=4094) / p),
    "old qinq": (1, lambda p: ether(type=0x9100) / Dot1Q(vlan=5, type=0x8100) / Dot1Q(vlan=6) / p),
    "snap": (1, lambda p: ether(type=min(len(p) + 8, 1500)) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0, code=ethertype(p)) / p),
    "padded": (1, lambda p: ether(type=ethertype(p)) / p / Padding(b"\x55" * 6) if IP not in p or p[IP].len != 0 else ether() / p),
    "cooked": (113, lambda p: CookedLinux(pkttype=0, proto=ethertype(p)) / p),
    "cooked vlan": (113, lambda p: CookedLinux(pkttype=4, proto=0x8100) / Dot1Q(vlan=12) / p),
    "cooked 2": (276, lambda p: sll2(p, 0)),
    "cooked 2 vlan": (276, lambda p: sll2(Dot1Q(vlan=12) / p, 0x8100)),
    "raw": (101, lambda p: p),
    "raw 12": (12, lambda p: p),
    "raw 14": (14, lambda p: p),
    "null little": (0, lambda p: (30 if isinstance(p, IPv6) else 2).to_bytes(4, "little") + bytes(p)),
    "null big": (0, lambda p: (24 if isinstance(p, IPv6) else 2).to_bytes(4, "big") + bytes(p)),
    "null freebsd": (0, lambda p: (28 if isinstance(p, IPv6) else 2).to_bytes(4, "little") + bytes(p)),
    "loop": (108, lambda p: (24 if isinstance(p, IPv6) else 2).to_bytes(4, "big") + bytes(p)),
}  # fmt: skip


def sll2(packet: Packet, protocol: int, *, interface: int = 3, kind: int = 0) -> bytes:
    head = (protocol or ethertype(packet)).to_bytes(2, "big") + b"\0\0" + interface.to_bytes(4, "big")
    return head + b"\0\1" + bytes([kind, 6]) + b"\2\0\0\0\0\1\0\0" + bytes(packet)


def frames_of(name: str, seed: int = 1) -> list[Frame]:
    wrap = LINKS[name][1]
    return [Frame(START + i * 1_000_003, bytes(wrap(packet))) for i, packet in enumerate(packets(seed))]


@pytest.mark.parametrize("name", LINKS)
def test_rows_equal_tsharks(tshark: str, tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(build.pcap(frames_of(name), link=LINKS[name][0]))
    segments, chunks = build.read(path)
    expected = build.tshark_rows(tshark, path)
    assert len(expected) > 70
    assert build.differences(build.as_tshark(segments), expected) == []
    assert segments["captured"].tolist() == segments["length"].tolist()  # padding is no payload
    assert sum(chunk.resets for chunk in chunks) == sum(int(row["tcp.flags"], 16) & RST != 0 for row in expected) > 0


@pytest.mark.parametrize(("link", "packet_class"), [(228, IP), (229, IPv6)])
def test_one_version_raw_links(tshark: str, tmp_path: Path, link: int, packet_class: type) -> None:
    path = tmp_path / "a.pcap"
    frames = [frame for frame, p in zip(frames_of("raw"), packets(1), strict=True) if isinstance(p, packet_class)]
    path.write_bytes(build.pcap(frames, link=link))
    segments, _ = build.read(path)
    assert build.differences(build.as_tshark(segments), build.tshark_rows(tshark, path)) == []
    assert len(segments) > 20


@pytest.mark.parametrize("name", ["ethernet", "vlan", "cooked", "cooked 2", "raw"])
@pytest.mark.parametrize("snaplen", [54, 60, 68, 74, 96, 128])
def test_snaplen_keeps_lengths(tshark: str, tmp_path: Path, name: str, snaplen: int) -> None:
    path = tmp_path / "a.pcap"
    frames = [Frame(time, data[:snaplen], len(data)) for time, data, _ in frames_of(name, 2)]
    path.write_bytes(build.pcap(frames, link=LINKS[name][0], snaplen=snaplen))
    segments, chunks = build.read(path)
    expected = [row for row in build.tshark_rows(tshark, path) if row["tcp.checksum"]]
    whole, _ = build.read(written(tmp_path / "b.pcap", build.pcap(frames_of(name, 2), link=LINKS[name][0])))
    ours = build.as_tshark(segments)
    assert [one for one in build.differences(ours, expected) if "options" not in one] == []
    full = {int(row["frame"]): row for row in whole}
    for row in segments:
        assert row["length"] == full[int(row["frame"])]["length"]
        header_ends = int(row["offset"]) - int(full[int(row["frame"])]["offset"])
        assert row["captured"] <= row["length"]
        assert header_ends <= 0
        if not row["header_cut"]:
            for name_ in ("mss", "tsval", "window_shift", "sack_permitted"):
                assert row[name_] == full[int(row["frame"])][name_]
    assert sum(chunk.cut_packets for chunk in chunks) == sum(len(f.data) < f.length for f in frames)
    assert chunks[-1].snaplen == snaplen
    if snaplen == 60 and name == "ethernet":
        assert segments["header_cut"].any()
        assert not segments["header_cut"].all()


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_counts_say_what_every_packet_was(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pcap", build.pcap([*frames_of("ethernet"), Frame(START, bytes(ether() / ARP()))]))
    segments, chunks = build.read(path)
    assert sum(chunk.packets for chunk in chunks) == len(packets(1)) + 1
    assert sum(chunk.fragments for chunk in chunks) == 3  # two IPv4, one IPv6; that of UDP is no segment's
    assert sum(chunk.unreadable for chunk in chunks) == 0
    assert sum(chunk.other for chunk in chunks) == len(packets(1)) + 1 - len(segments) - 3


@pytest.mark.parametrize(
    ("cut", "unreadable"),
    [(14 + 20 + 17, True), (14 + 20 + 18, False), (14 + 19, True), (14, False), (13, False), (0, False)],
)
def test_a_cut_header_is_unreadable(tmp_path: Path, cut: int, unreadable: bool) -> None:
    data = bytes(ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="R"))
    segments, chunks = build.read(written(tmp_path / "a.pcap", build.pcap([Frame(START, data[:cut], len(data))])))
    assert chunks[0].unreadable == unreadable
    assert len(segments) == (cut >= 52)


@pytest.mark.parametrize("offset", [0, 1, 4])
def test_a_header_shorter_than_a_header_is_unreadable(tmp_path: Path, offset: int) -> None:
    data = bytes(ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="R", dataofs=offset))
    segments, chunks = build.read(written(tmp_path / "a.pcap", build.pcap([Frame(START, data)])))
    assert (len(segments), chunks[0].unreadable) == (0, 1)


def test_options_that_lie_about_their_length_end_the_options(tmp_path: Path) -> None:
    options = [(b"\x08\x00", False), (b"\x08\x01", False), (b"\x08\xff", False), (b"\x02\x04\x05\xb4", True)]
    frames = []
    for raw, _ in options:
        segment = bytes(TCP(flags="S", dataofs=7)) + raw.ljust(8, b"\0")
        frames.append(Frame(START, bytes(ether() / IP(src="10.0.0.1", dst="10.0.0.2", proto=6) / segment)))
    segments, _ = build.read(written(tmp_path / "a.pcap", build.pcap(frames)))
    assert segments["mss"].tolist() == [1460 if good else 0 for _, good in options]
    assert not segments["has_timestamps"].any()


@pytest.mark.parametrize(
    ("kind", "direction"),
    [(0, DIRECTION_IN), (1, DIRECTION_IN), (3, DIRECTION_IN), (4, DIRECTION_OUT), (7, DIRECTION_UNKNOWN)],
)
def test_cooked_headers_say_the_direction(tmp_path: Path, kind: int, direction: int) -> None:
    packet = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="R")
    one = written(tmp_path / "1.pcap", build.pcap([Frame(START, bytes(CookedLinux(pkttype=kind) / packet))], link=113))
    two = written(tmp_path / "2.pcap", build.pcap([Frame(START, sll2(packet, 0, interface=9, kind=kind))], link=276))
    for path, interface in ((one, -1), (two, 9)):
        segments, chunks = build.read(path)
        assert segments["direction"].tolist() == [direction]
        assert segments["interface"].tolist() == [interface]
        assert chunks[0].directions == (direction != DIRECTION_UNKNOWN)


def test_a_link_type_that_is_not_understood_is_counted_and_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pcap", build.pcap(frames_of("ethernet"), link=190))
    segments, chunks = build.read(path, chunk_bytes=4096)
    assert not len(segments)
    assert sum(chunk.other for chunk in chunks) == len(packets(1))
    (notice,) = [notice for chunk in chunks for notice in chunk.notices]
    assert (
        notice.sentence
        == "Packets of link type Controller Area Network 2.0B (190) are not understood and were only counted."
    )
    assert chunks[0].link_types == ("Controller Area Network 2.0B",)


def test_super_segments_count_the_frame(tmp_path: Path) -> None:
    payload = b"x" * 70000
    v4 = ether() / IP(src="10.0.0.1", dst="10.0.0.2", len=0) / TCP(flags="PA") / payload
    v6 = ether() / IPv6(src="::1", dst="::2", plen=0) / TCP(flags="PA") / payload
    frames = [Frame(START, bytes(v4)), Frame(START, bytes(v4)[:100], len(v4)), Frame(START, bytes(v6))]
    segments, _ = build.read(written(tmp_path / "a.pcap", build.pcap(frames)))
    assert segments["length"].tolist() == [70000] * 3
    assert segments["captured"].tolist() == [70000, 46, 70000]
