"""The pages of the causes are what the code says today, and lead only to pages that exist."""

from __future__ import annotations

import re

from analyzer import pipeline
from analyzer.language import LANGUAGES
from tools import causes


def test_the_pages_are_fresh() -> None:
    made = causes.pages()
    stale = [path.name for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    assert stale == [], "run `make causes`"
    assert set(causes.FOLDER.rglob("*.md")) == made.keys()


def test_each_cause_has_its_page_in_each_language() -> None:
    names = pipeline.cause_pages().keys()
    for language in LANGUAGES:
        assert {path.stem for path in causes.folder(language).glob("*.md")} == {*names, "README"}


def test_links_lead_to_pages() -> None:
    for path, text in causes.pages().items():
        missing = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not (path.parent / link).exists()]
        assert missing == [], path
