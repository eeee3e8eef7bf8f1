"""Sets of files: which of them are read for a stretch of time, what is said of gaps and overlaps, standard input."""

import gzip
import io
import os
import random
import subprocess
import sys
from pathlib import Path

import capture_builders as build
import pandas as pd
import pytest
from capture_builders import START, Frame, enhanced, interface, section, statistics

import analyzer
from analyzer import capture
from analyzer.capture import spooling
from analyzer.capture.choosing import last_time
from analyzer.errors import UnusableInput

SECOND = 10**9
CORPUS = Path(__file__).parent.parent / "captures"
CASE = CORPUS / "postgres_client_abort" / "server.pcap"


def frames(first: int, count: int = 50, seed: int = 0) -> list[Frame]:
    """A packet every 100 ms: of zeros, of noise, and of what looks like a record."""
    rng = random.Random(seed)
    record = START.to_bytes(8, "little") + (20).to_bytes(4, "little") * 2
    kinds = [bytes(600), rng.randbytes(300), record * 9, b"\0" * 14, rng.randbytes(1500)]
    return [Frame(first + i * SECOND // 10, rng.choice(kinds)) for i in range(count)]


def ring(folder: Path, names: list[str], pcapng: bool = False) -> list[Path]:
    """Files of five seconds each that follow each other."""
    paths = []
    for i, name in enumerate(names):
        some = frames(START + 5 * i * SECOND, seed=i)
        data = build.pcap(some)
        if pcapng:
            blocks = [enhanced(frame, number=j % 2) for j, frame in enumerate(some)]
            data = b"".join([section(), interface(), interface(), *blocks, statistics(0, 0), statistics(1, 0)])
        path = folder / name
        path.write_bytes(data)
        paths.append(path)
    return paths


# As tcpdump -C, -W, -G and dumpcap -b name them, and as logrotate and people do.
HABITS = {
    "-C": ["dump.pcap", *(f"dump.pcap{i}" for i in range(1, 12))],
    "-W": [f"dump.pcap{i:02}" for i in range(12)],
    "-G": [f"dump-{pd.Timestamp(START + 5 * i * SECOND):%Y%m%d-%H%M%S}.pcap" for i in range(12)],
    "-b": [f"dump_{i:05}_20231114221{i}.pcapng" for i in range(12)],
    "logrotate": ["dump.pcap", *(f"dump.pcap.{i}" for i in range(1, 12))][::-1],
}


@pytest.mark.parametrize("habit", HABITS)
def test_rotated_files_are_in_the_order_of_their_packets(tmp_path: Path, habit: str) -> None:
    names = HABITS[habit]
    ring(tmp_path, names, pcapng=habit == "-b")
    shuffled = random.Random(1).sample(names, len(names))
    for given in ([tmp_path], [tmp_path / name for name in shuffled], [f"{tmp_path}/dump*"]):
        files, notices = capture.find(given)
        assert [file.name for file in files] == names
        assert not notices


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
@pytest.mark.parametrize("seed", range(6))
def test_the_last_time_is_found_from_the_end(
    tmp_path: Path, form: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = frames(START // 1000 * 1000, 60, seed)
    blocks = b"".join([section(), interface(), *map(enhanced, some), statistics(0, 0)])
    path = tmp_path / "a"
    path.write_bytes(build.pcap(some) if form == "pcap" else blocks)
    monkeypatch.setattr("analyzer.capture.choosing.HEAD", 2000)
    for tail in (1 << 20, 9000, 5000):
        monkeypatch.setattr("analyzer.capture.choosing.TAIL", tail)
        assert last_time(build.found(path)) == some[-1].time
    path.write_bytes(path.read_bytes()[:-7])  # cut off: only reading tells
    assert last_time(build.found(path)) is None
    path.write_bytes(gzip.compress(build.pcap(some)))
    assert last_time(build.found(path)) is None


def test_files_are_chosen_by_their_first_and_last_packets(tmp_path: Path) -> None:
    ring(tmp_path, [f"{i}.pcap" for i in range(6)])
    files, _ = capture.find([tmp_path])

    def names(begin: float, end: float) -> list[str]:
        return [f.name for f in capture.chosen(files, START + round(begin * SECOND), START + round(end * SECOND))[0]]

    assert names(5.5, 14) == ["1.pcap", "2.pcap"]
    assert names(4.95, 5) == ["1.pcap"]
    assert names(4.9, 5) == ["0.pcap", "1.pcap"]
    assert names(-9, 0) == ["0.pcap"]
    assert names(29, 99) == ["5.pcap"]
    assert len(names(40, 50)) == len(names(-50, -40)) == 6  # a clock that is far off must not lose everything
    _, (notice,) = capture.chosen(files, START + 6 * SECOND, START + 7 * SECOND)
    assert str(notice.sentence).startswith("5 of 6 files were not read")
    (tmp_path / "0.pcap").write_bytes(gzip.compress((tmp_path / "0.pcap").read_bytes()))
    files, _ = capture.find([tmp_path])
    assert names(12, 13) == ["0.pcap", "2.pcap"]  # when a compressed file ends, only reading tells


def shifted(path: Path, by: int, case: Path = CASE) -> Path:
    """The capture, `by` seconds later."""
    data = bytearray(case.read_bytes())
    order = "little" if data[0] in (0xD4, 0x4D) else "big"
    at = 24
    while at < len(data):
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], order) + by).to_bytes(4, order)
        at += 16 + int.from_bytes(data[at + 8 : at + 12], order)
    path.write_bytes(data)
    return path


def test_only_the_files_of_the_asked_time_are_read(tmp_path: Path) -> None:
    for hour in range(4):
        shifted(tmp_path / f"dump.pcap{hour}", 3600 * hour)
    whole = analyzer.analyze(str(tmp_path), dissect=False)
    times = whole.resets["time"].sort_values()
    assert len(times) >= 4
    some = [
        {"around": times.iloc[-1]},
        {"since": times.iloc[-1]},
        {"since": str(times.iloc[-1]), "until": "2100-01-01"},
    ]
    for asked in some:
        d = analyzer.analyze(str(tmp_path), dissect=False, **asked)
        assert d.captures["capture"].tolist() == ["dump.pcap3"]
        assert d.resets["time"].tolist() == times[-len(times) // 4 :].tolist()
        assert any("3 of 4 files were not read" in notice.sentence for notice in d.notices)
    until = analyzer.analyze(str(tmp_path), dissect=False, until=times.iloc[0])
    assert until.captures["capture"].tolist() == ["dump.pcap0"]
    with pytest.raises(analyzer.UsageError, match="ends before it begins"):
        analyzer.analyze(str(tmp_path), since="2026-01-02", until="2026-01-01")


def captures_of(*spans: tuple[float, float, int]) -> pd.DataFrame:
    rows = [
        {
            "point": "here", "capture": f"{i}.pcap", "file": i, "packets": packets,
            "first": pd.Timestamp(START + round(a * SECOND), tz="UTC"), "last": pd.Timestamp(START + round(b * SECOND), tz="UTC"),
        }
        for i, (a, b, packets) in enumerate(spans)
    ]  # fmt: skip
    from analyzer.schema import CAPTURES

    return CAPTURES.conform(pd.DataFrame(rows))


def test_gaps_and_overlaps_are_noticed() -> None:
    def says(*spans: tuple[float, float, int]) -> list[str]:
        return [str(notice.sentence) for notice in capture.seams(captures_of(*spans))]

    assert says((0, 60, 6000), (60.01, 120, 6000), (120, 180, 6000)) == []
    assert says((0, 60, 10), (90, 150, 10)) == []  # quiet: a packet every six seconds
    (gap,) = says((0, 60, 6000), (300, 360, 6000))
    assert gap.startswith("Between 0.pcap and 1.pcap nothing was captured for 240 s")
    (overlap,) = says((0, 60, 6000), (30, 90, 6000))
    assert overlap.startswith("0.pcap and 1.pcap cover the same time (30 s)")
    inside = says((0, 600, 6000), (10, 20, 600), (30, 40, 600))  # one long file, and a ring beside it: no gap
    assert [one.split(" cover")[0] for one in inside] == ["0.pcap and 1.pcap", "0.pcap and 2.pcap"]


def test_a_point_beside_a_ring_is_found_whichever_file_shows_it(tmp_path: Path) -> None:
    """The long file shows the same packets as the second file of the ring, not as the first."""
    case = CORPUS / "stale_pool" / "server.pcap"
    data = case.read_bytes()
    (tmp_path / "ring").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.pcap").write_bytes(data)
    before = shifted(tmp_path / "ring" / "a.pcap", -7200, case)
    (tmp_path / "ring" / "long.pcap").write_bytes(before.read_bytes() + data[24:])
    before.unlink()
    shifted(tmp_path / "ring" / "a.pcap", -5400, case)
    with pytest.raises(analyzer.UsageError, match="--at client="):
        analyzer.analyze([str(tmp_path / "ring"), str(tmp_path / "other")], dissect=False)


# --- Standard input ----------------------------------------------------------------------------------------------------


class Pipe(io.BytesIO):
    def isatty(self) -> bool:
        return False


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> object:
    def put(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Pipe(data)))

    return put


def test_standard_input_is_a_capture_like_any_other(piped: object) -> None:
    piped(gzip.compress(CASE.read_bytes()))
    d = analyzer.analyze("-", dissect=False)
    whole = analyzer.analyze(str(CASE), dissect=False)
    assert d.captures["capture"].tolist() == ["standard input"]
    assert d.captures["path"].tolist() == ["-"]
    columns = ["frame", "stream", "reset_by", "cause", "confidence"]
    assert d.resets[columns].to_dict("records") == whole.resets[columns].to_dict("records")
    assert len(d.resets) > 0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "Standard input is empty"),
        (b"hello\n", "Standard input is text"),
        (b"\xd4\xc3", "Standard input is cut within"),
    ],
)
def test_standard_input_that_is_no_capture(piped: object, data: bytes, says: str) -> None:
    piped(data)
    with pytest.raises(UnusableInput, match=says):
        capture.find(["-"])


def test_standard_input_past_the_limit_is_noticed() -> None:
    path, (notice,) = spooling.spool(Pipe(b"x" * 5000), 4096)
    assert path.read_bytes() == b"x" * 4096
    assert "first 4,096 bytes" in notice.sentence
    path, notices = spooling.spool(Pipe(b"x" * 4096), 4096)
    assert not notices


def test_a_terminal_is_no_capture() -> None:
    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    with pytest.raises(UnusableInput, match="is a terminal"):
        spooling.spool(Terminal())


def test_the_copy_of_standard_input_goes_with_the_program(tmp_path: Path) -> None:
    program = "from analyzer import capture; (f,), _ = capture.find(['-']); print(f.path, f.path.exists(), f.first)"
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parent.parent)}
    run = subprocess.run(
        [sys.executable, "-c", program], input=build.pcap(frames(START)), capture_output=True, env=environment
    )
    path, existed, first = run.stdout.decode().split()
    assert (existed, int(first)) == ("True", START)
    assert Path(path).parent == tmp_path
    assert list(tmp_path.iterdir()) == []
