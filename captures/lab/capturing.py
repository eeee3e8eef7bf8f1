"""tcpdump or dumpcap at the capture points: a case goes on when they listen, and fails if one of them lost a packet.

What the captures show is read elsewhere.
"""

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from captures.lab.case_file import Point
from captures.lab.editing import Edit
from captures.lab.network import Namespace

LISTEN_SECONDS = 10.0  # how long tcpdump may take to open its interface
LISTENING = re.compile("listening on|^File: ", re.MULTILINE)  # tcpdump, dumpcap
COUNTERS = {  # what each prints at its end
    "received": re.compile(r"(\d+) packets? received by filter|interface '[^']+': (\d+)/\d+"),
    "dropped": re.compile(r"(\d+) packets? dropped by \w+|interface '[^']+': \d+/(\d+)"),
}
FLUSH_SECONDS = 1.2  # a kernel block is handed to tcpdump after at most one second


@dataclass(frozen=True)
class Capture:
    """A running capture."""

    point: Point
    folder: Path
    process: subprocess.Popen[bytes]
    said: Path  # its standard error: the interface, then the counters

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.pcap*"))


def start(point: Point, machine: Namespace, line: str, folder: Path) -> Capture:
    """Run a capture's command line in a folder of its own, as a person would in a shell, and wait until it listens."""
    folder.mkdir(parents=True)
    folder.chmod(0o777)  # tcpdump gives up root before it rotates
    said = folder / "tcpdump.stderr"
    with said.open("wb") as stderr:
        process = machine.spawn("sh", "-c", line, cwd=folder, stderr=stderr, start_new_session=True)
    deadline = time.monotonic() + LISTEN_SECONDS
    while not LISTENING.search(said.read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the capture at the {point} does not listen: {said.read_text().strip()}")
        time.sleep(0.02)
    return Capture(point, folder, process, said)


def stop(captures: list[Capture]) -> dict[str, dict[str, int]]:
    """Stop every tcpdump; its counters by point. A lost packet fails the case: its captures could prove nothing."""
    time.sleep(FLUSH_SECONDS)
    counters: dict[str, dict[str, int]] = {}
    for capture in captures:
        _interrupt(capture.process)
        words = capture.said.read_text()
        found = {name: [int(a or b) for a, b in pattern.findall(words)] for name, pattern in COUNTERS.items()}
        if not found["received"] or any(found["dropped"]):
            raise RuntimeError(f"the capture at the {capture.point} lost packets, or does not say: {words.strip()}")
        counters[capture.point] = {name: sum(counts) for name, counts in found.items()}
    return counters


def edit(capture: Capture, change: Edit) -> None:
    """Rewrite the files of a capture that has ended."""
    for path in capture.files():
        path.write_bytes(change(path.read_bytes()))


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """What Ctrl-C does in a terminal: the shell and its capture end, and the capture prints its counters."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=LISTEN_SECONDS)
