"""Payload bytes, checksums and extracted frames, compared with tshark's."""

import gzip
import random
import struct
import subprocess
from pathlib import Path

import capture_builders as build
import numpy as np
import pandas as pd
import pytest
from capture_builders import START, Frame, block, enhanced, interface, obsolete, section, simple
from scapy.all import IP, TCP, Ether, IPv6

from analyzer import capture
from analyzer.errors import UnusableInput
from analyzer.schema import CAPTURES


def frames(count: int, seed: int = 1) -> list[Frame]:
    rng = random.Random(seed)
    out = []
    for i in range(count):
        addresses = [IP(src="192.0.2.1", dst="192.0.2.2"), IPv6(src="2001:db8::1", dst="2001:db8::2")][i % 2]
        segment = TCP(flags="PA", seq=i, options=[("Timestamp", (i, 7))] if i % 3 else []) / rng.randbytes(i % 200)
        data = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / addresses / segment)
        out.append(Frame(START + i * 1_000_007, data))
    return out


FRAMES = frames(300)


def packed(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def pcapng_of(order: str = "<") -> bytes:
    out = section(order, [(1, b"a comment on the section")]) + interface(order=order)
    for i, frame in enumerate(FRAMES):
        if i == 100:
            out += interface(101, order, resolution=9)
        if i == 200:
            out += section(order) + interface(order=order)
        if 150 <= i < 200:
            out += enhanced(Frame(frame.time, frame.data[14:]), order, number=1, ticks=frame.time)
        elif i % 10 == 3:
            out += simple(frame, order)
        elif i % 10 == 4:
            out += obsolete(frame, order)
        elif i % 10 == 5:
            out += block(4, b"\0\0\0\0", order) + enhanced(frame, order, extra=[(2, struct.pack(order + "I", 2))])
        else:
            out += enhanced(frame, order)
    return out


SOURCES = {
    "a.pcap": build.pcap(FRAMES),
    "big.pcap": build.pcap(FRAMES, order=">", nano=False),
    "a.pcap.gz": build.pcap(FRAMES),
    "a.pcapng": pcapng_of(),
    "big.pcapng": pcapng_of(">"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_payloads_are_the_bytes_that_follow_the_headers(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / name, SOURCES[name])
    segments, _ = build.read(path, chunk_bytes=3000)
    assert len(segments) == 300
    order = np.random.default_rng(1).permutation(300)
    spans = [(int(segments[i]["offset"]), int(segments[i]["captured"])) for i in order]
    expected = [FRAMES[i].data[len(FRAMES[i].data) - i % 200 :] if i % 200 else b"" for i in order]
    assert capture.payloads(build.found(path), spans) == expected


def test_payloads_refuse_impossible_spans(tmp_path: Path) -> None:
    file = build.found(packed(tmp_path / "a.pcap", SOURCES["a.pcap"]))
    for span in ((-1, 4), (0, -1), (0, 300_000)):
        with pytest.raises(ValueError, match="span"):
            capture.payloads(file, [span])
    end = len(SOURCES["a.pcap"])
    assert [len(piece) for piece in capture.payloads(file, [(end - 3, 10), (end + 100, 10)])] == [3, 0]
    assert capture.payloads(file, []) == []


@pytest.mark.parametrize("name", SOURCES)
def test_extracted_frames_are_the_same_frames(tshark: str, tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / name, SOURCES[name])
    wanted = sorted(random.Random(2).sample(range(1, 301), 60))
    target = tmp_path / "small.cap"
    assert capture.extract(build.found(path), wanted[::-1] + wanted[:5], target) == wanted
    fields = (
        *build.FIELDS[:12],
        "frame.len",
        "frame.interface_name",
        "frame.packet_flags",
        "frame.encap_type",
        "tcp.payload",
    )
    whole = {row["frame.number"]: row for row in build.tshark_rows(tshark, path, fields)}
    small = build.tshark_rows(tshark, target, fields)
    assert [row["frame.number"] for row in small] == [str(i + 1) for i in range(60)]
    assert [row | {"frame.number": str(frame)} for frame, row in zip(wanted, small, strict=True)] == [
        whole[str(frame)] for frame in wanted
    ]
    assert len(target.read_bytes()) < len(SOURCES[name]) / 3


def test_extraction_reads_no_further_than_it_must(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.pcap", SOURCES["a.pcap"])
    file = build.found(path)
    assert capture.extract(file, [], tmp_path / "none.pcap") == []
    assert [chunk.packets for chunk in capture.read(build.found(tmp_path / "none.pcap"))] == [0]
    assert capture.extract(file, [299, 300, 301, 10_000], tmp_path / "last.pcap") == [299, 300]


def test_extraction_leaves_tls_secrets_out_and_the_section_open(tmp_path: Path) -> None:
    secrets = block(10, struct.pack("<II", 0x544C534B, 8) + b"CLIENT_R")
    head = bytearray(section())
    head[16:24] = struct.pack("<q", 12345)
    path = packed(
        tmp_path / "a.pcapng", bytes(head) + interface() + enhanced(FRAMES[0]) + secrets + enhanced(FRAMES[1])
    )
    assert capture.extract(build.found(path), [2], tmp_path / "b.pcapng") == [2]
    assert (tmp_path / "b.pcapng").read_bytes() == section() + interface() + enhanced(FRAMES[1])


def test_extraction_into_nowhere(tmp_path: Path) -> None:
    file = build.found(packed(tmp_path / "a.pcap", SOURCES["a.pcap"]))
    with pytest.raises(UnusableInput, match=r"cannot be written: .*\.$"):
        capture.extract(file, [1], tmp_path / "no such folder" / "b.pcap")


# --- Checksums --------------------------------------------------------------------------------------------------------


def damaged(frame: Frame, place: int) -> Frame:
    data = bytearray(frame.data)
    data[place] ^= 0x40
    return Frame(frame.time, bytes(data))


def all_rows(segments: np.ndarray) -> np.ndarray:
    return np.arange(len(segments))


def checked(path: Path, chunk_bytes: int = 1 << 20) -> list[int]:
    """What `checksums` says of every segment of a file."""
    chunks = capture.read(build.found(path), chunk_bytes=chunk_bytes, keep=all_rows)
    return [state for chunk in chunks for state in capture.checksums(chunk, chunk.segments).tolist()]


@pytest.mark.parametrize("name", SOURCES)
def test_clips_are_the_payloads(tmp_path: Path, name: str) -> None:
    file = build.found(packed(tmp_path / name, SOURCES[name]))
    for chunk in capture.read(file, chunk_bytes=3000, keep=all_rows):
        rows = chunk.segments[chunk.segments["captured"] > 0]
        spans = [
            (offset, min(size, 40))
            for offset, size in zip(rows["offset"].tolist(), rows["captured"].tolist(), strict=True)
        ]
        assert capture.clips(chunk, rows, 40) == capture.payloads(file, spans)


@pytest.mark.parametrize("name", SOURCES)
def test_checksums_of_good_segments(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / name, SOURCES[name])
    for chunk_bytes in (1 << 20, 3000):
        assert checked(path, chunk_bytes) == [1] * 300


def test_checksums_agree_with_tsharks(tshark: str, tmp_path: Path) -> None:
    rng = random.Random(3)
    mixed = [rng.choice([frame, damaged(frame, -1 if i % 2 else 30)]) for i, frame in enumerate(FRAMES[60:])]
    path = packed(tmp_path / "a.pcap", build.pcap(mixed))
    command = [tshark, "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-e", "tcp.checksum.status"]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    ours = checked(path)
    assert ours == [int(status) for status in theirs]
    assert set(ours) == {0, 1}


def test_checksums_that_cannot_be_known(tmp_path: Path) -> None:
    pieces = bytes(
        Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
        / IP(src="192.0.2.1", dst="192.0.2.2", flags="MF")
        / TCP()
    )
    long = FRAMES[151].data  # IPv6, payload
    options = FRAMES[2].data  # IPv4, timestamps
    mixed = [
        Frame(START, pieces),
        Frame(START, long[:100], len(long)),
        Frame(START, options[:60], len(options)),
        Frame(START, options),
    ]
    path = packed(tmp_path / "a.pcap", build.pcap(mixed))
    segments, _ = build.read(path)
    assert checked(path) == [-1, -1, -1, 1]
    assert segments["fragment"].tolist() == [True, False, False, False]
    assert segments["header_cut"].tolist() == [False, False, True, False]


# --- The table --------------------------------------------------------------------------------------------------------


def test_the_table_of_files(tmp_path: Path) -> None:
    tallies = []
    for number, name in enumerate(SOURCES):
        file = build.found(packed(tmp_path / name, SOURCES[name]))
        tallies.append(capture.Tally("here", number + 1, file))
        for chunk in capture.read(file, chunk_bytes=4000):
            tallies[-1].add(chunk)
    table = capture.captures(tallies)
    assert table.columns.tolist() == list(CAPTURES.columns)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        n: c.dtype for n, c in CAPTURES.columns.items()
    }
    assert table["capture"].tolist() == list(SOURCES)
    assert table["packets"].tolist() == table["segments"].tolist() == [300] * 5
    assert table["first"].tolist()[0] == pd.Timestamp(START, unit="ns", tz="UTC")
    assert table["last"].tolist()[0] == pd.Timestamp(START + 299 * 1_000_007, unit="ns", tz="UTC")
    assert table["drops"].isna().all()
    assert table["directions"].tolist() == [False, False, False, True, True]
    assert table["link_types"].tolist() == ["Ethernet"] * 3 + ["Ethernet, Raw IP"] * 2
    assert capture.captures([]).columns.tolist() == list(CAPTURES.columns)
