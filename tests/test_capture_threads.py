"""Reading with several threads: the same chunks in the same order, errors where they belong, and an end when the reader stops."""

import gzip
import threading
from pathlib import Path

import capture_builders as build
import numpy as np
import pytest
from capture_builders import START, Frame

from analyzer import capture
from analyzer.capture import ahead
from analyzer.capture.reading import Keep
from analyzer.errors import UnusableInput

CORPUS = Path(__file__).parent.parent / "captures" / "stale_pool"


def ring(folder: Path, count: int = 7, packets: int = 3000) -> list[capture.CaptureFile]:
    for i in range(count):
        reset = bytes.fromhex(
            "02000000000202000000000108004500002800014000400600000a0000010a000002c350153800000001000000025014000000000000"
        )
        data = build.pcap(Frame(START + (i * packets + j) * 1000, reset) for j in range(packets))
        (folder / f"{i}").write_bytes(gzip.compress(data) if i % 2 else data)
    return capture.find([folder])[0]


def everything(
    files: list[capture.CaptureFile], threads: int, keep: Keep | None = None
) -> list[tuple[int, object, int]]:
    numbered = list(enumerate(files, 5))
    chunks = capture.read_all(numbered, threads=threads, keep=keep)
    return [(number, chunk.segments.tolist(), chunk.packets) for number, chunk in chunks]


def every_other(segments: np.ndarray) -> np.ndarray:
    return np.flatnonzero(segments["frame"] % 2)


@pytest.mark.parametrize("room", [0, 100_000, 1 << 30])
def test_any_number_of_threads_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    files = ring(tmp_path)
    monkeypatch.setattr(ahead, "WAITING", room)
    one = everything(files, 1)
    assert sum(packets for _, _, packets in one) == 7 * 3000
    assert [number for number, _, _ in one] == sorted(number for number, _, _ in one)
    half = everything(files, 1, keep=every_other)
    assert half == [(number, [row for row in rows if row[0] % 2], packets) for number, rows, packets in one]
    for threads in (2, 3, 9):
        assert everything(files, threads) == one
        assert everything(files, threads, keep=every_other) == half


def test_a_reader_that_stops_leaves_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "WAITING", 0)
    files = ring(tmp_path)
    before = threading.active_count()
    chunks = capture.read_all(list(enumerate(files)), threads=3)
    assert len(next(chunks)[1].segments)
    assert threading.active_count() > before
    chunks.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 3])
def test_a_file_that_went_away_is_told_in_its_turn(tmp_path: Path, threads: int) -> None:
    files = ring(tmp_path)
    (tmp_path / "4").unlink()
    read = []
    with pytest.raises(UnusableInput, match="does not exist"):
        for number, _ in capture.read_all(list(enumerate(files)), threads=threads):
            read.append(number)
    assert sorted(set(read)) == [0, 1, 2, 3]


def test_bytes_are_kept_of_what_was_asked_for() -> None:
    """Each kept segment has its TCP header and what was captured of its payload, and nothing else is kept."""
    file = build.found(CORPUS / "client.pcap")
    whole = file.path.read_bytes()
    rows, kept = [], b""
    for chunk in capture.read(file, chunk_bytes=2000, keep=every_other):
        rows.append(chunk.segments)
        assert chunk.behind is not None
        kept += chunk.behind.data.tobytes()
    asked = np.concatenate(rows)
    starts, ends = asked["offset"] - asked["header"], asked["offset"] + asked["captured"]
    assert kept == b"".join(whole[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True))
    everything = np.concatenate([chunk.segments for chunk in capture.read(file)])
    assert len(everything) > 100
    assert asked.tolist() == everything[every_other(everything)].tolist()
    assert all(chunk.behind is None for chunk in capture.read(file))
