"""`pcapreport resets --frames` against tshark, on every capture of the corpus: whole tables, value by value.

tshark numbers frames and streams and names each field; nothing here judges a reset. Fragments are not put together and segments
quoted in ICMP errors are not counted, as everywhere in the project.
"""

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from capture_builders import START, Frame, interface, nanoseconds, section, simple

from analyzer import cli

CORPUS = Path(__file__).resolve().parents[1] / "captures"
MAGIC = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a")
CAPTURES = [
    path
    for path in sorted(CORPUS.glob("*/**/*"))
    if path.is_file() and "lab" not in path.relative_to(CORPUS).parts and path.read_bytes()[:4] in MAGIC
]
FIELDS = (
    "frame.number", "tcp.stream", "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport",
    "tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "tcp.window_size_value", "tcp.len", "frame.time_epoch",
)  # fmt: skip
COLUMNS = ("frame", "stream", "src", "sport", "dst", "dport", "flags", "seq", "ack", "window", "length", "time")


@pytest.fixture(scope="module")
def tshark_version(tshark: str) -> str:
    return subprocess.run([tshark, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]


def theirs(tshark: str, path: Path) -> list[tuple[Any, ...]]:
    """One row of COLUMNS for each frame that tshark lists."""
    command = [tshark, "-r", str(path), "-n", "-Y", "tcp.flags.reset==1 && !icmp && !icmpv6", "-T", "fields"]
    # The last occurrence: the innermost header, where one is within another.
    command += ["-E", "separator=|", "-E", "occurrence=l", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]
    for field in FIELDS:
        command += ["-e", field]
    out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    rows = []
    for line in out.splitlines():
        frame, stream, src4, src6, sport, dst4, dst6, dport, flags, seq, ack, window, length, time = line.split("|")
        numbers = [int(x, 0) for x in (flags, seq, ack, window, length)]
        ends = (src4 or src6, int(sport), dst4 or dst6, int(dport))
        rows.append((int(frame), int(stream), *ends, *numbers, rfc3339(time)))
    return rows


def rfc3339(epoch: str) -> str | None:
    """tshark's seconds since 1970 in UTC, nine digits; None where the packet has no time."""
    if not epoch:
        return None
    seconds, rest = divmod(nanoseconds(epoch), 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def ours(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The same rows, as the command prints them."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "argv", ["pcapreport", "resets", "--frames", "--json", str(path)])
    with redirect_stdout(out), pytest.raises(SystemExit) as end:
        cli.main()
    rows = [tuple(reset[name] for name in COLUMNS) for reset in json.loads(out.getvalue())]
    assert end.value.code == (1 if rows else 0)
    return rows


def test_the_corpus_has_captures_and_resets() -> None:
    assert len(CAPTURES) >= 50


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: "-".join(path.relative_to(CORPUS).parts))
def test_the_resets_of_the_corpus(
    path: Path, tshark: str, tshark_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ours(path, monkeypatch) == theirs(tshark, path), f"{path.name} differs from {tshark_version}"


def test_most_captures_hold_a_reset(tshark: str) -> None:
    """An empty list equals an empty list: the comparison above must have something to compare."""
    assert sum(bool(theirs(tshark, path)) for path in CAPTURES[:12]) >= 6


def test_packets_without_a_time(
    tmp_path: Path, tshark: str, tshark_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simple packet blocks of a pcapng carry none."""
    reset = bytes.fromhex(
        "02000000000202000000000108004500002800014000400600000a0000010a000002c350153800000001000000025014000000000000"
    )
    path = tmp_path / "simple.pcapng"
    path.write_bytes(section() + interface() + simple(Frame(START, reset)) * 2)
    found = ours(path, monkeypatch)
    assert [(row[0], row[-1]) for row in found] == [(1, None), (2, None)]
    assert found == theirs(tshark, path), f"differs from {tshark_version}"
