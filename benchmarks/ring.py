"""The whole analysis of a rotated set, as a process of its own: `python -m benchmarks.ring THREADS FILE...`.

Lives here: the work that is timed and whose memory is measured, and the table of it. Needs Linux (/proc).
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = ["-m", "benchmarks.ring"]


def run(threads: int, paths: list[str]) -> dict[str, float]:
    """Analyse a set; return elapsed and processor seconds (start-up not counted) and the peak of memory in MB."""
    import analyzer

    begin, used = time.perf_counter(), time.process_time()
    d = analyzer.analyze(paths, threads=threads, dissect=False)
    return {
        "seconds": time.perf_counter() - begin,
        "processor": time.process_time() - used,
        "peak": _peak(),
        "resets": len(d.resets),
    }


def _peak() -> float:
    """The most memory this process has had, in MB; what `resource` says begins with that of the process that started it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def table(paths: list[Path]) -> list[str]:
    """Return the table of a set, as lines of Markdown: a tenth, half and all of it with two threads, all with one; its tenth compressed.

    The compressed tenth is written beside it; `zcat` of it, to nowhere, is the least that reading it can cost.
    """
    lines = [
        f"### ring: {len(paths)} files of {paths[0].stat().st_size / 1e6:,.0f} MB",
        "",
        "| set | files | threads | seconds | processor seconds | seconds for 1 GB | peak memory, MB | resets |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    tenth = paths[: max(1, len(paths) // 10)]
    run(2, [str(path) for path in paths])  # every file is in the page cache from now on
    parts = [tenth, paths[: max(1, len(paths) // 2)], paths]
    for part, threads in (*((part, 2) for part in parts), (paths, 1)):
        lines.append(_row("plain", part, threads, sum(path.stat().st_size for path in part)))
    packed = [_compressed(path) for path in tenth]
    for threads in (2, 1):
        lines.append(_row("gzip", packed, threads, sum(path.stat().st_size for path in tenth)))
    before, used = time.perf_counter(), _children()
    subprocess.run(["zcat", *map(str, packed)], check=True, stdout=subprocess.DEVNULL)
    lines.append(
        f"| `zcat` | {len(packed)} | 1 | {time.perf_counter() - before:.1f} | {_children() - used:.1f} | | | |"
    )
    return [*lines, ""]


def _row(kind: str, paths: list[Path], threads: int, size: int) -> str:
    """Measure one set, in a process of its own."""
    command = [sys.executable, *SCRIPT, str(threads), *map(str, paths)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    row = (
        f"| {kind} | {len(paths)} | {threads} | {told['seconds']:.1f} | {told['processor']:.1f} | {told['seconds'] / size * 1e9:.2f} "
        f"| {told['peak']:.0f} | {told['resets']} |"
    )
    print(row, file=sys.stderr)
    return row


def _compressed(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    if not packed.exists():
        with path.open("rb") as plain, gzip.open(packed, "wb", compresslevel=6) as out:
            shutil.copyfileobj(plain, out, 1 << 20)
    return packed


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), sys.argv[2:])))
