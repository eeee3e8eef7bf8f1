"""What the analyzer says of a case at a view. It is asked once: answers are kept in `.cache/score` while code and case are the same.

`judge` gives what is compared with a label, `diagnosis` the whole result for tests of what is made from it.

Nothing here knows the label; scoring.py compares.
"""

import hashlib
import json
import os
import pickle
import platform
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import analyzer
from analyzer.diagnosis.record import FILE as RECORD
from analyzer.dissection import find_tshark
from captures.lab.case_file import Case, View

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".cache" / "score"
ENDS: tuple[View, ...] = ("client", "server")  # what the view "both" shows together
LIBRARIES = ("numpy", "pandas", "numba", "pyshark")
TOLD = (
    "ending", "kind", "client", "server", "apparent_sender", "harmless", "reset_by", "confidence", "cause", "cause_confidence",
    "emitter", "proof", "alternatives",
)  # fmt: skip


@dataclass(frozen=True)
class Judgement:
    """The analyzer's answer for one case, at one view, with or without the case's logs."""

    endings: list[
        dict[str, Any]
    ]  # TOLD, `tied` (its log lines: source, text) and `names` (its client, server at each point)
    connections: list[list[str]]  # client, server of every connection that passed


def views(case: Case) -> list[View]:
    """Each capture point alone and, where both ends were captured, the two together."""
    alone: list[View] = list(case.captures)
    return [*alone, "both"] if set(ENDS) <= set(alone) else alone


def points(case: Case, view: View) -> dict[str, Path]:
    """The captures that a view shows, by point."""
    names: Iterable[View] = ENDS if view == "both" else (view,)
    return {name: case.folder / case.captures[name] for name in names if name != "both"}


def diagnosis(case: Case, view: View, logs: bool = True) -> "analyzer.Diagnosis":
    """Analyze, or remember: the whole result."""
    logs = logs and bool(case.logs)
    kept = KEPT / f"{case.folder.name}-{view}-{'with' if logs else 'without'}-logs-{_key(case, view, logs)[:16]}.pickle"
    if kept.exists():
        return pickle.loads(kept.read_bytes())  # our own, of this very code
    d = analyzer.analyze(
        at={point: str(path) for point, path in points(case, view).items()},
        logs=[str(case.folder / log.file) for log in case.logs] if logs else [],
    )
    KEPT.mkdir(parents=True, exist_ok=True)
    for old in KEPT.glob(f"{kept.name[:-23]}????????????????.pickle"):
        old.unlink(missing_ok=True)
    _write(kept, pickle.dumps(d))
    return d


def _write(path: Path, content: bytes) -> None:
    """Write whole or not at all: several processes may do it at once."""
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)


def judge(case: Case, view: View, logs: bool = True) -> Judgement:
    """Analyze, or remember."""
    logs = logs and bool(case.logs)
    key = _key(case, view, logs)
    kept = KEPT / f"{case.folder.name}-{view}-{'with' if logs else 'without'}-logs.json"
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if known.get("key") != key:
        known = {"key": key, **asdict(_analyze(case, view, logs))}
        KEPT.mkdir(parents=True, exist_ok=True)
        _write(kept, json.dumps(known, ensure_ascii=False).encode())
    return Judgement(known["endings"], known["connections"])


def _analyze(case: Case, view: View, logs: bool) -> Judgement:
    d = diagnosis(case, view, logs)
    passed = [[_end(c["client_ip"], c["client_port"]), _end(c["server_ip"], c["server_port"])]
              for c in analyzer.schema.records(d.connections)]  # fmt: skip
    by_number = dict(zip(d.connections["connection"], passed, strict=True))
    names: dict[str, list[list[str]]] = {}
    for leg in analyzer.schema.records(d.legs):
        names.setdefault(leg["ending"], []).append(by_number[leg["connection"]])
    lines = d.matches.merge(d.log_lines[["source", "line", "text"]], on=["source", "line"])
    tied: dict[str, list[list[str]]] = {}
    for ending, source, text in zip(lines["ending"], lines["source"], lines["text"], strict=True):
        tied.setdefault(ending, []).append([source, text])
    endings = []
    for row in analyzer.schema.records(d.endings.merge(d.findings, on="ending")):
        own = [row["client"], row["server"]]
        known = [own, *(pair for pair in names.get(row["ending"], []) if pair != own)]
        endings.append({name: row[name] for name in TOLD} | {"tied": tied.get(row["ending"], []), "names": known})
    return Judgement(endings, sorted(passed))


def _end(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _key(case: Case, view: View, logs: bool) -> str:
    """What an answer depends on: the analyzer, what it stands on, and the files that it is given."""
    digest = hashlib.sha256(machinery().encode())
    places = [*points(case, view).values(), *(case.folder / log.file for log in case.logs if logs)]
    for path in files(places):
        digest.update(f"{path.relative_to(case.folder)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def files(places: Iterable[Path]) -> Iterator[Path]:
    """The files themselves: a rotated set is a folder."""
    for place in places:
        yield from sorted(place.iterdir()) if place.is_dir() else [place]


@cache
def machinery() -> str:
    """A checksum of the analyzer's sources and of the versions that it runs with."""
    digest = hashlib.sha256(f"{platform.python_version()} {[version(name) for name in LIBRARIES]}".encode())
    if tshark := find_tshark():
        digest.update(
            subprocess.run([tshark, "--version"], capture_output=True, check=False).stdout.partition(b"\n")[0]
        )
    for path in sorted((ROOT / "analyzer").rglob("*")):
        if path.suffix in (".py", ".json") and path != RECORD:  # which is made of the answers
            digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()
