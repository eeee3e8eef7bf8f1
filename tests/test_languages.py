"""The catalogues are whole, every form speaks the language that is asked for, and the document stays as it is."""

from __future__ import annotations

import html
import json
import os
import pickle
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

import analyzer
from analyzer import language, schema
from analyzer.errors import UsageError
from analyzer.language import Sentence, changed, joined, localised, say, say_many, tr, using
from analyzer.pipeline import cause_pages
from analyzer.report import listing, recipes
from analyzer.result import Diagnosis
from tools import languages

ROOT = Path(__file__).parents[1]
CAPTURES = ROOT / "captures"
OTHERS = languages.translated()
CASES = ("postgres_client_abort", "firewall_drop", "stale_pool")  # a client, a silence, a device


# --- The catalogues ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", OTHERS)
def test_catalogue_follows_the_sources_and_is_whole(lang: str) -> None:
    """`make languages` brings it up to date and lists what has no translation."""
    catalogue = languages.updated(lang)
    assert languages.lacking(catalogue) == []
    own = languages.folder(lang) / f"{language.DOMAIN}.po"
    assert own.read_bytes() == languages.written(catalogue)
    assert own.with_suffix(".mo").read_bytes() == languages.compiled(languages.read(lang))


@pytest.mark.parametrize("lang", OTHERS)
def test_translations_keep_places_and_code(lang: str) -> None:
    for entry in languages.read(lang):
        if not entry.id:
            continue
        assert not entry.fuzzy, entry.id
        for text in languages.parts(entry.string):
            for english in languages.parts(entry.id)[-1:]:
                assert sorted(re.findall("`[^`]*`", text)) == sorted(re.findall("`[^`]*`", english)), text
                assert places(text) == places(english), text
                assert "̀" not in text and text.strip() != "", english


def places(text: str) -> set[tuple[str, str]]:
    """The named values of a template with their formats; a set, for another language may say a thing twice."""
    try:
        return {(name, spec or "") for _, name, spec, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:  # braces that are meant: such a text is never filled in
        return set()


def test_the_extraction_finds_what_is_marked() -> None:
    found = {part for entry in languages.sources() for part in languages.parts(entry.id)}
    for sentence in (
        "The client is the capturing host{part}: {why}.",  # N_
        "{n:,} resets",  # P_, several
        "{n:,} connections to {servers} died without an answer.",  # trn
        "The next capture that would decide",  # a template
        "Report: {path}",  # an attribute's call
        "idle gap",  # a fact's name
        cause_pages()["idle_timeout"]["signs"][0]["says"],
    ):
        assert str(sentence) in found


# --- Sentences --------------------------------------------------------------------------------------------------------


def test_a_sentence_is_its_english_text_and_can_be_said_again() -> None:
    one = say("the client {address}", address="10.0.0.1:5")
    sentence = say("The timer is at most {high}.", high="5 s")
    both = joined([say(""), sentence, say_many("{n} sign could not be seen", "{n} signs could not be seen", 2)])
    assert one == "the client 10.0.0.1:5" and json.dumps({"a": one}) == '{"a": "the client 10.0.0.1:5"}'
    assert both == "The timer is at most 5 s. 2 signs could not be seen"
    for copy in (both, pickle.loads(pickle.dumps(both))):
        with using("ja"):
            assert localised([{"a": copy}]) == [{"a": "タイマーは5 s以下です。2個の特徴は確認できませんでした"}]
            assert type(localised(copy)) is str
    assert localised(one) == one  # in English it is that already


def test_changes_reach_the_values_only_and_leave_the_sentence_sayable() -> None:
    inner = say("the client {address}", address="10.0.0.1:5")
    sentence = say("{n} clients", n=3)
    outer = say("from {source} to {target}", source=inner, target=sentence)
    new = changed(outer, lambda text: text.replace("10.0.0.1", "A"))
    assert new == "from the client A:5 to 3 clients"
    with using("zh"):
        assert localised(new) == "从 客户端 A:5 到 3 个客户端"
    assert changed("10.0.0.1", lambda text: "A") == "A"


def test_values_are_put_in_as_they_are() -> None:
    assert say("{a:+d} {b}", a="{b}", b="{a}") == "{b} {a}"
    assert say("SO_LINGER {1, 0}") == "SO_LINGER {1, 0}"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "zh_CN.GB18030"}, "zh"),
        ({"LC_ALL": "zh_CN.UTF-8", "LANG": "ja_JP.UTF-8"}, "zh"),
        ({"LC_MESSAGES": "ja_JP", "LANG": "C"}, "ja"),
        ({"LC_ALL": "", "LANG": "zh-Hans"}, "zh"),
        ({"LANG": "Japanese_Japan.932"}, "ja"),
        ({"LANG": "zh_TW.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "POSIX"}, "en"),
    ],
)
def test_language_of_the_locale(environment: dict[str, str], expected: str) -> None:
    assert language.of_locale(environment) == expected


