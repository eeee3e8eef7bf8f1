"""pcap and pcapng in every variety: frames, times, directions and drops, compared with tshark's."""

import struct
from pathlib import Path

import capture_builders as build
import numpy as np
import pytest
from capture_builders import START, Frame, block, enhanced, interface, obsolete, section, simple, statistics
from scapy.all import IP, TCP, Ether

from analyzer.schema import DIRECTION_IN, DIRECTION_OUT, DIRECTION_UNKNOWN, NO_TIME

FIELDS = ("frame.number", "frame.time_epoch", "tcp.seq_raw", "tcp.len")


def packet(number: int, *, cut: int | None = None) -> Frame:
    addresses = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="192.0.2.2")
    data = bytes(addresses / TCP(sport=40000, dport=7001, flags="PA", seq=number) / (b"x" * (number % 5)))
    return Frame(START + number * 1_234_567_891, data[:cut], len(data))


PACKETS = [packet(i) for i in range(6)]
A, B, C, D, E, F = PACKETS


def agree(tshark: str, tmp_path: Path, data: bytes, frames: int) -> tuple[np.ndarray, list]:
    """Compare with tshark; `frames` is how many it must show. Return what we read."""
    path = tmp_path / "a.cap"
    path.write_bytes(data)
    segments, chunks = build.read(path)
    expected = build.tshark_rows(tshark, path, FIELDS)
    assert len(expected) == frames
    assert segments["frame"].tolist() == [int(row["frame.number"]) for row in expected]
    assert segments["time"].tolist() == [build.nanoseconds(row["frame.time_epoch"]) for row in expected]
    assert segments["seq"].tolist() == [int(row["tcp.seq_raw"]) for row in expected]
    assert segments["length"].tolist() == [int(row["tcp.len"]) for row in expected]
    return segments, chunks


# --- Classic pcap -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap(tshark: str, tmp_path: Path, order: str, nano: bool) -> None:
    segments, _ = agree(tshark, tmp_path, build.pcap(PACKETS, order=order, nano=nano), 6)
    assert (segments["time"] % 1000 != 0).any() == nano


@pytest.mark.parametrize("order", ["<", ">"])
def test_modified_pcap_says_the_direction(tshark: str, tmp_path: Path, order: str) -> None:
    data = build.modified_pcap([(A, 3, 0), (B, 3, 4), (C, 4, 9)], order=order)
    segments, chunks = agree(tshark, tmp_path, data, 3)
    assert segments["direction"].tolist() == [DIRECTION_IN, DIRECTION_OUT, DIRECTION_UNKNOWN]
    assert segments["interface"].tolist() == [3, 3, 4]
    assert chunks[-1].directions


@pytest.mark.parametrize("minor", [2, 3])
def test_old_pcap_swaps_the_lengths(tshark: str, tmp_path: Path, minor: int) -> None:
    cut = packet(7, cut=60)
    data = bytearray(build.pcap([cut], minor=minor))
    data[24 + 8 : 24 + 16] = struct.pack("<II", cut.length, len(cut.data))
    segments, chunks = agree(tshark, tmp_path, bytes(data), 1)
    assert segments["captured"].tolist() == [len(cut.data) - 54 if len(cut.data) > 54 else 0]
    assert sum(chunk.cut_packets for chunk in chunks) == (cut.length > len(cut.data))


def test_bits_above_the_link_type_are_no_part_of_it(tshark: str, tmp_path: Path) -> None:
    checked = [Frame(time, data + b"\x01\x02\x03\x04") for time, data, _ in PACKETS]  # an FCS of two 16-bit words
    _, chunks = agree(tshark, tmp_path, build.pcap(checked, link=1 | 1 << 26 | 2 << 28), 6)
    assert chunks[0].link_types == ("Ethernet",)


def test_declared_snaplen_may_be_smaller_than_packets(tshark: str, tmp_path: Path) -> None:
    _, chunks = agree(tshark, tmp_path, build.pcap(PACKETS, snaplen=20), 6)
    assert chunks[-1].snaplen == 20


@pytest.mark.parametrize("snaplen", [0, 262_144, 2**32 - 1])
def test_unlimited_snaplen_is_none(tmp_path: Path, snaplen: int) -> None:
    (tmp_path / "a.pcap").write_bytes(build.pcap(PACKETS, snaplen=snaplen))
    assert build.read(tmp_path / "a.pcap")[1][-1].snaplen is None


