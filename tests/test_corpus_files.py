"""The corpus as files: every label loads and means something, every capture is there, and the witnesses still say so.

Nothing here judges a capture; nothing here needs root.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from captures.lab import build, case_file, witnesses
from captures.lab.case_file import Case, CaseFileError, Connection

CORPUS = Path(__file__).resolve().parents[1] / "captures"
FOLDERS = sorted(path for path in CORPUS.iterdir() if path.is_dir() and path.name not in ("lab", "__pycache__"))
MAX_CASE_BYTES = 300_000
MAX_CORPUS_BYTES = 20_000_000
every_case = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)

SMALLEST = """
title = "t"
[origin]
story = "s"
built = "2026-01-01T00:00:00Z"
network = "n"
kernel = "k"
software = []
[captures]
client = "client.pcap"
[[connections]]
client = "10.1.0.2:40000"
server = "10.2.0.2:5432"
reset_by = "client"
cause = "abortive_close"
"""


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def witnesses_of(folder: Path) -> witnesses.Testimony:
    return witnesses.Testimony.from_json(json.loads((folder / "witness.json").read_text()))


def capture_files(case: Case) -> dict[str, list[Path]]:
    places = {point: case.folder / name for point, name in case.captures.items()}
    return {point: sorted(place.iterdir()) if place.is_dir() else [place] for point, place in places.items()}


def test_there_are_cases() -> None:
    assert len(FOLDERS) >= 15


@every_case
def test_every_file_is_there_and_named(folder: Path) -> None:
    case = case_file.load(folder)
    captures = [path for paths in capture_files(case).values() for path in paths]
    assert set(case.captures) == {"client", "router", "server"}
    named = {*captures, *(folder / log.file for log in case.logs), folder / "case.toml", folder / "witness.json"}
    assert {path for path in folder.rglob("*") if path.is_file()} == named
    assert case.connections
    for name in case.original_names:
        assert folder / name in captures


@every_case
def test_every_case_has_its_script_and_its_line_in_the_read_me(folder: Path) -> None:
    assert folder.name in build.names()
    case = case_file.load(folder)
    row = re.search(
        rf"^\| `{folder.name}` \|.*\| ([\w, ]+) \| ([\w, ]+) \|$", (CORPUS / "README.md").read_text(), re.MULTILINE
    )
    assert row is not None
    assert set(row[1].split(", ")) == {connection.reset_by or "none" for connection in case.connections}
    assert set(row[2].split(", ")) == {connection.cause or "none" for connection in case.connections}


@every_case
def test_sizes_are_bounded(folder: Path) -> None:
    assert size(folder) <= MAX_CASE_BYTES
    assert sum(map(size, FOLDERS)) <= MAX_CORPUS_BYTES


@every_case
def test_file_names_are_portable_and_text_names_no_building_machine(folder: Path) -> None:
    for path in folder.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9._-]+", path.name)
        if path.suffix in (".toml", ".json", ".log"):
            assert not re.search(r"/(home|root|work|tmp|Users)/", path.read_text(encoding="utf-8"))


@every_case
def test_log_lines_are_in_the_logs(folder: Path) -> None:
    case = case_file.load(folder)
    logs = {log.file: (folder / log.file).read_text(encoding="utf-8") for log in case.logs}
    for connection in case.connections:
        for line in connection.log_lines:
            assert line.text in logs[line.file]


@every_case
def test_a_label_reads_back_as_it_was_written(folder: Path, tmp_path: Path) -> None:
    case = case_file.load(folder)
    (tmp_path / "case.toml").write_text(case_file.dump(case), encoding="utf-8")
    assert replace(case_file.load(tmp_path), folder=folder) == case


@every_case
def test_the_witnesses_confirm_the_label(folder: Path) -> None:
    case = case_file.load(folder)
    assert tuple(witnesses.judge(witnesses_of(folder), case.connections)) == case.connections


@every_case
def test_the_testimony_is_about_these_captures(folder: Path, tshark: str) -> None:
    def frames(resets: list[witnesses.Reset]) -> list[tuple[object, ...]]:
        return [(reset.source, reset.destination, reset.sequence, reset.seen_at, reset.ttl) for reset in resets]

    case, said = case_file.load(folder), witnesses_of(folder)
    files = capture_files(case)
    assert frames(witnesses.resets(files, case.clocks, said.transit_seconds)) == frames(said.resets)
    quiet = [label for label in case.connections if label.ending != "reset"]
    assert witnesses.closed(files, quiet) == {label.client: said.closed[label.client] for label in quiet}


@every_case
def test_another_sender_is_contradicted(folder: Path) -> None:
    said = witnesses_of(folder)
    for wrong in ("client", "server", "middlebox"):
        labels = case_file.load(folder).connections
        false: list[Connection] = [
            replace(label, reset_by=wrong) if label.ending == "reset" else label for label in labels
        ]
        if [label.reset_by for label in false] != [label.reset_by for label in labels]:
            with pytest.raises(witnesses.Contradiction):
                witnesses.judge(said, false)


@every_case
def test_a_reset_without_a_label_is_contradicted(folder: Path) -> None:
    labels = case_file.load(folder).connections
    for missing in (label for label in labels if label.ending == "reset"):
        with pytest.raises(witnesses.Contradiction, match="no label"):
            witnesses.judge(witnesses_of(folder), [label for label in labels if label != missing])


@every_case
def test_a_reset_without_a_witness_is_contradicted(folder: Path) -> None:
    silent = replace(witnesses_of(folder), trace=[], rules={}, addresses={}, forged=0)
    if silent.resets:
        with pytest.raises(witnesses.Contradiction, match="has no sender"):
            witnesses.judge(silent, case_file.load(folder).connections)


@every_case
def test_another_ending_is_contradicted(folder: Path) -> None:
    labels = case_file.load(folder).connections
    other: dict[case_file.Ending, case_file.Ending] = {
        "reset": "closed", "closed": "silence", "fin_midway": "silence", "silence": "closed",
    }  # fmt: skip
    false = [replace(label, ending=other[label.ending]) for label in labels]
    with pytest.raises(witnesses.Contradiction):
        witnesses.judge(witnesses_of(folder), false)


def test_another_cause_than_the_kernel_says_is_contradicted() -> None:
    case = case_file.load(CORPUS / "postgres_client_killed")
    false = [replace(label, cause="abortive_close") for label in case.connections]
    with pytest.raises(witnesses.Contradiction, match="TCP_ABORT_ON_CLOSE"):
        witnesses.judge(witnesses_of(case.folder), false)


def test_the_smallest_label_loads(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text(SMALLEST)
    assert case_file.load(tmp_path).connections[0].ending == "reset"


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ('title = "t"', 'title = "t"\ntitel = "t"', "unknown key titel"),
        ('title = "t"', "", "missing key title"),
        ('title = "t"', 'title = "t"\nfolder = "x"', "unknown key folder"),
        ('title = "t"', "title = 1", "expected str"),
        ('story = "s"', 'story = "s"\nweather = "fair"', "unknown key weather"),
        ("software = []", "software = [1]", "expected str"),
        ('client = "client.pcap"', 'clinet = "client.pcap"', "'clinet' is none of"),
        ('reset_by = "client"', 'reset_by = "cleint"', "'cleint' is none of"),
        ('reset_by = "client"', 'reset_by = "client"\nharmless = "no"', "expected bool"),
        ('reset_by = "client"', 'reset_by = "client"\nmust_not = [{by = "server"}]', "unknown key by"),
        ('reset_by = "client"', 'reset_by = "client"\ndecidable_at = ["middle"]', "'middle' is none of"),
        ('reset_by = "client"', 'reset_by = "client"\nat = {server = {reset_by = "client"}}', "missing key cause"),
        ('cause = "abortive_close"', 'cause = "abort"', "'abort' is none of"),
        ('title = "t"', "title = ", "Invalid value"),
    ],
)
def test_a_label_with_a_mistake_is_refused(tmp_path: Path, before: str, after: str, complaint: str) -> None:
    assert before in SMALLEST
    (tmp_path / "case.toml").write_text(SMALLEST.replace(before, after, 1))
    with pytest.raises(CaseFileError, match=re.escape(complaint)):
        case_file.load(tmp_path)