def test_an_unknown_language_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"^There is no language 'fr'; there are en, ja, zh\.$"), using("fr"):
        pass
    assert language.shown() == "en"


# --- Every form -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def diagnoses() -> dict[str, Diagnosis]:
    found = {}
    for name in CASES:
        folder = CAPTURES / name
        logs = sorted(folder.glob("*.log"))
        found[name] = analyzer.analyze([folder / "client.pcap"], logs)
    return found


SENTENCES = [
    (table.name.lower(), name)
    for table in schema.TABLES
    for name, column in table.columns.items()
    if column.dtype == schema.SENTENCE
    and name.endswith(("sentence", "reason", "remedy", "next_capture", "where_basis"))
]


@pytest.mark.parametrize(("table", "column"), SENTENCES)
def test_sentences_reach_the_tables_whole(diagnoses: dict[str, Diagnosis], table: str, column: str) -> None:
    for d in diagnoses.values():
        for value in getattr(d, table)[column].dropna():
            assert isinstance(value, Sentence), value
    for d in diagnoses.values():
        assert all(isinstance(notice.sentence, Sentence) for notice in d.notices)


# Names, protocols' words, what programs print: they stay as they are in every language.
_KEPT = re.compile(
    r"<(script|style|code|pre|title)\b.*?</\1>|<p class=\"references\">.*?</p>|<span class=\"tcp\">.*?</span>|<b class=\"words\">.*?</b>"
    r"|<li class=\"rung log.*?</li>",
    re.DOTALL,
)
_ENGLISH = re.compile(r"\b[a-z]+(?:,? [a-z]+){3,}\b")  # four words in a row, in small letters


def english(text: str) -> list[str]:
    """Runs of English words, outside of code, commands, filters and quoted log text."""
    text = re.sub(r"`[^`]*`|'[^']*'|“[^”]*”|「[^」]*」|\"[^\"]*\"|tcpdump -i any.*?'tcp port \d+[^']*'", " ", text)
    return _ENGLISH.findall(text)


@pytest.mark.parametrize("lang", OTHERS)
@pytest.mark.parametrize("case", CASES)
def test_no_english_is_left(diagnoses: dict[str, Diagnosis], case: str, lang: str) -> None:
    d = diagnoses[case]
    page = d.to_html(lang=lang)
    marked = re.sub(
        r"<[^>]*?(?:aria-label|title|alt|placeholder|data-[a-z]+)=\"([^\"]*)\"[^>]*>", r" \1 ", _KEPT.sub(" ", page)
    )
    assert english(html.unescape(re.sub(r"<[^>]+>", "\n", marked))) == []
    assert f'<html lang="{"zh-Hans" if lang == "zh" else lang}">' in page
    logs = re.sub(r"\s", "", "".join(d.log_lines["text"]))  # quoted, and folded anywhere
    for text in (d.to_markdown(lang=lang), d.explain(d.endings["ending"].iloc[0], lang=lang)):
        assert [run for run in english(text) if re.sub(r"\s", "", run) not in logs] == []


def test_the_document_stays_english(diagnoses: dict[str, Diagnosis]) -> None:
    d = diagnoses["firewall_drop"]
    before = d.to_json()
    assert d.to_html(lang="ja") != d.to_html() and d.to_markdown(lang="zh") != d.to_markdown()
    assert d.to_json() == before and not re.search("[ぁ-ん一-龥]", before)
    assert d.to_html(lang="en") == d.to_html()


def test_the_figure_keeps_its_text(diagnoses: dict[str, Diagnosis]) -> None:
    page = diagnoses["postgres_client_abort"].to_html(lang="ja")
    figures = re.findall(r"<svg id=\"timeline-wide\".*?</svg>", page, re.DOTALL)
    assert figures and all(re.search(r"<text[^>]*>クライアント 10\.1\.0\.2", figure) for figure in figures)


