"""Measure reading logs: `python -m benchmarks.logs` generates a PostgreSQL log of 1 GB in which 1,000 lines matter, and times programs on it.

Lives here: the log, the programs, and the table in benchmarks/README.md. grep gets the same texts as our filter, as one alternation.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from analyzer.logs import open_logs, read_logs
from analyzer.logs.recognition import raw_filter
from benchmarks.__main__ import README

BEGIN, END = "<!-- results: written by python -m benchmarks.logs -->", "<!-- end of results of logs -->"
NOISE = (
    "LOG:  duration: {ms:.3f} ms  statement: SELECT o.id, o.total FROM orders o JOIN customers c ON c.id = o.customer "
    "WHERE o.placed > now() - interval '1 hour' AND o.status = {n}",
    "LOG:  duration: {ms:.3f} ms  execute <unnamed>: UPDATE stock SET reserved = reserved + $1 WHERE item = $2",
    "DETAIL:  parameters: $1 = '{n}', $2 = '{pid}'",
    "LOG:  statement: BEGIN",
    "LOG:  statement: COMMIT",
    'LOG:  automatic vacuum of table "shop.public.orders": index scans: 1',
    "LOG:  checkpoint complete: wrote {n} buffers (2.6%); 0 WAL file(s) added, 0 removed, 1 recycled; write=53.8 s, sync=0.1 s, total=54.0 s",
    'ERROR:  duplicate key value violates unique constraint "orders_pkey"',
    "DETAIL:  Key (id)=({n}) already exists.",
    "STATEMENT:  INSERT INTO orders (id, customer, total) VALUES ({n}, {pid}, 12.50)",
)  # fmt: skip
TOLD = (
    "LOG:  connection received: host=10.1.0.{n} port={port}",
    "LOG:  could not receive data from client: Connection reset by peer",
    "LOG:  unexpected EOF on client connection with an open transaction",
    "LOG:  could not send data to client: Broken pipe",
    "LOG:  disconnection: session time: 0:00:01.513 user=shop database=shop host=10.1.0.{n} port={port}",
)


def lines(size: int, told: int, seed: int = 1) -> Iterator[str]:
    """A log of about `size` bytes, `told` lines of which speak of connections, evenly spread."""
    draw = random.Random(seed)
    moment, written, said = datetime(2026, 11, 20), 0, 0
    while written < size or said < told:
        moment += timedelta(milliseconds=draw.randrange(5))
        due = said < told and written >= size * said // told
        form = TOLD[said % len(TOLD)] if due else NOISE[draw.randrange(len(NOISE))]
        said += due
        values = {
            "n": draw.randrange(1, 250),
            "ms": draw.random() * 90,
            "pid": draw.randrange(10**5, 10**6),
            "port": draw.randrange(32768, 61000),
        }
        text = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC [{draw.randrange(2000, 2400)}] shop@shop {form.format(**values)}\n"
        written += len(text)
        yield text


def write(path: Path, size: int, told: int) -> None:
    """The log: 16 MB of it drawn, then repeated, with its relevant lines at their places."""
    piece = 16 << 20
    count = max(1, size // piece)
    noise = "".join(lines(min(piece, size), 0))
    wanted = list(lines(0, told))
    with path.open("w", encoding="ascii") as out:
        for number in range(count):
            mine = wanted[number * told // count : (number + 1) * told // count]
            step = len(noise) // (len(mine) + 1)
            position = 0
            for line in mine:
                end = noise.index("\n", position + step) + 1 if position + step < len(noise) else len(noise)
                out.write(noise[position:end] + line)
                position = end
            out.write(noise[position:])


def run(command: list[str], environment: dict[str, str] | None = None) -> tuple[float, float, str]:
    """Elapsed and processor seconds, and the output, of a whole process."""
    before, begin = os.times(), time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    elapsed, after = time.perf_counter() - begin, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return elapsed, used, done.stdout.strip()


def measure(path: Path, folder: Path, pgbadger: bool) -> list[str]:
    pattern = folder / "alternation"
    texts = [re.sub(rb"([][(){}.*+?^$|\\])", rb"\\\1", text) for text in raw_filter().literals if b"\n" not in text]
    pattern.write_bytes(b"|".join(texts))
    programs = {
        "pcapreport, reading and recognising, whole process": (
            [sys.executable, "-m", "benchmarks.logs", "--read", str(path)],
            {},
        ),
        "`grep -cE` with the same texts, C locale": (["grep", "-cEf", str(pattern), str(path)], {"LC_ALL": "C"}),
        "`grep -cE` with the same texts, UTF-8 locale": (
            ["grep", "-cEf", str(pattern), str(path)],
            {"LC_ALL": "C.UTF-8"},
        ),
        "`cat`, to the same end": (["sh", "-c", 'cat "$0" | tail -c 1', str(path)], {}),
    }
    if pgbadger and shutil.which("pgbadger"):
        report = ["-q", "-f", "stderr", "-p", "%m [%p] %u@%d ", "-o", str(folder / "report.json"), str(path)]
        programs["pgBadger"] = (["pgbadger", *report], {})
    times = {}
    for name, (command, environment) in programs.items():
        times[name] = run(command, environment)
        print(f"  {name}: {times[name][0]:.2f} s {times[name][2][:80]}", file=sys.stderr)
    own = times["pcapreport, reading and recognising, whole process"]
    entries, memory = own[2].split()
    table = [
        f"### {path.stat().st_size / 1e6:,.0f} MB of a PostgreSQL log, {int(entries):,} entries recognised, {len(texts):,} texts looked for",
        "",
        f"pcapreport took at most {memory} MB of memory.",
        "",
        "| program | seconds | processor seconds | its seconds : ours |",
        "|---|---:|---:|---:|",
    ]
    return [*table, *(f"| {name} | {t[0]:.2f} | {t[1]:.2f} | {t[0] / own[0]:.2f} |" for name, t in times.items())]


def most_memory() -> int:
    """The most memory that this process has held, in MB (Linux); a parent's does not count."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024  # type: ignore[index]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.logs", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--read", type=Path, metavar="FILE", help="only read this log, and print how many entries were recognised"
    )
    parser.add_argument("--size", type=int, default=10**9, help="bytes of the log")
    parser.add_argument("--told", type=int, default=1000, help="lines that matter")
    parser.add_argument("--folder", type=Path, help="where the log is written and kept (default: a temporary one)")
    parser.add_argument("--no-pgbadger", action="store_true", help="it takes minutes")
    parser.add_argument("--no-write", action="store_true", help="show the table, leave benchmarks/README.md as it is")
    options = parser.parse_args()
    if options.read:
        print(len(read_logs(open_logs([options.read]))[0]), most_memory())
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "postgresql.log"
        write(path, options.size, options.told)
        text = "\n".join(measure(path, folder, not options.no_pgbadger))
    print(text)
    if not options.no_write:
        before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
        README.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
