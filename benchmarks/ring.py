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
    import analyzer.pipeline  # and pandas

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
    """Return the table of a set, as lines of Markdown: a tenth, half and all of it, with two threads and with one; its fifth compressed.

    The compressed fifth is written beside it; `zcat` of it, to nowhere, is what unpacking it costs.
    """
    lines = [
        f"### ring: {len(paths)} files of {paths[0].stat().st_size / 1e6:,.0f} MB",
        "",
        "| set | files | threads | seconds | processor seconds | seconds for 1 GB | for 1 GB more | peak memory, MB | resets |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    _measured(paths, 2)  # every file is in the page cache from now on
    for threads in (2, 1):
        before = None
        for share in (10, 2, 1):
            now = _measured(paths[: max(1, len(paths) // share)], threads)
            lines.append(_row("plain", now, before))
            before = now
    packed = [_compressed(path) for path in paths[: max(1, len(paths) // 5)]]
    lines += [_row("gzip", _measured(packed, threads)) for threads in (2, 1)]
    begin, used = time.perf_counter(), _children()
    subprocess.run(["zcat", *map(str, packed)], check=True, stdout=subprocess.DEVNULL)
    lines.append(
        f"| `zcat` | {len(packed)} | 1 | {time.perf_counter() - begin:.1f} | {_children() - used:.1f} | | | | |"
    )
    return [*lines, ""]


def _measured(paths: list[Path], threads: int) -> dict[str, float]:
    """Analyse a set in a process of its own; return what `run` returns, and how much it was: files, threads, GB before packing."""
    command = [sys.executable, *SCRIPT, str(threads), *map(str, paths)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    size = sum(path.with_suffix(path.suffix.removesuffix(".gz")).stat().st_size for path in paths)
    return {**told, "files": len(paths), "threads": threads, "size": size / 1e9}


def _row(kind: str, now: dict[str, float], before: dict[str, float] | None = None) -> str:
    """Return one line of the table; `before` is the smaller set, to which each further GB is compared."""
    more = "" if before is None else f"{(now['seconds'] - before['seconds']) / (now['size'] - before['size']):.2f}"
    row = (
        f"| {kind} | {now['files']} | {now['threads']} | {now['seconds']:.1f} | {now['processor']:.1f} "
        f"| {now['seconds'] / now['size']:.2f} | {more} | {now['peak']:.0f} | {now['resets']} |"
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
