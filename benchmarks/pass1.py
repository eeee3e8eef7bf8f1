"""Pass 1 over one capture, as a process of its own: `python -m benchmarks.pass1 FILE [--decode]`.

Lives here: the work that is timed. `--decode` leaves the connections out.
"""

import sys
import time
from pathlib import Path

from analyzer import capture, connections


def run(path: Path, fold: bool = True) -> tuple[int, int, float, float]:
    """Read a capture; return packets, resets, and the elapsed and processor seconds that took, start-up not counted."""
    (file,), _ = capture.find([path])
    state = connections.start("here")
    begin, used = time.perf_counter(), time.process_time()
    packets = resets = 0
    if fold:
        connections.begin_file(state, 1, file.name)
    for _, chunk in capture.read_all([(1, file)], threads=2 if fold else 1):
        packets += chunk.packets
        resets += chunk.resets
        if fold:
            connections.fold(state, chunk.segments)
    return packets, resets, time.perf_counter() - begin, time.process_time() - used


if __name__ == "__main__":
    print(*run(Path(sys.argv[1]), "--decode" not in sys.argv[2:]))
