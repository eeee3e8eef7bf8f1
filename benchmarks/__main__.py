"""Measure pass 1 against other programs: `python -m benchmarks` (or `make bench`) writes the table in benchmarks/README.md.

Lives here: which programs run on which captures, and the table. Never here: the traffic (generate), the work (pass1).

Each program is a whole process, start-up included, with its output thrown away; the page cache is warm. All runs of one
capture follow each other, program by program, and the median counts. Rates and ratios rest on elapsed seconds, on a machine that does nothing
else; processor seconds stand beside them, since pass 1 decodes in a second thread.
"""

import argparse
import importlib.util
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from benchmarks import generate, pass1, ring

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- results: written by python -m benchmarks -->", "<!-- end of results -->"
SLOW_RUNS = 3  # for programs that take half a minute

COMMAND = "from analyzer.cli import main; main()"
SCAPY = "import sys; from scapy.all import TCP, PcapReader; print(sum(TCP in p and bool(p[TCP].flags.R) for p in PcapReader(sys.argv[1])))"
PYSHARK = (
    "import sys, pyshark; f = pyshark.FileCapture(sys.argv[1], display_filter='tcp.flags.reset==1', keep_packets=False); "
    "print(sum(1 for _ in f)); f.close()"
)
DPKT = (
    "import sys, dpkt; e = dpkt.ethernet.Ethernet; r = dpkt.pcap.Reader(open(sys.argv[1], 'rb')); "
    "print(sum(bool(e(b).data.data.flags & 4) for _, b in r))"
)
# What is measured on a small capture only, where it is installed: they need seconds for what the others do in milliseconds.
LIBRARIES = {"scapy": SCAPY, "pyshark": PYSHARK, "dpkt": DPKT}
SLOW_PROGRAMS = {"netverdict": lambda path: ["analyze", path, "--json"]}
FEW = 20_000  # packets

PROGRAMS: dict[str, tuple[str, Callable[[str], list[str]]]] = {
    "pcapreport, pass 1, whole process": (sys.executable, lambda path: ["-m", "benchmarks.pass1", path]),
    "pcapreport, read and decode, whole process": (
        sys.executable,
        lambda path: ["-m", "benchmarks.pass1", path, "--decode"],
    ),
    "pcapreport `analyze --json - --no-dissection`": (
        sys.executable,
        lambda path: ["-c", COMMAND, "analyze", path, "--json", "-", "--no-dissection"],
    ),
    "pcapreport `analyze --json -`, with dissection": (
        sys.executable,
        lambda path: ["-c", COMMAND, "analyze", path, "--json", "-"],
    ),
    "tcpdump `'tcp[13]&4!=0'`": ("tcpdump", lambda path: ["-r", path, "-w", os.devnull, "tcp[13]&4!=0"]),
    "tcptrace `-n`": ("tcptrace", lambda path: ["-n", path]),
    "tshark `-Y tcp.flags.reset==1 -T fields`": (
        "tshark",
        lambda path: ["-r", path, "-Y", "tcp.flags.reset==1", "-T", "fields", "-e", "frame.number"],
    ),
}
REFERENCE = "tshark `-Y tcp.flags.reset==1 -T fields`"


def seconds(command: list[str], runs: int) -> tuple[float, float]:
    """Median times of a whole process: elapsed, and of the processor, which other work on the machine hardly touches."""
    elapsed, used = [], []
    for _ in range(runs):
        before, begin = os.times(), time.perf_counter()
        status = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        if status not in (0, 1):  # 1: pcapreport found something harmful
            raise SystemExit(f"{command} ended with status {status}")
        elapsed.append(time.perf_counter() - begin)
        after = os.times()
        used.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return statistics.median(elapsed), statistics.median(used)


def agree(path: Path) -> int:
    """The number of resets, on which we and tshark must agree before anything is measured."""
    _, resets, *_ = pass1.run(path)
    tshark = shutil.which("tshark")
    if tshark:
        command = [tshark, *PROGRAMS[REFERENCE][1](str(path))]
        theirs = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        if len(theirs) != resets:
            raise SystemExit(f"{path}: {resets} resets, but tshark sees {len(theirs)}")
    return resets


def inside(path: Path, fold: bool, runs: int) -> list[tuple[int, int, float, float]]:
    """What `pass1.run` says, several times within this process, compiled code already loaded."""
    return [pass1.run(path, fold) for _ in range(runs)]


def slow(path: str) -> dict[str, list[str]]:
    """The commands of what is measured on a small capture only, of all that is installed."""
    libraries = {
        name: [sys.executable, "-c", program, path]
        for name, program in LIBRARIES.items()
        if importlib.util.find_spec(name)
    }
    programs = {
        name: [found, *arguments(path)] for name, arguments in SLOW_PROGRAMS.items() if (found := shutil.which(name))
    }
    return libraries | programs


def measure(path: Path, runs: int) -> list[str]:
    """Return the table of one capture, as lines of Markdown."""
    resets = agree(path)
    packets = 0
    times: dict[str, tuple[float, float]] = {}
    for name, fold in (("pcapreport, pass 1", True), ("pcapreport, read and decode", False)):
        packets, _, elapsed, used = (
            statistics.median(column) for column in zip(*inside(path, fold, runs), strict=True)
        )
        times[f"{name}, without start-up"] = elapsed, used
    for name, (program, arguments) in PROGRAMS.items():
        found = shutil.which(program)
        if found:
            times[name] = seconds([found, *arguments(str(path))], min(runs, SLOW_RUNS) if name == REFERENCE else runs)
            print(f"  {name}: {times[name][0]:.2f} s", file=sys.stderr)
    for name, command in slow(str(path)).items() if packets <= FEW else ():
        times[name] = seconds(command, 1)
        print(f"  {name}: {times[name][0]:.2f} s", file=sys.stderr)
    reference = times.get(REFERENCE)
    lines = [
        f"### {path.stem.partition('-')[0]}: {int(packets):,} packets, {path.stat().st_size / 1e6:,.0f} MB, {resets} resets",
        "",
        "| program | seconds | processor seconds | million packets a second | tshark's seconds : its own |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, (value, used) in times.items():
        ratio = f"{reference[0] / value:.1f}" if reference else ""
        lines.append(f"| {name} | {value:.2f} | {used:.2f} | {packets / value / 1e6:.2f} | {ratio} |")
    return [*lines, ""]


def machine() -> str:
    """What the figures depend on, in one line."""
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {metadata.version(name)}" for name in ("numpy", "numba")]
    for program in ("tshark", "tcpdump"):
        found = shutil.which(program)
        if found:
            run = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
            words = (run.stdout or run.stderr).splitlines()[0].split()
            versions.append(f"{program} {next((word for word in words if word[0].isdigit()), '')}".strip())
    return f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}; " + ", ".join(versions) + "."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, help="where the captures are written and kept (default: a temporary one)"
    )
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--ring", type=int, default=0, metavar="N", help="measure a set of N files of 200 MB, too")
    parser.add_argument("--no-write", action="store_true", help="show the table, leave benchmarks/README.md as it is")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        lines = [machine(), f"Medians of {options.runs} runs (tshark: {min(options.runs, SLOW_RUNS)}).", ""]
        for path in (*generate.both(folder, options.packets), generate.both(folder, FEW)[1]):
            print(path.name, file=sys.stderr)
            lines += measure(path, options.runs)
        if options.ring:
            lines += ring.table(generate.ring(folder, options.ring))
    text = "\n".join(lines).rstrip()
    print(text)
    if not options.no_write:
        before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        README.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
