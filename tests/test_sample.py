"""The committed sample report: it is what the code says today, its numbers are the document's, and what it cites exists."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest

import analyzer
from analyzer.report import wording
from tools import sample

OWN = {"settings", "generated"}  # what differs between machines: versions, the moment
VOID = {"br", "meta", "link", "rect", "use", "path", "input"}


@pytest.fixture(scope="module")
def fresh(tshark: str) -> analyzer.Diagnosis:
    return sample.diagnosis()


@cache
def committed() -> dict[str, Any]:
    return json.loads((sample.SAMPLE / "report.json").read_text(encoding="utf-8"))


class Texts(HTMLParser):
    """The visible texts of a page by section, the texts in figures, and what its copy buttons copy."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.sections: list[str] = ["verdict"]
        self.texts: list[tuple[str, str]] = []
        self.figures: list[str] = []
        self.copied: list[str] = []
        self.rows: dict[str, list[str]] = {}
        self.row = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.inside.append(tag)
        if tag == "section":
            self.sections.append(values.get("id") or "")
        if tag == "tr":
            self.row = values.get("id") or ""
        if values.get("data-copy"):
            self.copied.append(str(values["data-copy"]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            self.row = ""
        if tag not in VOID:
            while self.inside and self.inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if not text or {"style", "script", "title"} & set(self.inside):
            return
        if "svg" in self.inside:
            self.figures.append(text)
            return
        self.texts.append((self.sections[-1], text))
        if self.row:
            self.rows.setdefault(self.row, []).append(text)


def same(one: Any, other: Any) -> bool:
    """Whether two documents say the same; numbers may differ in the last digits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return one is not None and other is not None and math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    return bool(one == other)


def test_the_document_is_fresh(fresh: analyzer.Diagnosis) -> None:
    now = json.loads(fresh.to_json())
    old = committed()
    assert now.keys() == old.keys()
    changed = [name for name in now.keys() - OWN if not same(now[name], old[name])]
    assert changed == [], "run `make sample`, and look at what changed"


def test_the_page_is_fresh(fresh: analyzer.Diagnosis) -> None:
    old, now = (Texts(page) for page in ((sample.SAMPLE / "report.html").read_text(encoding="utf-8"), fresh.to_html()))
    differs = [
        part for part in zip(old.texts, now.texts, strict=False) if part[0] != part[1] and part[0][0] != "sources"
    ]
    assert differs == [], "run `make sample`, and look at what changed"
    assert old.figures == now.figures and old.copied == now.copied


def test_the_other_forms_are_fresh(fresh: analyzer.Diagnosis) -> None:
    versions = re.compile(r"pcapreport \S+")
    old = (sample.SAMPLE / "report.md").read_text(encoding="utf-8")
    assert versions.sub("", old) == versions.sub("", fresh.to_markdown())
    assert (sample.SAMPLE / "report.csv").read_bytes().decode("utf-8") == fresh.to_csv()


def page() -> Texts:
    return Texts((sample.SAMPLE / "report.html").read_text(encoding="utf-8"))


def test_the_verdict_s_numbers_are_the_document_s() -> None:
    document = committed()
    (incident,) = [i for i in document["incidents"] if i["id"] == document["verdict"]["incident"]]
    verdict = " ".join(text for section, text in page().texts if section == "verdict")
    assert f"({wording.probability(incident['confidence'])})" in verdict
    assert f"({wording.probability(incident['cause_confidence'])})" in verdict
    assert f"{incident['resets']} resets" in verdict and f"{incident['logged']} with a log line" in verdict
    assert wording.moment(incident["first"], 0) in verdict and document["verdict"]["sentence"] in verdict
    assert {int(n) for n in re.findall(r"\b(\d+) (?:resets|connections)", verdict)} == {len(document["resets"])}


def test_every_row_s_numbers_are_the_document_s() -> None:
    rows = page().rows
    resets = committed()["resets"]
    assert len([name for name in rows if name.startswith("row-")]) == len(resets)
    for reset in resets:
        row = " ".join(rows[f"row-{reset['id']}"])
        told = [wording.address(reset["client"]), wording.address(reset["server"]), wording.moment(reset["time"], 3)]
        told += [wording.probability(reset["confidence"]), wording.probability(reset["cause_confidence"])]
        assert [text for text in told if text not in row] == []
        allowed = set(re.findall(r"[\d.]+", json.dumps(reset, ensure_ascii=False) + " ".join(told)))
        assert [number for number in re.findall(r"\d[\d.]*\d|\d", row) if number not in " ".join(allowed)] == []


def cited(value: Any) -> list[tuple[str, int]]:
    """Every (capture, frame) anywhere in a document."""
    if isinstance(value, dict):
        own = [(value["capture"], value["frame"])] if value.get("frame") is not None and "capture" in value else []
        return own + [pair for item in value.values() for pair in cited(item)]
    return [pair for item in value for pair in cited(item)] if isinstance(value, list) else []


def test_every_frame_that_is_cited_exists(fresh: analyzer.Diagnosis) -> None:
    packets = {(p, f) for p, f in zip(fresh.packets["capture"], fresh.packets["frame"], strict=True)}
    found = set(cited(committed()))
    assert len(found) > 20 and found <= packets
    resets = {(c, f) for c, f in zip(fresh.reset_frames["capture"], fresh.reset_frames["frame"], strict=True)}
    assert {(r["capture"], r["frame"]) for r in committed()["resets"]} <= resets
    frames = {int(text.split()[-1]) for text in page().copied if text.startswith("frame.number == ")}
    assert len(frames) > 20 and frames <= {frame for _, frame in packets}
    streams = {int(text.split()[-1]) for text in page().copied if text.startswith("tcp.stream eq ")}
    assert streams <= set(fresh.packets["stream"])
