"""The corpus's logs against its captures: nearly every tie is right, with and without the lines that name connections; a log that was
shuffled in time, or is another case's, is not tied at all. What is counted is what captures/SCORE.md shows (captures/lab/tying.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from captures.lab import case_file, tying
from captures.lab.tying import Tied

CASES = case_file.cases(Path(__file__).parents[1] / "captures")


@pytest.fixture(scope="module")
def found() -> list[Tied]:
    return tying.tied(CASES)


@pytest.mark.parametrize(("way", "least"), [("as written", 250), ("without names", 100)])
def test_nearly_every_tie_is_right(found: list[Tied], way: str, least: int) -> None:
    own = [case for case in found if case.way == way]
    right, wrong = sum(case.right for case in own), sum(case.wrong for case in own)
    assert right >= least
    assert right >= 0.99 * (right + wrong), [(case.case, case.wrongly) for case in own if case.wrong]


@pytest.mark.parametrize("way", tying.FOREIGN)
def test_a_log_that_does_not_belong_is_not_tied(found: list[Tied], way: str) -> None:
    own = [case for case in found if case.way == way]
    ties = sum(case.foreign for case in own)
    assert ties <= 0.01 * sum(case.lines for case in own)
    assert ties == sum(case.doubtful for case in own)
