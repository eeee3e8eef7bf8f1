"""ICMP errors and announcements of addresses: which frames they are and what they say, compared with tshark; floods and hostile bytes.

tshark's last value of a field is the innermost header's: what an error quotes.
"""

import random
from pathlib import Path
from typing import Any

import capture_builders as build
import numpy as np
import pandas as pd
import pytest
from capture_builders import START, Frame
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.all import (
    AH,
    ARP,
    ICMP,
    IP,
    TCP,
    UDP,
    CookedLinuxV2,
    Dot1Q,
    Ether,
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6NDOptDstLLAddr,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    Packet,
    Raw,
)
from scapy.layers.vxlan import VXLAN

from analyzer import capture
from analyzer.capture import messages
from analyzer.schema import ICMP_SAYS

CORPUS = Path(__file__).parent.parent / "captures"
LAB = [
    CORPUS / case / f"{point}.pcap"
    for case in ("firewall_reject_icmp", "host_unreachable", "path_mtu_black_hole_ignored", "address_takeover")
    for point in ("client", "router", "server")
]
ERRORS = (
    "((icmp.type == 3 || icmp.type == 11 || icmp.type == 12) || (icmpv6.type >= 1 && icmpv6.type <= 4)) && tcp.srcport"
)
FIELDS = ("frame.number", "icmp.type", "icmp.code", "icmpv6.type", "icmpv6.code", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst",
          "tcp.srcport", "tcp.dstport", "tcp.seq", "icmp.mtu", "icmpv6.mtu")  # fmt: skip

SEGMENT = IP(src="10.0.0.1", dst="10.0.0.2", flags="DF") / TCP(sport=40000, dport=5432, seq=77, flags="S")
SEGMENT6 = IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=40000, dport=5432, seq=78, flags="S")
FROM = IP(src="10.0.0.254", dst="10.0.0.1")
FROM6 = IPv6(src="2001:db8::fe", dst="2001:db8::1")


def ether(**fields: Any) -> Packet:
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", **fields)


def error(
    code: int = 13, kind: int = 3, quote: int = 28, mtu: int = 0, ip: Packet = FROM, of: Packet = SEGMENT
) -> Packet:
    return ip / ICMP(type=kind, code=code, nexthopmtu=mtu) / Raw(bytes(of)[:quote])


def error6(head: Packet) -> Packet:
    return FROM6 / head / SEGMENT6


ALL = [
    *(error(code) for code in range(16)),
    error(4, mtu=1400),
    error(4, mtu=1400, quote=40),
    error(0, kind=11),
    error(1, kind=11),
    error(0, kind=12),
    error(ip=IP(src="10.0.0.254", dst="10.0.0.1", options=b"\x94\x04\0\0")),  # router alert
    error(of=IP(src="10.0.0.1", dst="10.0.0.2", options=b"\x94\x04\0\0") / SEGMENT[TCP], quote=32),
    error(ip=FROM / AH(nh=1, payloadlen=4, icv=b"\0" * 12)),
    *(error6(ICMPv6DestUnreach(code=code)) for code in range(7)),
    error6(ICMPv6PacketTooBig(mtu=1280)),
    error6(ICMPv6TimeExceeded(code=0)),
    error6(ICMPv6ParamProblem(code=0)),
]
NOT = [  # no error that quotes TCP
    error(kind=4, code=0),  # source quench
    error(kind=8, code=0),
    error(of=IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=53)),
    FROM6 / ICMPv6EchoRequest(data=bytes(SEGMENT6)),
]
DRESSED: dict[int, Any] = {
    1: lambda p: [
        ether() / p,
        ether() / Dot1Q(vlan=7) / p,
        ether() / Dot1Q(vlan=8) / Dot1Q(vlan=9) / p,
        ether() / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=5, dport=4789) / VXLAN(vni=5) / ether() / p,
    ],
    276: lambda p: [
        CookedLinuxV2(proto=0x86DD if IPv6 in p and p.name == "IPv6" else 0x0800, ifindex=2, pkttype=0) / p
    ],
}


