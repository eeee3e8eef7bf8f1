"""What holds for every file: chunks do not matter, nothing is invented, nothing crashes, nothing loops."""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import capture_builders as build
import numpy as np
import pytest
from capture_builders import START, Frame, block, enhanced, interface, obsolete, section, simple, statistics
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.all import IP, TCP, UDP, Dot1Q, Ether, IPv6, IPv6ExtHdrHopByHop

from analyzer import capture, schema
from analyzer.capture import links, pcap, pcapng, reading, walking
from analyzer.capture.streams import Stream
from analyzer.errors import Notice

RELAXED = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}


def frames(count: int, seed: int = 0) -> list[Frame]:
    rng = random.Random(seed)
    kinds: list[Callable[[], bytes]] = [
        lambda: bytes(Ether(**MACS) / IP(src="192.0.2.1", dst="192.0.2.2") / tcp()),
        lambda: bytes(Ether(**MACS) / Dot1Q(vlan=7) / IPv6(src="::1", dst="::2") / IPv6ExtHdrHopByHop() / tcp()),
        lambda: bytes(Ether(**MACS) / IP(src="192.0.2.1", dst="192.0.2.2", frag=rng.choice([0, 5])) / tcp()),
        lambda: bytes(Ether(**MACS) / IP(src="192.0.2.1", dst="192.0.2.2") / UDP() / b"hello"),
    ]

    def tcp() -> TCP:
        options = [("MSS", 1460), ("Timestamp", (rng.getrandbits(32), 5))]
        payload = rng.randbytes(rng.choice([0, 5, 90]))
        return TCP(flags=rng.choice(["R", "PA", "S"]), seq=rng.getrandbits(32), options=options) / payload

    out = []
    for i in range(count):
        data = rng.choice(kinds)()
        cut = rng.choice([None, None, 60, 70])
        out.append(Frame(START + (i - 5 * (i % 7 == 6)) * 10**9, data[:cut], len(data)))
    return out


def mixed_pcapng(count: int, order: str = "<", seed: int = 0) -> bytes:
    """Blocks of all kinds, interfaces in between, two sections."""
    rng = random.Random(seed)
    out = [section(order), interface(order=order)]
    for i, frame in enumerate(frames(count, seed)):
        out.append(
            rng.choice(
                [
                    lambda f=frame: enhanced(f, order, extra=[(1, b"comment"), (2, struct.pack(order + "I", 2))]),
                    lambda f=frame: enhanced(f, order),
                    lambda f=frame: obsolete(f, order),
                    lambda f=frame: simple(Frame(0, f.data), order),
                    lambda f=frame: block(0x0BAD, b"\0\0\0\1mine", order) + enhanced(f, order),
                    lambda f=frame: block(4, b"names to pass over", order) + enhanced(f, order),
                ]
            )()
        )
        if i == count // 3:
            out.append(interface(101, order, resolution=9))
        if i == count // 2:
            out += [statistics(0, 3, order), section(order), interface(order=order)]
    out.append(statistics(0, 4, order))
    return b"".join(out)


FILES = {
    "pcap": build.pcap(frames(40)),
    "pcap big": build.pcap(frames(40), order=">", nano=False),
    "modified": build.modified_pcap([(frame, 1, i % 5) for i, frame in enumerate(frames(40))]),
    "pcapng": mixed_pcapng(40),
    "pcapng big": mixed_pcapng(40, ">"),
}


def everything(path: Path, chunk_bytes: int) -> tuple[np.ndarray, dict[str, object], list[Notice]]:
    """All that reading a file says, chunk by chunk summed up."""
    file = build.found(path)
    tally = capture.Tally("here", 1, file)
    chunks = []
    for chunk in capture.read(file, chunk_bytes=chunk_bytes):
        tally.add(chunk)
        chunks.append(chunk)
    segments = np.concatenate([chunk.segments for chunk in chunks])
    (row,) = schema.records(capture.captures([tally]))
    return segments, row | {"fragments": tally.fragments}, [n for chunk in chunks for n in chunk.notices]