@pytest.mark.parametrize("lang", OTHERS)
def test_knowledge_and_recipes(lang: str) -> None:
    with using(lang):
        for page in cause_pages().values():
            text = listing.cause_text(page).split(tr("References"))[0]
            assert english(re.sub(r"\{[^}]*\}|Weaver, Sommer and Paxson", "", text)) == []
        text = "\n".join(line for line in recipes.text().splitlines() if line.startswith("#"))
        assert english(text) == []


def test_wide_letters_are_folded_within_the_width(diagnoses: dict[str, Diagnosis]) -> None:
    from analyzer import report
    from analyzer.report.wording import cells

    for lang in OTHERS:
        with using(lang):
            lines = report.text(diagnoses["stale_pool"], width=60).splitlines()
        assert (
            max(cells(line) for line in lines if not line.startswith("  tcpdump ")) <= 60
        )  # a command is copied whole
        assert not [line for line in lines if re.match(r"\s*[、。，）」]", line)]


# --- The command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp932", "cp936", "ascii"])
@pytest.mark.parametrize("lang", OTHERS)
def test_consoles_of_another_encoding(encoding: str, lang: str) -> None:
    run = "import sys; from analyzer.cli import main; sys.argv = ['pcapreport', *sys.argv[1:]]; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, "causes", "idle_timeout", "--lang", lang],
        cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == b""
    text = done.stdout.decode(encoding)
    heading = {"ja": "変更すべき点", "zh": "应作的改动"}[lang]
    if encoding == {"ja": "cp932", "zh": "cp936"}[lang]:
        assert heading in text and "?" not in text
    else:
        assert "`tcp_keepalives_idle`" in text


def test_a_terminal_of_another_encoding(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    run = "import sys; from analyzer.cli import main; sys.argv = ['pcapreport', *sys.argv[1:]]; main()"
    capture = str(CAPTURES / "postgres_client_abort/client.pcap")
    options = ["--lang", "zh", "--no-dissection", "-o", str(tmp_path / "page.html")]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", run, "analyze", capture, *options],
        cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": "cp932"}, stdout=theirs, stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    assert running.returncode == 1  # a harmful reset
    assert "客?端 10.1.0.2 切断了到 10.2.0.2:5432 的 1 个?接。" in shown.decode("cp932")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # what Linux says when the other end is closed
        return b""


# --- The first screen -------------------------------------------------------------------------------------------------

FIRST_SCREEN = {
    "en": ("the client", "the program on that side threw the connection away", "very likely (0.", "1 reset"),
    "ja": ("クライアント", "その側のプログラムが接続を捨てた", "可能性が非常に高い (0.", "リセット1件"),
    "zh": ("客户端", "该侧程序直接丢弃了连接", "极有可能 (0.", "1 个重置"),
}


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.mark.parametrize("lang", language.LANGUAGES)
def test_the_top_says_who_why_how_sure_how_many_and_when(
    browser: Browser, diagnoses: dict[str, Diagnosis], tmp_path: Path, lang: str
) -> None:
    path = tmp_path / "page.html"
    diagnoses["postgres_client_abort"].to_html(path, lang=lang)
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.goto(path.as_uri())
    seen = page.evaluate(
        """() => [...document.querySelectorAll("h1, .facts dd")]
             .filter((at) => at.getBoundingClientRect().bottom <= 600).map((at) => at.innerText)"""
    )
    text = re.sub(r"\s+", " ", " ".join(seen))
    for words in (*FIRST_SCREEN[lang], "2026-11-20 09:57:21"):
        assert words in text


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("lang", OTHERS)
def test_nothing_scrolls_sideways(
    browser: Browser, diagnoses: dict[str, Diagnosis], tmp_path: Path, lang: str, width: int
) -> None:
    path = tmp_path / "page.html"
    diagnoses["stale_pool"].to_html(path, lang=lang)
    page = browser.new_context(viewport={"width": width, "height": 720}).new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    button = page.locator("button.copy").first
    assert button.get_attribute("title", timeout=5000).startswith({"ja": "コピー: ", "zh": "复制："}[lang])
    assert messages == []
