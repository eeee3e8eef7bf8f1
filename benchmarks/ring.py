"""The whole analysis of a rotated set, as a process of its own: `python -m benchmarks.ring THREADS FILE...`.

Lives here: the work that is timed and whose memory is measured, and the table of it. Needs a system with `resource` (not Windows).
"""

import json
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = ["-m", "benchmarks.ring"]


def run(threads: int, paths: list[str]) -> dict[str, float]:
    """Analyse a set; return elapsed and processor seconds (start-up not counted) and the peak of memory in MB."""
    import resource

    import analyzer

    begin, used = time.perf_counter(), time.process_time()
    d = analyzer.analyze(paths, threads=threads, dissect=False)
    return {
        "seconds": time.perf_counter() - begin,
        "processor": time.process_time() - used,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "resets": len(d.resets),
    }


def table(paths: list[Path]) -> list[str]:
    """Return the table of a set: its first tenth, half and all of it with two threads, then all with one, as lines of Markdown."""
    lines = [
        f"### ring: {len(paths)} files of {paths[0].stat().st_size / 1e6:,.0f} MB",
        "",
        "| files | threads | seconds | processor seconds | processor seconds for 1 GB | peak memory, MB | resets |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    parts = sorted({max(1, len(paths) // 10), max(1, len(paths) // 2), len(paths)})
    for count, threads in [*((part, 2) for part in parts), (len(paths), 1)]:
        command = [sys.executable, *SCRIPT, str(threads), *map(str, paths[:count])]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        size = sum(path.stat().st_size for path in paths[:count]) / 1e9
        lines.append(
            f"| {count} | {threads} | {told['seconds']:.1f} | {told['processor']:.1f} | {told['processor'] / size:.2f} "
            f"| {told['peak']:.0f} | {told['resets']} |"
        )
        print(lines[-1], file=sys.stderr)
    return [*lines, ""]


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), sys.argv[2:])))
