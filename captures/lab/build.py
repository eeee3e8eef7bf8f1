"""The command that builds cases: ``python -m captures.lab.build [CASE ...]``.

Each case is played in a temporary folder and takes its place in ``captures/`` only when the witnesses confirm its
label. It needs root.
"""

import argparse
import datetime
import importlib
import json
import os
import pkgutil
import platform
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from captures.lab import capturing, case_file, cases, network, postgres, witnesses
from captures.lab.lab import Lab, installed

CORPUS = Path(__file__).resolve().parents[1]
LOCK = Path(tempfile.gettempdir()) / "pcapreport-lab-build.lock"
MAX_CASE_BYTES = 300_000
PROGRAMS = ("ip", "iptables", "ip6tables", "ethtool", "tcpdump", "tshark")


def names() -> list[str]:
    """Every case that can be built."""
    return sorted(module.name for module in pkgutil.iter_modules(cases.__path__))


def missing() -> list[str]:
    """What this machine lacks to build a case, each as a sentence; empty where it lacks nothing."""
    if os.geteuid() != 0:
        return ["The lab needs root: it makes network namespaces."]
    sentences = [f"The program {program} is not installed." for program in PROGRAMS if not shutil.which(program)]
    if not postgres.BINARIES.exists():
        sentences.append("PostgreSQL's server is not installed.")
    return sentences + [sentence for sentence in [witnesses.trace_obstacle()] if sentence]


