"""20,000 resets end to end: `python -m benchmarks.resets` measures the whole program and writes the table in benchmarks/README.md.

Lives here: captures with very many resets (a scan, a mass restart), and what judging them costs. Never here: a limit; those are tested without
a clock in tests/test_many_resets.py.

Each row is a whole process, start-up, page and JSON included, on a machine that does nothing else; memory is the largest resident set of the
process itself. The runs with dissection start tshark, whose time counts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.__main__ import machine
from benchmarks.generate import ACK, HEADER, PSH, RST, START, SYN, checksummed, write

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- resets: written by python -m benchmarks.resets -->", "<!-- end of resets -->"
COUNT = 20_000
CLIENT, SERVER = 0x0A000001, 0x0A640001
LIMITS = "under 10 s, 1 GB, 60 MB of JSON, 5 MB of page"

# time after the connection's start [s], by the client, flags, payload, window
SCAN = ((0.0, True, SYN, 0, 1024), (0.0002, False, RST | ACK, 0, 0))
POOLED = (
    (0.0, True, SYN, 0, 64240), (0.010, False, SYN | ACK, 0, 65160), (0.0101, True, ACK, 0, 502),
    (0.02, True, PSH | ACK, 90, 502), (0.03, False, PSH | ACK, 400, 509), (0.0301, True, ACK, 0, 501),
    (9.0, True, PSH | ACK, 60, 501), (9.01, False, PSH | ACK, 700, 509), (9.0101, True, ACK, 0, 501),
)  # fmt: skip
RESET = (0.0, False, RST | ACK, 0, 509)


def conversation(lines: tuple[tuple[float, bool, int, int, int], ...], count: int) -> NDArray[np.void]:
    """The same packets `count` times, numbers filled in; addresses, ports and times are the caller's: HEADER of (count, len(lines))."""
    rng = np.random.default_rng(7)
    rows = np.zeros((count, len(lines)), HEADER)
    isn = {True: rng.integers(0, 2**32, count), False: rng.integers(0, 2**32, count)}
    sent = {True: 0, False: 0}
    for i, (_, by_client, flags, length, window) in enumerate(lines):
        row = rows[:, i]
        row["seq"] = (isn[by_client] + sent[by_client]) & 0xFFFFFFFF if not (flags & RST and not sent[False]) else 0
        row["ack"] = (isn[not by_client] + sent[not by_client]) & 0xFFFFFFFF if flags & ACK else 0
        sent[by_client] += length + bool(flags & SYN)
        row["flags"], row["window"], row["ttl"] = flags, window, 64 if by_client else 61
        row["total"], row["wire"] = length + 40, length + 54
    rows["type"], rows["version"], rows["pieces"], rows["protocol"], rows["offset"] = 0x0800, 0x45, 0x4000, 6, 0x50
    rows["id"] = rng.integers(0, 65536, rows.shape)
    return rows


def placed(
    rows: NDArray[np.void], by_client: list[bool], client: NDArray[np.int64], port: NDArray[np.int64], service: NDArray[np.int64],
    time: NDArray[np.float64],
) -> NDArray[np.void]:  # fmt: skip
    """The packets with their ends and times, in time order."""
    way = np.array(by_client)[None, :]
    rows["src"], rows["dst"] = np.where(way, client[:, None], SERVER), np.where(way, SERVER, client[:, None])
    rows["sport"] = np.where(way, port[:, None], service[:, None])
    rows["dport"] = np.where(way, service[:, None], port[:, None])
    micro = (time * 1e6).astype(np.int64) + START // 1000
    rows["sec"], rows["usec"] = micro // 1_000_000, micro % 1_000_000
    return checksummed(rows.reshape(-1)[np.argsort(micro, axis=None, kind="stable")])


def scan(count: int = COUNT) -> NDArray[np.void]:
    """One scanner knocks at `count` closed ports, and each answers with a reset."""
    number = np.arange(count)
    time = 0.001 * number[:, None] + np.array([line[0] for line in SCAN])[None, :]
    client = np.full(count, CLIENT)
    return placed(
        conversation(SCAN, count), [line[1] for line in SCAN], client, 40000 + number // 60000, 1 + number % 60000, time
    )


def mass_restart(count: int = COUNT) -> NDArray[np.void]:
    """`count` pooled connections of forty hosts lose their server within two seconds."""
    lines = (*POOLED, RESET)
    number = np.arange(count)
    offsets = np.array([line[0] for line in lines])[None, :]
    time = 20.0 * (number[:, None] / count) + offsets
    time[:, -1] = 60.0 + 2.0 * np.random.default_rng(8).permutation(count) / count
    client, port = CLIENT + number % 40, 20000 + number // 40
    return placed(conversation(lines, count), [line[1] for line in lines], client, port, np.full(count, 5432), time)


CAPTURES = {"a scan of 20,000 closed ports": scan, "20,000 pooled connections lose their server": mass_restart}


def run(capture: Path, folder: Path, dissect: bool) -> tuple[float, float, float, int, int]:
    """Analyze in a process of its own: elapsed and processor seconds (tshark's too), GB of memory, bytes of JSON, bytes of the page."""
    result, page = folder / "result.json", folder / "page.html"
    command = [
        sys.executable,
        "-c",
        "from analyzer.cli import main; main()",
        "analyze",
        str(capture),
        "--json",
        str(result),
        "-o",
        str(page),
    ]
    begin = time.perf_counter()
    child = subprocess.Popen(
        [*command, *(() if dissect else ("--no-dissection",))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(child.pid, 0)
    elapsed = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        raise SystemExit(f"{capture.name}: exit status {child.returncode}")
    busy = used.ru_utime + used.ru_stime
    return elapsed, busy, used.ru_maxrss / 1e6, result.stat().st_size, page.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resets", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--no-write", action="store_true", help="show the table, leave benchmarks/README.md as it is")
    parser.add_argument("--keep", type=Path, help="write the captures, the page and the JSON into this folder")
    options = parser.parse_args()
    lines = [
        machine(),
        f"Wanted: {LIMITS}.",
        "",
        "| capture | | seconds | processor seconds | GB | MB of JSON | MB of page |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name, make in CAPTURES.items():
            capture = folder / f"{make.__name__}.pcap"
            write(capture, make())
            run(capture, folder, False)  # compiled code is loaded from the cache from now on
            for dissect in (False, True):
                elapsed, busy, memory, document, page = run(capture, folder, dissect)
                how = "with dissection" if dissect else "`--no-dissection`"
                lines.append(
                    f"| {name} | {how} | {elapsed:.1f} | {busy:.1f} | {memory:.2f} | {document / 1e6:.1f} | {page / 1e6:.2f} |"
                )
    text = "\n".join(lines)
    print(text)
    if not options.no_write:
        before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
        README.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
