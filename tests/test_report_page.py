"""The page as bytes: what it says, what it never lets through, and that it is the same twice."""

from __future__ import annotations

import copy
import itertools
import re
from html.parser import HTMLParser
from typing import Any

import jinja2
import pytest
import report_fixture as fixture

from analyzer import report
from analyzer.report import page, story, wording
from analyzer.result import Diagnosis

TOPS = ["i1", "i2", "i3", "i4"]


class Outline(HTMLParser):
    """Headings in order, ids, in-page links and element names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.names.add(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if values.get("id"):
            self.ids.append(values["id"] or "")
        if tag in ("a", "use") and (values.get("href") or "").startswith("#"):
            self.links.append((values["href"] or "")[1:])


@pytest.fixture(scope="module", params=TOPS)
def html(request: pytest.FixtureRequest) -> str:
    return report.html(fixture.diagnosis(top=request.param))


def test_the_same_diagnosis_gives_the_same_bytes() -> None:
    assert report.html(fixture.diagnosis()) == report.html(fixture.diagnosis())


def test_headings_are_in_order(html: str) -> None:
    levels = Outline(html).headings
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_anchor_leads_somewhere_and_ids_are_unique(html: str) -> None:
    outline = Outline(html)
    assert set(outline.links) <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    assert not {"img", "iframe", "object", "embed", "form"} & Outline(html).names
    assert not re.search(r"""(src|href|action)\s*=\s*["']?(https?:|//|file:)""", html)
    assert not re.search(r"@import|url\((?!#)", html)
    assert "default-src 'none'" in html and "<?xml" not in html and "<metadata" not in html


def test_hostile_text_is_shown_and_never_acts(html: str) -> None:
    assert fixture.SCRIPT not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not re.search(wording._HIDDEN.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"), html)
    assert r"\x1b[31mred" in html and r"\u202egnp.exe" in html
    assert fixture.JAPANESE in html
    assert "x" * 1000 not in html and "(5,000 characters)" in html


def test_the_verdict_says_who_why_how_sure_how_many_when_and_where() -> None:
    verdict = report.html(fixture.diagnosis()).partition("</header>")[0]
    for words in ("The client 10.0.1.15 cut its connection", "The program closed the connection abruptly", "very likely", "(0.94)",
                  "38 of 38 laboratory cases", "1 reset", "2026-03-02 00:15:07.850", "at the server's host".replace("'", "&#39;"),
                  "Expected, and not so: The reset came within one round trip", "33 % of the harmful ones"):  # fmt: skip
        assert words in verdict


def test_transmitted_is_kept_apart_from_the_address() -> None:
    verdict = report.html(fixture.diagnosis(top="i2")).partition("</header>")[0]
    assert "the server’s" in verdict and "a device between" in verdict and "proved" in verdict


def test_the_undetermined_shows_the_next_capture_first() -> None:
    verdict = report.html(fixture.diagnosis(top="i3")).partition("</header>")[0]
    assert "cannot be told from this capture" in verdict
    assert "The next capture that would decide" in verdict and "tcpdump -i any -s 128" in verdict
    assert "Who it could have been" in verdict


def test_harmless_incidents_are_folded(html: str) -> None:
    assert "1 kind of harmless ending, 10 connections" in html


def test_the_ladder_has_the_reset_the_log_line_and_the_gap() -> None:
    html = report.html(fixture.diagnosis())
    ladder = html[html.index('class="ladder') : html.index("</figure>", html.index('class="ladder'))]
    assert "[RST, ACK] Seq=770 Ack=1889 Len=0" in ladder
    assert "nothing for 58.5 s" in ladder and "retransmission" in ladder and "27 packets not shown" in ladder
    assert ladder.index("[RST, ACK]") < ladder.index("could not receive data from client")
    assert 'data-copy="frame.number == 71"' in ladder


def test_a_copy_is_left_out_of_the_ladder() -> None:
    diagnosis = fixture.diagnosis()
    frames = diagnosis.packets["frame"]
    diagnosis.packets.loc[frames == 70, "copy_of"] = 69
    assert 'data-copy="frame.number == 70"' not in report.html(diagnosis)


def test_no_template_asks_for_a_name_that_is_not_there() -> None:
    diagnosis = fixture.diagnosis()
    env = page.environment(undefined=jinja2.StrictUndefined)
    assert env.get_template("page.html").render(page.context(diagnosis))


def emptied(value: Any) -> Any:
    """The same document with every leaf that may be null set to null; ids and lists stay."""
    if isinstance(value, dict):
        keep = ("id", "incident", "endings", "cause", "reset_by", "weight")
        return {key: item if key in keep else emptied(item) for key, item in value.items()}
    return [emptied(item) for item in value] if isinstance(value, list) else None


def replaced(document: dict[str, Any]) -> Diagnosis:
    diagnosis = fixture.diagnosis()
    diagnosis.__dict__["document"] = document  # what the cached property would hold
    return diagnosis


def test_a_document_full_of_nulls_still_makes_every_form() -> None:
    diagnosis = replaced(emptied(copy.deepcopy(fixture.diagnosis().document)))
    assert "<h1" in report.html(diagnosis) and report.text(diagnosis) and report.snippet(diagnosis)
    assert report.explanation(diagnosis, "r5")


def test_a_document_without_anything_still_makes_every_form() -> None:
    nothing = {"schema": "pcapreport/1", "verdict": {"incident": None, "sentence": "Nothing was reset."}}
    diagnosis = replaced(nothing | {key: [] for key in ("incidents", "resets", "coverage", "sources")})
    assert "No connection was reset in what was captured." in report.html(diagnosis)
    assert "No connection was reset" in report.text(diagnosis) and report.snippet(diagnosis)


def test_a_silence_is_told_as_one() -> None:
    made = fixture.notation()
    model = next(reset for reset in made["resets"] if reset["id"] == "r5")
    made["resets"].remove(model)
    made["died_in_silence"] = [{**model, "id": "s1", "kind": "silence", "reset_by": "undetermined", "confidence": None}]
    made["incidents"][0] |= {"endings": ["s1"], "reset_by": "undetermined", "confidence": None}
    fixture.KINDS["s1"] = 1
    html = report.html(fixture.diagnosis(made))
    assert "died without an answer" in html and "1 silent death" in html


def test_twenty_thousand_resets_stay_below_five_megabytes() -> None:
    html = report.html(fixture.many(20_000))
    assert len(html.encode()) < 5_000_000
    assert "500 of 20,000 are shown" in html


def test_evidence_is_sorted_into_for_against_and_unseen() -> None:
    told = story.tell(fixture.diagnosis())
    assert told.top is not None
    best = told.top.evidence[0]
    assert [len(part) for part in (best.speaks_for, best.against, best.counted, best.unseen)] == [3, 1, 1, 2]
    assert told.top.reset is not None and told.top.reset["id"] == "r5"


def test_snippet_has_no_script_and_the_first_incidents() -> None:
    snippet = report.snippet(fixture.diagnosis())
    assert "<script" not in snippet and "abruptly" in snippet and snippet.count("<tr>") == 5
