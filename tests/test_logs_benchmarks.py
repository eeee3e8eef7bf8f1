"""The generated log is what it says it is: so many lines that matter, and noise in which nothing is recognised."""

from pathlib import Path

import pytest

from analyzer.logs import open_logs, read_sources
from benchmarks import logs


@pytest.mark.parametrize(("size", "told"), [(300_000, 50), (300_000, 0)])
def test_the_generated_log(tmp_path: Path, size: int, told: int) -> None:
    path = tmp_path / "postgresql.log"
    logs.write(path, size, told)
    assert size <= path.stat().st_size <= size * 1.2
    lines, sources, _ = read_sources(open_logs([path]))
    assert len(lines) == told
    assert sources["lines"][0] == path.read_bytes().count(b"\n")
    assert sources["not_understood"][0] == 0
