"""The same packets as one file, as a rotated set under shuffled names, compressed, and through a pipe: the same answer, byte by byte."""

import bz2
import gzip
import importlib
import io
import itertools
import json
import lzma
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import analyzer

CORPUS = Path(__file__).parent.parent / "captures"
CASES = [
    CORPUS / "postgres_client_abort" / "server.pcap",
    CORPUS / "stale_pool" / "client.pcap",
    CORPUS / "forged_burst" / "server.pcap",
]
PLACES = ("capture", "frame", "stream")  # what depends on the cutting


def zstd(data: bytes) -> bytes:
    try:
        module = importlib.import_module("compression.zstd")
    except ImportError:
        module = importlib.import_module("backports.zstd")
    return module.compress(data)


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstd,
    "lz4": lambda data: importlib.import_module("lz4.frame").compress(data),
}


def rotated(data: bytes, count: int) -> list[bytes]:
    """A classic capture as so many files that follow each other."""
    order = "<" if data[0] in (0xD4, 0x4D) else ">"
    records, at = [], 24
    while at < len(data):
        size = 16 + struct.unpack_from(order + "I", data, at + 8)[0]
        records.append(data[at : at + size])
        at += size
    bounds = [len(records) * i // count for i in range(count + 1)]
    return [data[:24] + b"".join(records[a:b]) for a, b in itertools.pairwise(bounds)]


def answer(d: analyzer.Diagnosis) -> list[dict[str, Any]]:
    """What is said of each ending, without where it stands; and the verdict."""
    document = json.loads(d.to_json())
    verdict = {
        key: document["verdict"][key] for key in ("reset_by", "cause", "confidence", "cause_confidence", "covers")
    }

    def shape(item: dict[str, Any]) -> dict[str, Any]:
        evidence = [(e["cause"], e["sign"], e["held"], e["weight"]) for e in item["evidence"]]
        plain = (
            "time",
            "client",
            "server",
            "roles_known",
            "apparent_sender",
            "reset_by",
            "emitter",
            "confidence",
            "cause",
        )
        more = ("cause_confidence", "harmless", "alternatives")
        return {name: item[name] for name in (*plain, *more)} | {"evidence": evidence, "copies": len(item["copies"])}

    return [verdict, *map(shape, document["resets"]), *map(shape, document["died_in_silence"])]


@pytest.fixture(scope="module", params=CASES, ids=lambda path: path.parent.name)
def case(request: pytest.FixtureRequest) -> tuple[bytes, list[dict[str, Any]]]:
    whole = answer(analyzer.analyze(str(request.param), dissect=False))
    assert len(whole) > 1
    return request.param.read_bytes(), whole


def test_seven_files_in_any_order(case: tuple[bytes, list[dict[str, Any]]], tmp_path: Path) -> None:
    data, whole = case
    names = [f"{name}.pcap" for name in "gcafbde"]
    for name, piece in zip(names, rotated(data, 7), strict=True):
        (tmp_path / name).write_bytes(piece)
    assert answer(analyzer.analyze(str(tmp_path), dissect=False)) == whole
    random.Random(3).shuffle(names)
    assert answer(analyzer.analyze([tmp_path / name for name in names], dissect=False, threads=3)) == whole


TWICE = [
    "half_open_scan/client.pcap",
    "stale_pool_ipv6/server.pcap",
    "forged_burst/server.pcap",
    "download_cancelled/router.pcap",
]


@pytest.mark.parametrize("name", TWICE)
def test_a_mirror_that_shows_every_packet_twice(name: str, tmp_path: Path) -> None:
    """Same answer, though a reply's IP ID is 0 and IPv6 has none."""
    data = (CORPUS / name).read_bytes()
    order = "<" if data[0] in (0xD4, 0x4D) else ">"
    path = tmp_path / "capture.pcap"
    with path.open("wb") as file:
        file.write(data[:24])
        for record in rotated(data, 0xFFFF):
            if body := record[24:]:
                second, part, *sizes = struct.unpack_from(order + "4I", body)
                later = struct.pack(order + "4I", second, min(part + 3, 999_999), *sizes)
                file.write(body + later + body[16:])

    def verdicts(d: analyzer.Diagnosis) -> list[tuple[Any, ...]]:
        said = d.resets[["client", "server", "reset_by", "cause"]]
        return list(said.itertuples(index=False, name=None))

    once = verdicts(analyzer.analyze(CORPUS / name, dissect=False))
    assert once
    assert verdicts(analyzer.analyze(path, dissect=False)) == once


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_compressed(case: tuple[bytes, list[dict[str, Any]]], tmp_path: Path, kind: str) -> None:
    data, whole = case
    path = tmp_path / "capture"  # no suffix: content decides
    path.write_bytes(COMPRESSIONS[kind](data))
    d = analyzer.analyze(str(path), dissect=False)
    assert answer(d) == whole
    assert json.loads(d.to_json())["resets"][0]["frame"] > 0


def test_standard_input(
    case: tuple[bytes, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data, whole = case
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(data))))
    assert answer(analyzer.analyze("-", dissect=False)) == whole


PROGRAM = """
import sys, analyzer
from analyzer.capture import reading
paths, threads = sys.argv[2:], int(sys.argv[1])
if threads > 1:  # small files in many chunks and pieces
    reading.PIECE_BYTES, reading.read.__kwdefaults__["chunk_bytes"] = 3000, 1000
logs = [p for p in paths if p.endswith('.log')]
d = analyzer.analyze([p for p in paths if p not in logs], logs, threads=threads, dissect=False)
sys.stdout.write(d.to_json())
"""


def test_the_same_bytes_again_and_with_any_number_of_threads(tmp_path: Path) -> None:
    """Each in a process of its own, whose hashes of strings differ; the threads share the files' pieces, too."""
    folder = CORPUS / "postgres_client_abort"
    for i, piece in enumerate(rotated((folder / "server.pcap").read_bytes(), 5)):
        (tmp_path / f"{i}.pcap").write_bytes(gzip.compress(piece, mtime=0) if i % 2 else piece)
    inputs = [*sorted(map(str, tmp_path.iterdir())), str(folder / "postgresql.log")]
    outputs = []
    for seed, threads in (("1", "1"), ("2", "1"), ("3", "2"), ("4", "4")):
        environment = {"PYTHONPATH": str(CORPUS.parent), "PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-c", PROGRAM, threads, *inputs]
        outputs.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(json.loads(outputs[0])["resets"]) > 0
    assert len(set(outputs)) == 1