def written(path: Path, packets: list[Any], link: int = 1, snaplen: int | None = None) -> Path:
    frames = [Frame(START + 1000 * n, bytes(p)[:snaplen], len(bytes(p))) for n, p in enumerate(packets)]
    path.write_bytes(build.pcap(frames, link=link))
    return path


def heard(path: Path) -> capture.Heard:
    found = capture.Heard("here")
    for chunk in capture.read(build.found(path)):
        found.add(path.name, chunk)
    return found


def ours(path: Path) -> list[tuple[Any, ...]]:
    columns = ["frame", "type", "code", "sender", "receiver", "src", "dst", "sport", "dport", "seq", "mtu"]
    table = capture.icmp_errors(heard(path))[columns].astype(object)
    return [tuple(row) for row in table.where(table.notna(), None).to_numpy()]


def theirs(tshark: str, path: Path) -> list[tuple[Any, ...]]:
    inner = build.tshark_rows(tshark, path, FIELDS, ERRORS)
    outer = _outer(tshark, path)
    rows = []
    for f in inner:
        number = [
            int(f[name], 0) if f[name] else None
            for name in FIELDS
            if name not in ("ip.src", "ipv6.src", "ip.dst", "ipv6.dst")
        ]
        frame, type4, code4, type6, code6, sport, dport, seq, mtu4, mtu6 = number
        kind, code = (type4, code4) if type4 is not None else (type6, code6)
        own = "ip" if type4 is not None else "ipv6"
        rows.append(
            (
                frame,
                kind,
                code,
                *outer[frame],
                f[f"{own}.src"],
                f[f"{own}.dst"],
                sport,
                dport,
                seq,
                mtu4 or mtu6 or None,
            )
        )
    return rows


