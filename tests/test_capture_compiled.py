"""Compiled kernels: cached where that is possible, compiled once, and working where no cache can be written."""

import os
import subprocess
import sys
from pathlib import Path

import capture_builders as build
import numba
import pytest
from capture_builders import START, Frame, enhanced, interface, section

from analyzer import capture, compiled
from analyzer.capture import decode, pcap, pcapng


def test_without_a_cache_kernels_still_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba.njit

    def no_locator(*args: object, **options: object) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'f': no locator available")
        return njit(*args, **options)

    def add(a: int, b: int) -> int:
        return a + b

    monkeypatch.setattr(numba, "njit", no_locator)
    kernel = compiled.compiled(add)
    assert kernel(2, 3) == 5
    assert kernel.targetoptions["nogil"]


def test_the_first_compilation_says_what_it_does(tmp_path: Path) -> None:
    program = (
        "import sys, analyzer; told = []; "
        "analyzer.analyze(sys.argv[1], dissect=False, progress=lambda what, done, total: told.append(what)); print(told)"
    )
    capture = Path(__file__).parents[1] / "captures" / "postgres_client_abort" / "server.pcap"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", program, capture], env=environment, check=True, capture_output=True, text=True
        ).stdout
        for _ in range(2)
    )
    assert first.startswith("['compiling for this machine, the first time only', 'reading'")
    assert second.startswith("['reading'")


def test_kernels_are_cached_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(build.pcap([Frame(START, b"\0" * 60)]))
    code = (
        "import sys; from analyzer import capture; from analyzer.capture import decode, pcap\n"
        f"files, _ = capture.find([{str(path)!r}]); list(capture.read(files[0]))\n"
        "print(sum(decode.decode.stats.cache_hits.values()), sum(decode.decode.stats.cache_misses.values()))"
    )
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(Path(__file__).parents[1])}
    runs = [
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert [run.split() for run in runs] == [["0", "1"], ["1", "0"]]


def test_each_kernel_is_compiled_once(tmp_path: Path) -> None:
    one = Frame(START, b"\0" * 60)
    (tmp_path / "a.pcap").write_bytes(build.pcap([one], order=">") + b"cut")
    (tmp_path / "b.pcapng").write_bytes(section() + interface() + enhanced(one) + section(">") + interface(order=">"))
    for path in (tmp_path / "a.pcap", tmp_path / "b.pcapng"):
        for chunk_bytes in (64, 1 << 20):
            assert sum(chunk.packets for chunk in capture.read(build.found(path), chunk_bytes=chunk_bytes)) == 1
        capture.extract(build.found(path), [1], tmp_path / "x")
    assert [len(kernel.signatures) for kernel in (decode.decode, pcap._walk, pcapng._walk)] == [1, 1, 1]


def test_chunks_are_read_only(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(build.pcap([Frame(START, b"\0" * 60)]))
    for chunk in capture.read(build.found(tmp_path / "a.pcap")):
        assert not chunk.segments.flags.writeable
