"""The notice about a capture whose name is older than its first packet: which names tell a time, and which tell too little."""

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from analyzer import capture
from analyzer.capture.names import stale
from captures.lab import case_file

CORPUS = Path(__file__).resolve().parents[1] / "captures"
LATE = 47.0  # seconds


@dataclass
class File:
    name: str
    first: int | None


def at(text: str, seconds: float = 0.0) -> int:
    """A time as ns since 1970 UTC, some seconds later."""
    return round((datetime.fromisoformat(text).timestamp() + seconds) * 10**6) * 1000


FORMS = [
    "261120-09:46:56.pcap",
    "261120-09-46-56.pcap",
    "dump-20261120-094656.pcap",
    "dump_20261120094656.pcap0",
    "261120094656.pcap",
    "2026-11-20T09:46:56.pcap",
    "2026-11-20 09.46.56.cap",
    "20-11-2026_09-46-56.pcap",
    "11-20-2026_09-46-56.pcap",
    "201126-094656.pcap",
    "ring_00003_20261120094656.pcapng",
    "server-10.1.0.2-20261120_094656.pcap",
]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("zone", ["+00:00", "+09:00", "-03:30", "+05:45", "+14:00", "-12:00"])
def test_a_name_older_than_its_packets_is_noticed_in_every_zone(name: str, zone: str) -> None:
    (notice,) = stale([File(name, at(f"2026-11-20T09:46:56{zone}", LATE))])
    assert (notice.level, notice.source) == ("warning", name)
    assert "begins 47.0 s later than its name says" in notice.sentence
    assert "-w 'dump-%Y%m%d-%H%M%S.pcap'" in notice.sentence
    assert "$(" not in notice.sentence


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("seconds", [-2.0, 0.0, 0.9, 2.0])
def test_a_name_in_time_is_not_noticed(name: str, seconds: float) -> None:
    assert stale([File(name, at("2026-11-20T09:46:56+09:00", seconds))]) == []


@pytest.mark.parametrize(
    ("name", "first", "says"),
    [
        ("dump-202611200946.pcap", "2026-11-20T09:46:59+09:00", None),  # the name leaves the seconds out
        ("dump-202611200946.pcap", "2026-11-20T09:49:30+09:00", "3 minutes|210.0 s|4 minutes"),
        ("dump-1795168016.pcap", "2026-11-20T09:46:57+00:00", None),
        ("dump-1795168016.pcap", "2026-11-20T10:46:56+00:00", "60 minutes"),  # its zone is known
        ("261120-094656.pcap", "2026-11-23T09:46:56+00:00", "2 days"),  # farther than any zone
        ("261120-094656.pcap", "2026-11-10T09:50:00+00:00", None),  # named long after it was captured
        ("261120-094656.pcap", None, None),
    ],
)
def test_how_late(name: str, first: str | None, says: str | None) -> None:
    notices = stale([File(name, None if first is None else at(first))])
    assert len(notices) == (says is not None)
    if says:
        assert any(f"begins {words} later" in notices[0].sentence for words in says.split("|"))


@pytest.mark.parametrize(
    "name",
    [
        "server.pcap",
        "dump.pcap0",
        "2026-11-20.pcap",  # a day alone
        "10.12.20.10-5432.pcap",  # an address and a port
        "ticket-201112-1022.pcap",  # no day within a year of the packets
        "20261320-094656.pcap",  # no month
        "dump-00001.pcap",
    ],
)
def test_names_that_tell_no_time(name: str) -> None:
    assert stale([File(name, at("2026-11-20T09:51:03+00:00"))]) == []


def test_a_quiet_hour_in_a_ring_that_rotates_well_is_not_noticed() -> None:
    ring = [
        File(f"dump-20261120-{hour:02}0000.pcap", at(f"2026-11-20T{hour:02}:00:00+09:00", 0.3)) for hour in range(4)
    ]
    quiet = File("dump-20261120-040000.pcap", at("2026-11-20T04:00:00+09:00", 40))
    assert stale([*ring, quiet]) == []
    assert len(stale([quiet])) == 1


def test_many_of_one_pattern_are_one_notice() -> None:
    files = [File(f"2611{day}-09:00:00.pcap", at(f"2026-11-{day}T09:00:00+09:00", LATE)) for day in (17, 18, 19)]
    (notice,) = stale(files)
    assert notice.source == "261117-09:00:00.pcap"
    assert "So do 2 other captures." in notice.sentence
    (notice,) = stale(files[:2])
    assert "So does 1 other capture." in notice.sentence


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in CORPUS.glob("*/case.toml")), ids=lambda path: path.name
)
def test_the_corpus_notices_what_the_guides_command_left_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    """Each capture under the name that it had on the machine that recorded it."""
    case = case_file.load(folder)
    for place in case.captures.values():
        files = [folder / place] if (folder / place).is_file() else sorted((folder / place).iterdir())
        for file in files:
            original = case.original_names.get(file.relative_to(folder).as_posix())
            copy = tmp_path / (original or file.name)
            shutil.copy(file, copy)
            for path in (copy, file):
                _, notices = capture.find([path])
                assert [notice.source for notice in notices] == ([path.name] if original else [])


def test_the_guides_capture_says_how_it_is_written_instead(tmp_path: Path) -> None:
    case = case_file.load(CORPUS / "stale_pool_any")
    ((stored, original),) = case.original_names.items()
    shutil.copy(case.folder / stored, tmp_path / original)
    (file,), (notice,) = capture.find([tmp_path])
    assert file.name == original
    assert "begins 3.4 s later than its name says" in notice.sentence
    assert notice.sentence.endswith("-w 'dump-%Y%m%d-%H%M%S.pcap' gives each rotation its own.")