def _outer(tshark: str, path: Path) -> dict[int | None, tuple[str, str]]:
    """Frame -> source and destination of the header before the quoted one: the last but one."""
    import subprocess

    command = [tshark, "-r", str(path), "-n", "-Y", ERRORS, "-T", "fields", "-E", "separator=|", "-E", "aggregator=;"]
    for name in ("frame.number", "icmp.type", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst"):
        command += ["-e", name]
    out = {}
    for line in subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines():
        frame, icmp, *addresses = line.split("|")
        src, dst = addresses[:2] if icmp else addresses[2:]
        out[int(frame)] = (src.split(";")[-2], dst.split(";")[-2])
    return out


@pytest.mark.parametrize("path", LAB, ids=lambda path: "-".join(path.relative_to(CORPUS).parts))
def test_the_errors_of_the_lab_are_those_of_tshark(path: Path, tshark: str) -> None:
    assert ours(path) == theirs(tshark, path)


def test_the_lab_has_errors() -> None:
    assert sum(len(ours(path)) for path in LAB) > 40


@pytest.mark.parametrize("link", DRESSED)
def test_errors_of_every_kind_in_every_dress(link: int, tmp_path: Path, tshark: str) -> None:
    packets = [dressed for packet in [*ALL, *NOT] for dressed in DRESSED[link](packet)]
    path = written(tmp_path / "errors.pcap", packets, link)
    found = ours(path)
    assert len(found) == len(ALL) * len(DRESSED[link](SEGMENT))
    assert found == theirs(tshark, path)
    assert set(capture.icmp_errors(heard(path))["says"]) == set(ICMP_SAYS)


def test_a_quoted_segment_is_no_packet(tmp_path: Path) -> None:
    segments, chunks = build.read(written(tmp_path / "x.pcap", [ether() / p for p in ALL]))
    assert len(segments) == 0
    assert sum(chunk.other for chunk in chunks) == len(ALL)


def test_a_quote_is_cut_where_it_is_cut(tmp_path: Path) -> None:
    """Ports need 4 bytes of the segment and the sequence number 8; with less nothing is claimed."""
    path = written(tmp_path / "x.pcap", [ether() / error(quote=n) for n in (19, 20, 23, 24, 27, 28)])
    assert [(row[0], row[7], row[9]) for row in ours(path)] == [(4, 40000, None), (5, 40000, None), (6, 40000, 77)]
    later = IP(src="10.0.0.1", dst="10.0.0.2", frag=100, proto=6) / Raw(b"\x9c\x40\x15\x38" * 5)
    assert ours(written(tmp_path / "y.pcap", [ether() / error(of=later)])) == [], "a later fragment holds no ports"
    short = written(tmp_path / "z.pcap", [ether() / error()], snaplen=14 + 20 + 8 + 20 + 4)
    assert [(row[7], row[9]) for row in ours(short)] == [(40000, None)], "a snaplen"


ANNOUNCED = [
    ("10.0.0.9", "02:00:00:00:00:0a", 2, None),
    ("10.0.0.9", "02:00:00:00:00:0a", 1, None),
    ("10.0.0.8", "02:00:00:00:00:0b", 1, None),
    ("10.0.0.9", "02:00:00:00:00:0c", 1, 7),  # another network
    ("10.0.0.9", "02:00:00:00:00:0d", 1, None),
    ("10.0.0.9", "02:00:00:00:00:0d", 2, None),
    ("0.0.0.0", "02:00:00:00:00:0e", 1, None),  # a probe
    ("10.0.0.9", "02:00:00:00:00:0a", 2, None),
]


def announcement(ip: str, hardware: str, op: int, vlan: int | None) -> Packet:
    arp = ARP(op=op, hwsrc=hardware, psrc=ip, hwdst="00:00:00:00:00:00", pdst=ip)
    return ether() / (Dot1Q(vlan=vlan) / arp if vlan else arp)


def test_an_address_that_moves(tmp_path: Path, tshark: str) -> None:
    path = written(tmp_path / "arp.pcap", [announcement(*a) for a in ANNOUNCED])
    rows = build.tshark_rows(tshark, path, ("frame.number", "vlan.id", "arp.src.proto_ipv4", "arp.src.hw_mac"), "arp")
    known: dict[tuple[str, str], str] = {}
    expected = []
    for row in rows:
        ip, now = row["arp.src.proto_ipv4"], row["arp.src.hw_mac"]
        before = known.get((row["vlan.id"], ip))
        if ip != "0.0.0.0":
            known[row["vlan.id"], ip] = now
            if before not in (None, now):
                expected.append((int(row["frame.number"]), ip, before, now))
    table = capture.address_changes(heard(path))
    assert list(table[["frame", "address", "before", "now"]].itertuples(index=False, name=None)) == expected
    assert [frame for frame, *_ in expected] == [5, 8]


def test_a_neighbour_that_moves(tmp_path: Path, tshark: str) -> None:
    def advertised(hardware: str, hops: int = 255, option: bool = True) -> Packet:
        head = ether() / IPv6(src="fe80::1", dst="ff02::1", hlim=hops) / ICMPv6ND_NA(tgt="fe80::1")
        return head / ICMPv6NDOptDstLLAddr(lladdr=hardware) if option else head

    packets = [
        advertised("02:00:00:00:00:0a"),
        advertised("02:00:00:00:00:0f", hops=64),
        advertised("02:00:00:00:00:0f", option=False),
        advertised("02:00:00:00:00:0b"),
    ]
    path = written(tmp_path / "na.pcap", packets)
    fields = ("frame.number", "icmpv6.nd.na.target_address", "icmpv6.opt.linkaddr")
    rows = build.tshark_rows(tshark, path, fields, "icmpv6.type == 136 && ipv6.hlim == 255 && icmpv6.opt.linkaddr")
    told = [(int(r["frame.number"]), r["icmpv6.nd.na.target_address"], r["icmpv6.opt.linkaddr"]) for r in rows]
    table = capture.address_changes(heard(path))
    assert list(table[["frame", "address", "now"]].itertuples(index=False, name=None)) == told[1:]
    assert len(told) == 2


def test_what_the_lab_announces_is_what_tshark_calls_a_duplicate(tshark: str) -> None:
    path = CORPUS / "address_takeover" / "router.pcap"
    rows = build.tshark_rows(
        tshark, path, ("frame.number", "arp.src.proto_ipv4", "arp.src.hw_mac"), "arp.duplicate-address-detected"
    )
    (change,) = capture.address_changes(heard(path)).to_dict("records")
    first = rows[0]
    assert (change["frame"], change["address"], change["now"]) == (
        int(first["frame.number"]), first["arp.src.proto_ipv4"], first["arp.src.hw_mac"],
    )  # fmt: skip


def test_a_flood_is_counted_and_not_kept(tmp_path: Path) -> None:
    """More errors than a chunk may hand on, and then than a capture point may keep; what was found before stays."""
    one = bytes(ether() / error())
    path = tmp_path / "flood.pcap"
    path.write_bytes(build.pcap([Frame(START, bytes(ether() / SEGMENT)), *[Frame(START, one)] * 60_000]))
    chunks = list(capture.read(build.found(path)))
    assert max(len(chunk.messages) for chunk in chunks) == messages.IN_A_CHUNK
    assert all(chunk.size < 2 * 1024 * 1024 for chunk in chunks if len(chunk.segments) == 0)
    found = capture.Heard("here")
    for chunk in [*chunks, *chunks * (messages.ERRORS_KEPT // (len(chunks) * messages.IN_A_CHUNK) + 1)]:
        found.add("flood.pcap", chunk)
    assert len(capture.icmp_errors(found)) == messages.ERRORS_KEPT
    (notice,) = found.notices()
    assert "were only counted" in notice.sentence
    assert heard(LAB[0]).notices() == []


def test_a_scan_of_addresses_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "ADDRESSES", 20)
    monkeypatch.setattr(messages, "CHANGES_KEPT", 3)
    scan = [announcement(f"10.0.1.{n}", "02:00:00:00:00:0a", 1, None) for n in range(30)]
    flapping = [announcement("10.0.1.0", f"02:00:00:00:00:{n % 2:02x}", 1, None) for n in range(20)]
    found = heard(written(tmp_path / "scan.pcap", scan + flapping))
    assert len(capture.address_changes(found)) == 3
    (notice,) = found.notices()
    assert notice.sentence.startswith("27 ")


@given(seed=st.integers(0, 2**32), cut=st.integers(0, 120))
@settings(max_examples=60, deadline=None)
def test_hostile_bytes_are_no_messages_or_short_ones(seed: int, cut: int) -> None:
    """Flipped and cut bytes never raise, and nothing is read beyond them."""
    chance = random.Random(seed)
    for packet in (
        *ALL,
        ARP(psrc="10.0.0.1"),
        FROM6 / ICMPv6ND_NA() / ICMPv6NDOptDstLLAddr(),
        FROM6 / IPv6ExtHdrDestOpt() / ICMPv6DestUnreach(),
    ):
        data = bytearray(bytes(packet))
        for _ in range(chance.randrange(6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        for piece in (bytes(data), bytes(data[:cut]), b""):
            said = messages.error(piece)
            assert said is None or said["says"] in ICMP_SAYS
            assert messages.announced(piece) is None or len(messages.announced(piece)[1]) == 17  # type: ignore[index]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_hostile_frames_cost_no_segment(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever stands in a quote, the segments of the capture stay the same, however it is cut into chunks."""
    chance = random.Random(seed)
    frames = [Frame(START, bytes(ether() / SEGMENT))]
    for packet in chance.sample(ALL, 8):
        data = bytearray(bytes(ether() / packet))
        for _ in range(3):
            place = chance.randrange(
                14 + 20 + 8, len(data)
            )  # behind the ICMP header: the outer packet stays what it is
            data[place] = chance.randrange(256)
        frames += [Frame(START, bytes(data)), Frame(START, bytes(data[: chance.randrange(len(data))]), len(data))]
    path = tmp_path_factory.mktemp("hostile") / "x.pcap"
    path.write_bytes(build.pcap(frames))
    small, many = build.read(path, chunk_bytes=256)
    whole, (one,) = build.read(path)
    assert np.array_equal(small, whole)
    assert [m for chunk in many for m in chunk.messages] == list(one.messages)
    assert set(whole["frame"]) - {1} <= set(_looks_like_tcp(frames))
    assert isinstance(capture.icmp_errors(heard(path)), pd.DataFrame)


def _looks_like_tcp(frames: list[Frame]) -> list[int]:
    """Frames whose outer header itself says TCP."""
    return [
        n for n, f in enumerate(frames, 1) if len(f.data) > 34 and TCP in Ether(f.data) and ICMP not in Ether(f.data)
    ]