@pytest.mark.parametrize("name", FILES)
def test_chunks_do_not_matter(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.cap"
    path.write_bytes(FILES[name])
    whole = everything(path, 1 << 20)
    assert len(whole[0]) > 20
    assert 0 < whole[1]["other"] < 40
    assert whole[1]["cut_packets"]

    @RELAXED
    @given(st.integers(1, len(FILES[name]) + 1))
    def same(chunk_bytes: int) -> None:
        segments, row, notices = everything(path, chunk_bytes)
        assert segments.tolist() == whole[0].tolist()
        assert (row, notices) == whole[1:]

    same()


def test_batches_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pcap", "pcapng"):
        path = tmp_path / name
        path.write_bytes(FILES[name])
        whole = everything(path, 1 << 20)
        for size in (1, 2, 7):
            with monkeypatch.context() as patch:
                patch.setattr(pcap, "BATCH", size)
                patch.setattr(pcapng, "BATCH", size)
                segments, row, notices = everything(path, 1 << 20)
            assert segments.tolist() == whole[0].tolist()
            assert (row, notices) == whole[1:]


@pytest.mark.parametrize("seed", range(3))
def test_both_byte_orders_give_the_same_rows(tmp_path: Path, seed: int) -> None:
    pairs = [
        [build.pcap(frames(30, seed), order=order) for order in "<>"],
        [mixed_pcapng(30, order, seed) for order in "<>"],
    ]
    for pair in pairs:
        rows = []
        for i, data in enumerate(pair):
            path = tmp_path / f"{i}"
            path.write_bytes(data)
            rows.append(build.read(path)[0])
        assert len(rows[0]) > 5
        assert rows[0].tolist() == rows[1].tolist()


def prefix_lengths(size: int) -> list[int]:
    rng = random.Random(size)
    return [*range(min(size, 4096)), *sorted(rng.sample(range(4096, size), min(150, max(0, size - 4096))))]


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_gives_a_prefix_and_says_where(tmp_path: Path, name: str) -> None:
    data = FILES[name]
    path = tmp_path / "a.cap"
    path.write_bytes(data)
    file = build.found(path)
    whole = np.concatenate([chunk.segments for chunk in capture.read(file)])
    packets = sum(chunk.packets for chunk in capture.read(file))
    known = {"silent": 0, "cut": 0}
    for length in prefix_lengths(len(data)):
        path.write_bytes(data[:length])
        chunks = list(capture.read(file, chunk_bytes=512))
        segments = np.concatenate([chunk.segments for chunk in chunks])
        assert segments.tolist() == whole[: len(segments)].tolist()
        assert len(segments) <= len(whole)
        count = sum(chunk.packets for chunk in chunks)
        assert count <= packets
        notices = [n for chunk in chunks for n in chunk.notices if n.level != "info"]
        assert len(notices) <= 1
        for notice in notices:
            known["cut"] += 1
            place = int(notice.place.removeprefix("byte "))
            assert place < length
            assert f"frame {count + 1} (byte {place})" in notice.sentence
            assert len(data[place:length]) < 400  # the record that is cut begins there
        known["silent"] += not notices
    assert known["silent"] >= 4  # cut between two records: nothing to say
    assert known["cut"] > 1000


@pytest.mark.parametrize("name", FILES)
def test_pieces_between_marks_are_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whatever the file says of later packets at its beginning, a piece that is read alone knows, also of a file that is damaged or cut."""
    monkeypatch.setattr(reading, "PIECE_BYTES", 600)
    path = tmp_path / "a.cap"

    @RELAXED
    @given(st.integers(1, 1500), st.none() | st.tuples(st.integers(30, len(FILES[name]) - 1), st.integers(0, 255)))
    def same(chunk_bytes: int, damage: tuple[int, int] | None) -> None:
        data = bytearray(FILES[name])
        if damage:
            data[damage[0] :] = bytes([damage[1]]) * 40
        path.write_bytes(bytes(data))
        file = build.found(path)
        chunks = list(capture.read(file, chunk_bytes=chunk_bytes))
        marks = [chunk.mark for chunk in chunks if chunk.mark]
        assert damage or marks
        assert [mark.position for mark in marks] == sorted({mark.position for mark in marks})
        pieces = capture.read_all([(3, file)], threads=2, marks={3: marks})
        again = np.concatenate([chunk.segments.copy() for _, chunk in pieces])
        assert again.tolist() == np.concatenate([chunk.segments for chunk in chunks]).tolist()

    same()


def read_bounded(data: bytes, chunk_bytes: int = 300) -> tuple[int, int]:
    """Read any bytes as pcap or pcapng without a file; return how many frames and how many steps."""
    path = Path("unused")

    class Memory:
        compression = None

        def __init__(self) -> None:
            self.position = 0

        def read_into(self, buffer: memoryview) -> int:
            piece = data[self.position : self.position + len(buffer)]
            buffer[: len(piece)] = piece
            self.position += len(piece)
            return len(piece)

    parser = walking.parser_of("pcapng" if data.startswith(pcapng.MAGIC) else "pcap")
    steps = count = 0
    for stretch in walking.stretches(Memory(), parser, str(path), chunk_bytes):
        steps += 1
        count += len(stretch.step.records)
        records = stretch.step.records
        assert (records["offset"] + records["captured"] <= len(stretch.data)).all()
        assert (records["captured"] >= 0).all()
        assert (records["start"] >= 0).all()
        assert steps < len(data) + 10
    return count, steps


@pytest.mark.parametrize("name", FILES)
def test_flipped_bytes_never_crash_nor_loop(tmp_path: Path, name: str) -> None:
    good = FILES[name]
    path = tmp_path / "a.cap"
    path.write_bytes(good)
    file = build.found(path)

    @RELAXED
    @given(st.lists(st.tuples(st.integers(4, len(good) - 1), st.integers(1, 255)), min_size=1, max_size=30))
    def survive(flips: list[tuple[int, int]]) -> None:
        data = bytearray(good)
        for place, mask in flips:
            data[place] ^= mask
        path.write_bytes(bytes(data))
        count, _ = read_bounded(bytes(data))
        chunks = list(capture.read(file, chunk_bytes=777))
        assert sum(chunk.packets for chunk in chunks) == count
        for segment in np.concatenate([chunk.segments for chunk in chunks]):
            assert 0 <= segment["captured"] <= segment["length"]
            assert 20 <= segment["header"] <= 60
            assert segment["captured"] == 0 or segment["offset"] + segment["captured"] <= len(data)
            assert 1 <= segment["frame"] <= count

    survive()


def blocks_of(data: bytes, order: str) -> list[bytes]:
    """The blocks of a well-formed pcapng file."""
    out, at = [], 0
    while at < len(data):
        size = struct.unpack_from(order + "I", data, at + 4)[0]
        out.append(data[at : at + size])
        at += size
    return out


@pytest.mark.parametrize("order", "<>")
def test_blocks_in_any_order_invent_no_packet(tmp_path: Path, order: str) -> None:
    """Descriptions may come late or twice: what is read is some of the packets, each as it is, in the order of the file."""
    blocks = blocks_of(mixed_pcapng(30, order, 4), order)
    packets = {bytes(frame.data) for frame in frames(30, 4)}
    path = tmp_path / "a.pcapng"
    path.write_bytes(b"".join(blocks))
    file = build.found(path)

    @RELAXED
    @given(st.permutations(range(1, len(blocks))), st.booleans())
    def survive(places: list[int], whole: bool) -> None:
        first = [0] if whole else []
        data = b"".join(blocks[i] for i in [*first, *places])
        path.write_bytes(data)
        count = 0
        for stretch in walking.stretches(Stream(path), walking.parser_of("pcapng"), "a", 700):
            for record in stretch.step.records:
                if record["link"] >= 0:
                    at = record["offset"]
                    assert stretch.data[at : at + record["captured"]].tobytes() in packets
                    count += 1
        assert count <= 30
        if whole:
            segments = np.concatenate([chunk.segments for chunk in capture.read(file, chunk_bytes=700)])
            assert len(segments) <= count
            assert (np.diff(segments["frame"]) > 0).all()

    survive()


@RELAXED
@given(st.binary(max_size=600), st.sampled_from([build.pcap([]), build.pcap([], order=">"), section(), section(">")]))
def test_garbage_never_crashes_nor_loops(garbage: bytes, head: bytes) -> None:
    read_bounded(head + garbage, 64)


@pytest.mark.parametrize("link", sorted({*links.DECODED, 999}))
def test_garbage_packets_never_read_beyond_themselves(tmp_path: Path, link: int) -> None:
    path = tmp_path / "a.cap"
    path.write_bytes(build.pcap([], link=link))
    file = build.found(path)
    start = {1: b"\0" * 12, 113: b"\0" * 14, 0: b"\2\0\0\0", 108: b"\0\0\0\2"}.get(link, b"")
    outer = b"\x08\0\x45\0\0\x70\0\0\0\0\x40"
    heads = [
        outer + b"\4\0\0" + b"\1" * 8 + b"\x45\0\0\x28",
        outer + b"\x2f\0\0" + b"\1" * 8 + b"\x10\0\x88\xbe",
        outer + b"\x11\0\0" + b"\1" * 8 + b"\x12\x34\x12\xb5\0\0\0\0\x08",
        outer + b"\x11\0\0" + b"\1" * 8 + b"\x12\x34\x17\xc1\0\0\0\0\x3f",
        outer + b"\x11\0\0" + b"\1" * 8 + b"\x12\x34\x08\x68\0\0\0\0\x37\xff",
        outer + b"\x11\0\0" + b"\1" * 8 + b"\x12\x34\x90\x80\0\0\0\0\1\0\0\1",
        b"\x88\x64\x11\0\0\5\0\x20\0\x21\x45",
        b"\x88\x47\0\1\1\x40\x45",
        b"\0\0\x40\0\3\0\0\xa0",
        b"",
        b"\x08\x00\x45\0\0\x28",
        b"\x45\0\0\x28\0\0\0\0\x40\6",
        b"\x86\xdd\x60\0\0\0\0\x14\0",
        b"\x60\0\0\0\0\x20\0\x40",
    ]

    @RELAXED
    @given(st.lists(st.tuples(st.sampled_from(heads), st.binary(max_size=90)), min_size=1, max_size=8))
    def survive(packets: list[tuple[bytes, bytes]]) -> None:
        frames = [Frame(START, start + head + rest) for head, rest in packets]
        path.write_bytes(build.pcap(frames, link=link))
        together = np.concatenate([chunk.segments for chunk in capture.read(file)])
        alone = []
        for frame in frames:  # what follows a packet in the buffer must not matter
            path.write_bytes(build.pcap([frame], link=link))
            alone.append(np.concatenate([chunk.segments for chunk in capture.read(file)]))
        separate = np.concatenate(alone)
        for field in (
            "sport",
            "dport",
            "seq",
            "ack",
            "length",
            "captured",
            "mss",
            "tsval",
            "ttl",
            "src_lo",
            "dst_hi",
            "vlan",
            "tunnel",
        ):
            assert together[field].tolist() == separate[field].tolist()

    survive()


def test_the_clock_going_backwards_is_counted_across_chunks(tmp_path: Path) -> None:
    seconds = [10, 11, 5, 6, 6, 4, 20, 19]
    one = frames(1)[0].data
    path = tmp_path / "a.pcap"
    path.write_bytes(build.pcap([Frame(START + s * 10**9, one) for s in seconds]))
    for chunk_bytes in (64, 1000, 1 << 20):
        _, row, _ = everything(path, chunk_bytes)
        assert row["backwards"] == 2  # 11 -> 5 and 6 -> 4; 20 -> 19 is one second, not more
        assert (row["first"].value, row["last"].value) == (START + 4 * 10**9, START + 20 * 10**9)


def test_memory_does_not_follow_a_length_in_the_file(tmp_path: Path) -> None:
    import tracemalloc

    huge = struct.pack("<II", 0x7777, 120_000_000)  # a block that says it is large, in a file that is not
    path = tmp_path / "a.pcapng"
    path.write_bytes(section() + interface() + enhanced(frames(1)[0]) + huge + b"\0" * 1000)
    file = build.found(path)
    list(capture.read(file))
    tracemalloc.start()
    chunks = list(capture.read(file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000
    assert "The file is cut in the middle of frame 2" in chunks[-1].notices[-1].sentence
