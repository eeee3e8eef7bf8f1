"""What stands in packets, logs and file names never acts: each payload in every place that is ever shown, in every form.

The proof is comparison: with a payload in it, a form has the same structure as with a harmless word.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser

import pytest
import report_fixture as fixture
from markdown_it import MarkdownIt

from analyzer import report
from analyzer.report import spreadsheet, wording
from analyzer.result import Diagnosis

HARMLESS = "harmless"
PAYLOADS = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"'><img src=x onerror=alert(1)>",
    "event": "' autofocus onfocus='alert(1)",
    "svg": "</text></svg><svg onload=alert(1)>",
    "style": "</style><style>*{display:none}</style>",
    "comment": "--><!-- ]]> <![CDATA[",
    "entities": "&lt;b&gt; &#60;b&#62; &#x3c;",
    "address": "javascript:alert(1)//",
    "template": "{{ 7*7 }}{% raw %} {0} {name!r} {",
    "markdown": "[click](http://example.com/) ![x](http://example.com/x.png) <http://example.com/> **b** `code` | cell |\n# heading",
    "fence": "```\n</code></pre>\n~~~",
    "colour": "\x1b[31mred\x1b[0m \x9b31m",
    "title": "\x1b]0;title\x07\x1b]8;;http://example.com/\x07link\x1b]8;;\x07",
    "cursor": "\r\x1b[2J\x1b[H\b\b\b\x7f\x00",
    "bidi": "\u202egnp.exe\u202c \u2066a\u2069 \u200f \u2028 \ufeff",
    "formula": "=cmd|' /C calc'!A0",
    "sums": "@SUM(1+1)",
    "rich": "[bold red]x[/] [link=http://example.com]y[/link]",
}
ACTING = re.compile(wording._HIDDEN.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def with_payload(payload: str, monkeypatch: pytest.MonkeyPatch) -> Diagnosis:
    """The hand-made case with this payload wherever it holds a text from packets, logs or file names."""
    places = {"SCRIPT": payload, "ESCAPE": payload, "OVERRIDE": payload, "JAPANESE": payload}
    names = {
        "CLIENT_CAPTURE": f"{payload}client.pcap",
        "SERVER_CAPTURE": f"server{payload}.pcap",
        "LOG": f"{payload}.log",
    }
    for name, value in (places | names).items():
        monkeypatch.setattr(fixture, name, value)
    d = fixture.diagnosis()
    d.packets["words"] = d.packets["words"].where(d.packets["words"].isna(), payload)
    for column in ("payload_text", "last_client_words", "last_server_words", "sqlstate", "tls_alert", "application"):
        d.endings[column] = payload
    d.log_lines["text"] = payload
    d.unmatched_log_lines["text"] = payload
    return d


class Structure(HTMLParser):
    """How often each element stands in a page, with the names of its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[tuple[str, ...]] = Counter()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "code" or attrs:  # what stands between `backticks` is code in our own sentences, and does nothing
            self.found[(tag, *sorted(name for name, _ in attrs))] += 1


@cache
def harmless() -> tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]], Counter[str]]:
    with pytest.MonkeyPatch.context() as patch:
        return structures(with_payload(HARMLESS, patch))


def structures(d: Diagnosis) -> tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]], Counter[str]]:
    """The elements of the page and of the notebook's fragment, and what a Markdown reader sees."""
    tokens = MarkdownIt("commonmark").enable("table").parse(d.to_markdown())
    kinds = Counter(
        token.type
        for one in tokens
        for token in (one, *(one.children or ()))
        if token.type not in ("text", "softbreak")
    )
    return Structure(d.to_html()).found, Structure(report.snippet(d)).found, kinds


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_changes_nothing_but_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    d = with_payload(PAYLOADS[name], monkeypatch)
    page, snippet, markdown = structures(d)
    own_page, own_snippet, own_markdown = harmless()
    assert page == own_page
    assert snippet == own_snippet
    added = {kind: number for kind, number in (markdown - own_markdown).items() if kind not in ("code_inline",)}
    assert added == {}
    for text in (d.to_html(), report.snippet(d), d.to_markdown(), report.text(d), d.explain("r5")):
        assert not ACTING.search(text)
    cells = [cell for row in csv.reader(io.StringIO(d.to_csv().removeprefix(spreadsheet.BEGINS))) for cell in row]
    assert not [
        cell
        for cell in cells
        if cell.lstrip().startswith(spreadsheet.FORMULA) and not re.fullmatch(r"-?[\d.e-]+", cell)
    ]
    assert json.loads(d.to_json())