def build(name: str, corpus: Path = CORPUS, keep: Path | None = None) -> Path:
    """Play one case and put it, confirmed, into the corpus; its folder. ``keep``: where to leave what fails."""
    script = importlib.import_module(f"captures.lab.cases.{name}")
    for program in getattr(script, "PROGRAMS", ()):
        if not shutil.which(program):
            raise RuntimeError(f"The program {program}, which this case needs, is not installed.")
    with tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as temporary:
        scratch = Path(temporary)
        scratch.chmod(0o755)  # servers that are not root have their files in here
        folder = scratch / name
        folder.mkdir()
        try:
            lab, testimony = _play(script, scratch, folder)
            connections = witnesses.judge(testimony, _spell_out_the_rest(lab, testimony))
            _check_log_lines(folder, connections)
            _write(script, lab, testimony, connections)
        except Exception:
            if keep:
                shutil.copytree(
                    scratch, keep / name, ignore=shutil.ignore_patterns("cluster", "mariadb"), dirs_exist_ok=True
                )
            raise
        _take_place(folder, corpus / name)
    return corpus / name


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m captures.lab.build", description="Build cases of the corpus with real kernels and servers."
    )
    parser.add_argument("case", nargs="*", help=f"one or more of: {', '.join(names())}; all, where none is named")
    parser.add_argument("--keep", type=Path, help="a folder in which a case that fails leaves its captures and logs")
    options = parser.parse_args(arguments)
    chosen = options.case or names()
    if unknown := set(chosen) - set(names()):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if sentences := missing():
        print(" ".join(sentences), file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave in order: namespaces and servers end with the case
    failed = 0
    for name in chosen:
        started = time.monotonic()
        try:
            build(name, keep=options.keep)
            print(f"{name}: confirmed ({time.monotonic() - started:.0f} s)")
        except witnesses.Contradiction as contradiction:
            failed += 1
            print(f"{name}: NOT CONFIRMED: {contradiction}")
        except Exception:  # the other cases are still worth building
            failed += 1
            print(f"{name}: FAILED\n{traceback.format_exc()}")
    return 1 if failed else 0


@contextmanager
def _one_lab_at_a_time() -> Iterator[None]:
    """The machines' names and addresses are the same in every case, and the kernel's trace knows only addresses."""
    import fcntl  # exists only where the lab does

    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        network.clear()
        yield


def _play(script: ModuleType, scratch: Path, folder: Path) -> tuple[Lab, witnesses.Testimony]:
    """Act the case out; when this returns, the machines and their processes are gone."""
    with ExitStack() as cleanup:
        cleanup.enter_context(_one_lab_at_a_time())
        trace = cleanup.enter_context(witnesses.Trace())
        lab = Lab(getattr(script, "NETWORK", network.Network()), scratch, folder, cleanup)
        script.play(lab)
        packets = capturing.stop(lab.captures)
        for capture in lab.captures:
            for point, change in lab.edits:
                if point == capture.point:
                    capturing.edit(capture, change)
        files = {capture.point: capture.files() for capture in lab.captures}
        transit = lab.network.delay_seconds + witnesses.SAME_PACKET_SECONDS
        testimony = witnesses.Testimony(
            packets=packets,
            trace=trace.read(),
            rules={name: witnesses.rules(machine) for name, machine in lab.machines.items()},
            forged=sum(forger.sent for forger in lab.forgers),
            resets=witnesses.resets(files, lab.clocks, transit),
            transit_seconds=transit,
            addresses={name: witnesses.addresses(machine) for name, machine in lab.machines.items()},
            closed=witnesses.closed(files, [label for label in lab.connections if label.ending != "reset"]),
        )
    return lab, testimony


def _spell_out_the_rest(lab: Lab, testimony: witnesses.Testimony) -> list[case_file.Connection]:
    """The case's labels, with one of its own for each reset connection that the case named only by its port."""
    labelled = list(lab.connections)
    known = {connection.client for connection in labelled}
    for rest in lab.rest:
        ends = [(reset.source, reset.destination) for reset in testimony.resets]
        ends += [(destination, source) for source, destination in ends]
        clients = sorted({client for client, server in ends if server == rest.server} - known)
        labelled += [replace(rest, client=client) for client in clients]
    return labelled


def _check_log_lines(folder: Path, connections: list[case_file.Connection]) -> None:
    for connection in connections:
        for line in connection.log_lines:
            if line.text not in (folder / line.file).read_text(encoding="utf-8"):
                raise witnesses.Contradiction(f"{line.file} has no line with {line.text!r}")


def _write(
    script: ModuleType, lab: Lab, testimony: witnesses.Testimony, connections: list[case_file.Connection]
) -> None:
    """The case folder: captures under their points' names, the label, the testimony."""
    files: dict[case_file.Point, str] = {}
    original: dict[str, str] = {}
    for capture in lab.captures:
        for path in capture.files():
            portable = path.name.replace(":", "-")
            own = path.stem == capture.point
            target = Path(portable) if own else Path(capture.point, portable)
            (lab.folder / target).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, lab.folder / target)
            files[capture.point] = str(target) if own else capture.point
            if portable != path.name:
                original[str(target)] = path.name
    title, _, story = (script.__doc__ or "").strip().partition("\n")
    case = case_file.Case(
        title=title.rstrip("."),
        origin=case_file.Origin(
            story=" ".join(story.split()),
            built=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            network=lab.network.sentence(),
            kernel=f"{platform.system()} {platform.release().split('-')[0]}",
            software=(*dict.fromkeys(lab.software), installed("tcpdump", "--version")),
        ),
        captures=files,
        connections=tuple(connections),
        logs=tuple(lab.logs),
        clocks=lab.clocks,
        original_names=original,
    )
    (lab.folder / "case.toml").write_text(case_file.dump(case), encoding="utf-8")
    (lab.folder / "witness.json").write_text(json.dumps(testimony.as_json(), indent=1) + "\n", encoding="utf-8")
    if replace(case_file.load(lab.folder), folder=Path()) != case:
        raise RuntimeError("case.toml does not read back as it was written")
    size = sum(path.stat().st_size for path in lab.folder.rglob("*") if path.is_file())
    if size > MAX_CASE_BYTES:
        raise RuntimeError(f"the case has {size} bytes, more than {MAX_CASE_BYTES}")


def _take_place(folder: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
