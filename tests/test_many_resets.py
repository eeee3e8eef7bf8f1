"""Very many resets: what is kept, written and shown of them stays bounded. Their time is measured by `python -m benchmarks.resets`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import analyzer
from benchmarks import resets
from benchmarks.generate import write

COUNT = 1_500
AS_MANY = 20_000  # what the limits below are meant for
JSON, PAGE = 60e6, 5e6  # bytes for as many


@pytest.mark.parametrize("make", [resets.scan, resets.mass_restart], ids=["scan", "restart"])
def test_a_crowd_is_one_incident_and_little_text(make: Callable[[int], Any], tmp_path: Path) -> None:
    capture = tmp_path / "crowd.pcap"
    write(capture, make(COUNT))
    d = analyzer.analyze(str(capture), dissect=False)
    assert len(d.endings) == COUNT and len(d.incidents) == 1
    assert d.incidents["resets"].tolist() == [COUNT]
    assert str(COUNT) in d.verdict["sentence"].replace(",", "")
    text = d.to_json()
    assert json.loads(text) == json.loads(json.dumps(d.document))
    assert len(text.encode()) / COUNT < JSON / AS_MANY
    assert len(d.evidence) / COUNT < 4
    page = d.to_html()
    assert len(page.encode()) < PAGE / 5  # and does not grow with the crowd

    assert len(d.to_markdown()) < 20_000
