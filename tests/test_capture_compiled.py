"""Compiled kernels: cached where that is possible, compiled once, and working where no cache can be written."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import capture_builders as build
import numpy as np
import pytest
from capture_builders import START, Frame
from numpy.typing import NDArray

from analyzer import capture, compiled

TWO = np.dtype([("a", np.int64), ("b", np.uint16)], align=True)
STEP = 3


@compiled.callee
def _once_more(total: Any, step: int) -> Any:
    return total + step


@compiled.compiled(rows=TWO, sums=np.int64)
def _summed(rows: Any, sums: Any, times: int) -> int:
    for i in range(len(rows)):
        sums[i] = _once_more(rows[i].a + rows[i].b, STEP) // times
    return len(rows)


@compiled.compiled(rows=TWO)
def _allocating(rows: Any) -> int:
    return len(np.zeros(len(rows) + 1))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for machine code, and the kernel as a new process has it."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(_summed, "_code", None)
    return tmp_path


def summed() -> list[int]:
    rows = np.array([(40, 7), (-3, 0)], TWO)
    sums = np.zeros(2, np.int64)
    assert _summed(rows, sums, 2) == 2
    return sums.tolist()


def test_a_kernel_computes_what_its_text_says(fresh: Path) -> None:
    assert summed() == [25, 0]
    assert compiled.at_hand(_summed)
    assert [path.name.startswith(f"{__name__}._summed-") for path in fresh.iterdir()] == [True]


def test_without_a_place_for_machine_code_kernels_still_compile(monkeypatch: pytest.MonkeyPatch, fresh: Path) -> None:
    (fresh / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(fresh / "file" / "below"))
    assert summed() == [25, 0]
    assert not compiled.at_hand(_summed)


@pytest.mark.parametrize("damage", [lambda code: code[:-1], lambda code: code[:40] + b"?" + code[41:]])
def test_machine_code_that_is_not_whole_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, fresh: Path, damage: Callable[[bytes], bytes]
) -> None:
    summed()
    (path,) = fresh.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert not compiled.at_hand(_summed)
    monkeypatch.setattr(_summed, "_code", None)
    assert summed() == [25, 0]
    assert compiled.at_hand(_summed)


def test_machine_code_of_other_constants_is_not_taken(monkeypatch: pytest.MonkeyPatch, fresh: Path) -> None:
    summed()
    monkeypatch.setattr(sys.modules[__name__], "STEP", 4)
    compiled._made_of.cache_clear()
    assert not compiled.at_hand(_summed)
    monkeypatch.undo()
    compiled._made_of.cache_clear()


@pytest.mark.parametrize("rows", [np.zeros(3, np.int64), np.zeros(6, TWO)[::2], np.zeros((2, 2), TWO)])
def test_a_kernel_takes_no_other_arrays(rows: NDArray[Any]) -> None:
    with pytest.raises(TypeError, match="without gaps"):
        _summed(rows, np.zeros(3, np.int64), 1)


def test_a_kernel_that_allocates_is_refused(fresh: Path) -> None:
    with pytest.raises(AssertionError, match="allocates and raises nothing"):
        _allocating(np.zeros(3, TWO))


def test_the_first_compilation_says_what_it_does(tmp_path: Path) -> None:
    program = (
        "import sys, analyzer; told = []; "
        "analyzer.analyze(sys.argv[1], dissect=False, progress=lambda what, done, total: told.append(what)); print(told, 'numba' in sys.modules)"
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
    assert first.endswith("] True\n")
    assert second.startswith("['reading'")
    assert second.endswith("] False\n")


def test_chunks_are_read_only(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(build.pcap([Frame(START, b"\0" * 60)]))
    for chunk in capture.read(build.found(tmp_path / "a.pcap")):
        assert not chunk.segments.flags.writeable
