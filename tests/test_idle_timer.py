"""The idle timer of a firewall, recovered from a lab case whose timer is known, and not from a single failure."""

from __future__ import annotations

import pandas as pd
import pytest
from test_corpus import CASES

from captures.lab import judging
from captures.lab.case_file import View

TIMER = 4.0  # s; the rule of the case idle_timer_bracket


@pytest.mark.parametrize("view", ["client", "router", "both"])  # the device resets only towards the client
def test_the_timer_of_the_lab_is_recovered_with_its_bracket(view: View) -> None:
    d = judging.diagnosis(CASES["idle_timer_bracket"], view)
    low, high = (float(d.endings[name].iloc[0]) for name in ("timer_low", "timer_high"))
    assert low < TIMER <= high and high - low < 2.0
    assert d.endings["timer_known"].isna().all()  # no product's default lies there, and none is named
    assert "longer than 3.60 s and at most 4.40 s" in d.verdict["sentence"]


def test_one_failure_makes_no_timer() -> None:
    d = judging.diagnosis(CASES["pgbouncer_server_lost"], "router")
    assert d.endings["path_failures"].tolist() == [1] and d.findings["cause"].tolist() == ["idle_timeout"]
    assert pd.isna(d.endings["timer_high"].iloc[0]) and pd.isna(d.endings["timer_known"].iloc[0])
    assert "timer is" not in d.verdict["sentence"]