@pytest.mark.parametrize("length", [262_145, 2**31, 2**32 - 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pcap_stops_at_an_impossible_length(tshark: str, tmp_path: Path, length: int, order: str) -> None:
    head, rest = build.pcap([A, B], order=order), build.pcap([C, D], order=order)[24:]
    data = head + struct.pack(order + "IIII", 1, 1, length, length) + rest
    _, chunks = agree(tshark, tmp_path, data, 2)
    (notice,) = chunks[-1].notices
    assert (notice.level, notice.place) == ("error", f"byte {len(head)}")
    assert notice.sentence == (
        f"Frame 3 (byte {len(head)}) claims more than the 262,144 bytes that a packet can have:"
        " the file is damaged and was read up to there."
    )


def test_the_largest_frame_is_read(tmp_path: Path) -> None:
    large = Frame(START, A.data.ljust(262_144, b"\0"))
    (tmp_path / "a.pcap").write_bytes(build.pcap([A, large, B]))
    segments, chunks = build.read(tmp_path / "a.pcap", chunk_bytes=1000)
    assert segments["frame"].tolist() == [1, 2, 3]
    assert not any(chunk.notices for chunk in chunks)


def test_usb_frames_may_be_larger(tshark: str, tmp_path: Path) -> None:
    large = Frame(START, b"\0" * 500_000)
    (tmp_path / "a.pcap").write_bytes(build.pcap([large, large], link=189))
    chunks = build.read(tmp_path / "a.pcap", chunk_bytes=5000)[1]
    assert sum(chunk.packets for chunk in chunks) == 2
    assert len(build.tshark_rows(tshark, tmp_path / "a.pcap", ("frame.number",), "frame")) == 2


def test_pcap_of_another_version(tmp_path: Path) -> None:
    data = bytearray(build.pcap(PACKETS))
    data[4:6] = b"\x07\x00"
    (tmp_path / "a.pcap").write_bytes(bytes(data))
    (notice,) = [notice for chunk in build.read(tmp_path / "a.pcap")[1] for notice in chunk.notices]
    assert "version 7.4 of the pcap format" in notice.sentence


def test_no_packets(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(build.pcap([]))
    segments, (chunk,) = build.read(tmp_path / "a.pcap")
    assert (len(segments), chunk.packets, chunk.first, chunk.link_types) == (0, 0, None, ("Ethernet",))
    assert [notice.sentence for notice in chunk.notices] == ["The capture holds no packets."]


# --- pcapng -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng(tshark: str, tmp_path: Path, order: str) -> None:
    blocks = [enhanced(A, order), obsolete(B, order), simple(C, order), enhanced(D, order)]
    segments, _ = agree(tshark, tmp_path, section(order) + interface(order=order) + b"".join(blocks), 4)
    assert segments["time"][2] == NO_TIME
    assert segments["interface"].tolist() == [0] * 4


# Resolutions that tshark 4.0 computes without overflow.
@pytest.mark.parametrize(
    ("resolution", "ticks"),
    [
        (0, 1_700_000_000),
        (3, 1_700_000_000_123),
        (6, 1_700_000_000_123_456),
        (7, 17_000_000_001_234_567),
        (9, 1_700_000_000_123_456_789),
        (10, 17_000_000_001_234_567_891),
        (0x80, 1_700_000_000),
        (0x80 | 10, 1_700_000_000 << 10 | 1023),
        (0x80 | 20, 1_700_000_000 << 20 | 12345),
        (0x80 | 32, 1_700_000_000 << 32 | 0xFFFFFFFF),
        (0x80 | 33, 1_700_000_000 << 33 | 77),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_time_resolutions(tshark: str, tmp_path: Path, resolution: int, ticks: int, order: str) -> None:
    data = section(order) + interface(order=order, resolution=resolution) + enhanced(A, order, ticks=ticks)
    agree(tshark, tmp_path, data, 1)


@pytest.mark.parametrize("resolution", [12, 15, 18, 19, 20, 25, 28, 29, 60, 127])
def test_finer_powers_of_ten_round_down(tmp_path: Path, resolution: int) -> None:
    for ticks in (2**64 - 1, 1_700_000_000_123_456_789, 0):
        data = section() + interface(resolution=resolution) + enhanced(A, ticks=ticks)
        (tmp_path / "a.pcapng").write_bytes(data)
        assert build.read(tmp_path / "a.pcapng")[0]["time"].tolist() == [ticks // 10 ** (resolution - 9)]


@pytest.mark.parametrize("exponent", [34, 35, 40, 50, 63, 64, 80, 97, 98, 127])
def test_finer_powers_of_two_round_down(tmp_path: Path, exponent: int) -> None:
    for ticks in (2**64 - 1, 1_700_000_000_123_456_789, 0):
        data = section() + interface(resolution=0x80 | exponent) + enhanced(A, ticks=ticks)
        (tmp_path / "a.pcapng").write_bytes(data)
        exact = ticks * 10**9 >> exponent
        # Below 2**-34 s the fraction is rounded down before it is converted.
        assert exact - 1 <= build.read(tmp_path / "a.pcapng")[0]["time"][0] <= exact


def test_times_that_64_bits_do_not_hold_are_none(tmp_path: Path) -> None:
    last = 2**63 // 10**9 - 1
    data = section() + interface(resolution=0) + interface(resolution=0, offset=-(2**62)) + interface(offset=2**63 - 1)
    data += enhanced(A, ticks=last) + enhanced(A, ticks=last + 1) + enhanced(A, ticks=2**64 - 1)
    data += enhanced(A, number=1, ticks=5) + enhanced(A, number=2, ticks=5)
    (tmp_path / "a.pcapng").write_bytes(data)
    assert build.read(tmp_path / "a.pcapng")[0]["time"].tolist() == [last * 10**9, *[NO_TIME] * 4]


@pytest.mark.parametrize("offset", [3600, -3600, 1_600_000_000])
@pytest.mark.parametrize("order", ["<", ">"])
def test_time_offsets(tshark: str, tmp_path: Path, offset: int, order: str) -> None:
    agree(
        tshark, tmp_path, section(order) + interface(order=order, offset=offset) + enhanced(A, order, ticks=10**14), 1
    )


def test_sections_have_their_own_order_and_interfaces(tshark: str, tmp_path: Path) -> None:
    raw = Frame(START, E.data[14:])
    data = section() + interface() + enhanced(A) + simple(B)
    data += section(">") + interface(101, ">", resolution=9) + interface(order=">")
    data += enhanced(raw, ">", ticks=START) + enhanced(C, ">", number=1)
    data += section() + interface(113) + interface() + enhanced(D, number=1)
    segments, chunks = agree(tshark, tmp_path, data, 5)
    assert segments["interface"].tolist() == [0, 0, 0, 1, 1]
    assert chunks[-1].link_types == ("Ethernet", "Raw IP", "Linux cooked-mode capture v1")


def test_interfaces_may_appear_between_packets(tshark: str, tmp_path: Path) -> None:
    data = section()
    for i in range(40):
        data += interface(resolution=i % 10) + enhanced(A, number=i, ticks=1_700_000_000 * 10 ** (i % 10))
    segments, _ = agree(tshark, tmp_path, data, 40)
    assert segments["interface"].tolist() == list(range(40))
    assert set(segments["time"].tolist()) == {1_700_000_000 * 10**9}


SYSDIG = struct.pack("<HQQIHI", 0, START, 77, 30, 5, 0) + b"abcdefgh"


@pytest.mark.parametrize(
    ("between", "frames"),
    [
        (block(0x0BAD, struct.pack("<I", 32473) + b"mine"), 1),
        (block(0x40000BAD, struct.pack("<I", 32473) + b"mine"), 1),
        (block(9, b"__REALTIME_TIMESTAMP=1700000000000000\nMESSAGE=hello\n"), 1),
        (block(0x204, SYSDIG), 1),
        (block(0x216, SYSDIG), 1),
        (block(0x221, SYSDIG), 1),
        (block(0x208, SYSDIG), 0),
        (block(4, b"\0\0\0\0"), 0),
        (block(10, struct.pack("<II", 0x544C534B, 4) + b"keys"), 0),
        (statistics(0, 3), 0),
        (block(0x7777, b"nobody knows"), 0),
        (interface(), 0),
    ],
)
def test_which_blocks_are_frames(tshark: str, tmp_path: Path, between: bytes, frames: int) -> None:
    segments, chunks = agree(tshark, tmp_path, section() + interface() + enhanced(A) + between + enhanced(B), 2)
    assert segments["frame"].tolist() == [1, 2 + frames]
    assert sum(chunk.packets for chunk in chunks) == 2 + frames
    assert sum(chunk.other for chunk in chunks) == frames
    assert not [notice for chunk in chunks for notice in chunk.notices]


def test_simple_packets_are_cut_by_the_interface(tshark: str, tmp_path: Path) -> None:
    cut = packet(4, cut=54)
    segments, chunks = agree(tshark, tmp_path, section() + interface(snaplen=54) + simple(cut), 1)
    assert segments["captured"].tolist() == [0]
    assert (chunks[0].cut_packets, chunks[0].snaplen) == (1, 54)


def test_flags_say_the_direction(tshark: str, tmp_path: Path) -> None:
    def flags(way: int, order: str = "<") -> list[tuple[int, bytes]]:
        return [(1, b"a comment"), (2, struct.pack(order + "I", way | 0x10))]

    data = section() + interface() + enhanced(A, extra=flags(1)) + enhanced(B, extra=flags(2)) + enhanced(C)
    data += obsolete(D, extra=flags(2)) + section(">") + interface(order=">") + enhanced(E, ">", extra=flags(2, ">"))
    segments, chunks = agree(tshark, tmp_path, data, 5)
    names = [DIRECTION_IN, DIRECTION_OUT, DIRECTION_UNKNOWN, DIRECTION_OUT, DIRECTION_OUT]
    assert segments["direction"].tolist() == names
    assert chunks[-1].directions


def test_statistics_say_what_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    packets = enhanced(A) + enhanced(B, number=1)
    early = section() + interface() + interface() + statistics(0, 3)
    path.write_bytes(early + packets)
    assert build.read(path)[1][-1].drops == 3
    path.write_bytes(early + packets + statistics(0, 5) + statistics(1, 100))  # counts go on: the last one holds
    assert build.read(path)[1][-1].drops == 105
    path.write_bytes(early + packets + section(">") + interface(order=">") + statistics(0, 7, ">"))
    assert build.read(path)[1][-1].drops == 10
    path.write_bytes(section() + interface() + enhanced(A))
    assert build.read(path)[1][-1].drops is None


def test_packets_say_what_was_lost_before_them(tmp_path: Path) -> None:
    def lost(count: int, order: str = "<") -> list[tuple[int, bytes]]:
        return [(4, struct.pack(order + "Q", count))]

    data = section() + interface() + enhanced(A, extra=lost(2)) + enhanced(B) + enhanced(C, extra=lost(40))
    data += section(">") + interface(order=">") + enhanced(D, ">", extra=lost(100, ">"))
    (tmp_path / "a.pcapng").write_bytes(data)
    assert build.read(tmp_path / "a.pcapng")[1][-1].drops == 142


HEAD = section() + interface() + enhanced(A)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (enhanced(B, number=3), "belongs to an interface that is not described"),
        (enhanced(B)[:-4] + b"\1\2\3\4", "lengths contradict each other"),
        (struct.pack("<II", 6, 8), "lengths contradict each other"),
        (struct.pack("<II", 0x7777, 0), "lengths contradict each other"),
        (struct.pack("<II", 6, 2**31), "claims more than the 134,348,832 bytes"),
        (struct.pack("<II", 0x7777, 2**32 - 4), "claims more than the 134,348,832 bytes"),
        (block(6, struct.pack("<IIIII", 0, 0, 0, 200, 200) + B.data), "lengths contradict each other"),
        (block(6, struct.pack("<IIIII", 0, 0, 0, 300_000, 300_000) + b"\0" * 300_000), "bytes that a packet can have"),
        (block(6, b"\0" * 16), "lengths contradict each other"),
        (block(3, struct.pack("<I", 100) + b"\0" * 40), "lengths contradict each other"),
        (block(0x0BAD, b""), "lengths contradict each other"),
        (block(9, b"short"), "lengths contradict each other"),
        (block(0x204, b"short"), "lengths contradict each other"),
        (section(major=2), "version 2.0 of pcapng"),
        (block(0x0A0D0D0A, b"whatever is no byte order"), "a section without a byte order"),
        (section() + enhanced(B), "belongs to an interface that is not described"),
        (section() + simple(B), "belongs to an interface that is not described"),
    ],
)
def test_pcapng_stops_at_damage(tshark: str, tmp_path: Path, bad: bytes, says: str) -> None:
    _, chunks = agree(tshark, tmp_path, HEAD + bad + enhanced(B), 1)
    (notice,) = [notice for chunk in chunks for notice in chunk.notices]
    assert notice.level == "error"
    assert says in notice.sentence
    assert "Frame 2 (byte " in notice.sentence


def test_lengths_that_are_no_multiple_of_four_are_forgiven(tshark: str, tmp_path: Path) -> None:
    whole = enhanced(E)  # its data is padded with two bytes
    total = len(whole) - 1
    assert len(E.data) % 4 == 2
    odd = struct.pack("<II", 6, total) + whole[8:-4] + struct.pack("<I", total)
    agree(tshark, tmp_path, section() + interface() + odd + enhanced(B), 2)
