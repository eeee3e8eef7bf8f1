"""The result's other forms: Markdown, CSV, and the JSON Schema that every result document obeys.

Here: that nothing in them acts, that numbers are the document's, and that the schema is as strict as the code. Never here: a verdict.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import report_fixture as fixture
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

import analyzer
from analyzer import pipeline, report, result, schema
from analyzer.causes import all_causes
from analyzer.report import markdown, spreadsheet, wording
from analyzer.result import Diagnosis

CORPUS = Path(__file__).resolve().parents[1] / "captures"
ABORT = CORPUS / "postgres_client_abort"
DIALECT = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = {"h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "code"}
PAYLOADS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt; & <b>", "![x](javascript:alert(1))", "[link](http://a.b/c)",
    "<http://a.b>", "http://a.b/c?d", "www.example.com", "me@example.com", "@everyone please", "<!here>", "see #12 and !34", ":tada: :+1:",
    "**bold** __bold__ ~~struck~~ $x$", "`tick` ``two`` ```", "`", "a|b", r"a\|b", r"a\\|b|", "|", "||", "\\", "# heading", "- item", "1. one",
    "1) one", "> quote", "---", "===", "+ plus", "* star", "    indented", "first\nsecond\n\n# third", "x\r\n| a | b |\n|---|---|", "\x1b[31mred",
    "\u202egnp.exe", "{code}x{code}", "[^1]: note", "<!-- comment", "]]>", "<details>", "fe80:a:b::1", "~~~", "&#60;b&#62;", "=HYPERLINK(\"x\")",
]  # fmt: skip


def shown(html: str) -> str:
    """What a reader sees of rendered Markdown."""
    return unescape(re.sub(r"<[^>]*>", "", html))


def tags(html: str) -> set[str]:
    return {tag.lower() for tag in re.findall(r"</?([a-zA-Z!][\w-]*)", html)}


def cells_of_github(line: str) -> int:
    """How many cells cmark-gfm, where a backslash escapes whatever punctuation follows, makes of a table's line."""
    return len(re.findall(r"(?:\\[!-/:-@\[-`{-~]|[^|])+(?=\|)", line.strip().removeprefix("|")))


# --- Markdown: nothing acts -------------------------------------------------------------------------------------------


def hostile() -> st.SearchStrategy[str]:
    marks = st.sampled_from([*PAYLOADS, *"\\`*_[]{}()<>#+-.!|&~^$@:=% \t\n", "a", "://", "www."])
    return st.lists(marks, max_size=8).map("".join) | st.text(max_size=40)


@given(hostile())
def test_words_are_shown_and_do_not_act(text: str) -> None:
    inert = " ".join(wording.inert(text).split())
    for markup in (markdown.safe(text), f"- {markdown.safe(text)}"):
        html = DIALECT.render(markup)
        assert tags(html) <= {"p", "code", "ul", "li"}, html
        assert " ".join(shown(html).split()) == inert
    html = DIALECT.render(markdown.table(["a", "b"], [[markdown.safe(text, True), "end"]]))
    assert tags(html) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}, html
    assert " ".join(shown(html).split()) == " ".join(f"a b {inert} end".split())


@given(hostile())
def test_code_is_shown_to_the_letter(text: str) -> None:
    inert = wording.inert(text)
    html = DIALECT.render(f"x {markdown.code(text)} y")
    assert tags(html) <= {"p", "code"}, html
    assert shown(html) == f"x {inert} y\n" or not inert.strip()
    html = DIALECT.render(markdown.table(["a", "b"], [[markdown.code(text, True), "end"]]))
    assert html.count("<td>") == 2
    assert "".join(shown(html).split()) == f"ab{''.join(inert.split())}end"


@given(hostile(), hostile())
def test_a_table_keeps_its_columns_in_every_dialect(one: str, two: str) -> None:
    for cell in (markdown.safe, markdown.code, markdown.prose):
        last = markdown.table(["a", "b", "c"], [[cell(one, True), cell(two, True), "x"]]).splitlines()[-1]
        assert cells_of_github(last) == 3
        assert DIALECT.render(f"| a | b | c |\n|---|---|---|\n{last}").count("<td>") == 3


def outside_of_code(text: str) -> str:
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


@given(hostile())
def test_no_link_mention_or_emoji_is_left_outside_of_code(text: str) -> None:
    left = outside_of_code(markdown.safe(text))
    assert not re.search(r"://|www\.|[@#<>*_~$\[\]\\|`]|:[a-z][\w+-]*:|!\d", left, re.IGNORECASE)


def test_prose_keeps_its_own_code() -> None:
    text = "Look for `abort()` in tcp_keepalives_idle = 120; see `a|b`."
    assert markdown.prose(text) == "Look for `abort()` in `tcp_keepalives_idle` = 120; see `a|b`."
    assert shown(DIALECT.render(markdown.table(["x"], [[markdown.prose(text, True)]]))).count("a|b") == 1
    for page in pipeline.cause_pages().values():
        for words in (page["remedy"], page["confirm"]):
            html = DIALECT.render(markdown.prose(words))
            assert tags(html) <= {"p", "code"}
            assert " ".join(shown(html).split()) == " ".join(words.replace("`", "").split())


def test_a_command_stays_in_one_piece() -> None:
    found = "On 10.0.0.1 itself: `tcpdump -i any -w 'at-%Y%m%d.pcap' 'tcp port 5432'`, and here. If it leaves, that host sent it."
    assert markdown.prose(found) == found


def poisoned(payload: str) -> Diagnosis:
    """The fixture with a payload in each place that text from outside can reach."""
    made = fixture.notation()
    made["verdict"]["sentence"] += payload
    for incident in made["incidents"]:
        incident["sentence"] += payload
    for reset in made["resets"]:
        reset["capture"] += payload
        reset["sentence"] = payload
        reset["band"] = payload
        reset["next_log"] = reset["next_capture"] = payload
        for line in reset["log_lines"]:
            line["text"] = line["source"] = payload or "x"
        for sign in reset["evidence"]:
            sign["sentence"] = payload
            sign["frames"] = [{"capture": payload, "frame": 3}]
    for notice in made["notices"]:
        notice |= {"source": payload, "place": payload, "sentence": payload}
    for point in made["coverage"]:
        point |= {"point": payload, "sentence": payload}
    for source in made["sources"]:
        source["path"] = f"/captures/{payload}"
    return fixture.diagnosis(made)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_is_inert_wherever_it_is_shown(payload: str) -> None:
    text = poisoned(payload).to_markdown()
    html = DIALECT.render(text)
    assert tags(html) <= OURS, tags(html) - OURS
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    tables = [line for line in text.splitlines() if line.startswith("| ")]
    assert {cells_of_github(line) for line in tables} == {2, 6}
    assert len(re.findall("<table>", html)) == 2 and html.count("<h2>") == 1 and html.count("<h3>") == 1


# --- Markdown: what it says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", ["i1", "i2", "i3", "i4"])
def test_markdown_says_what_the_document_says(top: str) -> None:
    d = fixture.diagnosis(top=top)
    text, words = d.to_markdown(), " ".join(shown(DIALECT.render(d.to_markdown())).split())
    first, *_ = d.document["incidents"]
    assert text.startswith(markdown.BEGINS)
    assert first["id"] == top and d.document["verdict"]["sentence"] in words
    for incident in d.document["incidents"]:
        assert incident["sentence"] in words and incident["cause"] in words
        for name in ("confidence", "cause_confidence"):
            assert incident[name] is None or f"({incident[name]:.2f})" in words
    reset = next(r for r in d.document["resets"] if r["id"] in first["endings"] and r["cause"] == first["cause"])
    for line in reset["log_lines"]:
        assert f"{line['source']}:{line['line']}" in words
    assert reset["filter"] in words and f"frame {reset['frame']} in {reset['capture']}" in words
    for sign in reset["evidence"]:
        if sign["rank"] == 1 and sign["held"] is not None and sign["weight"]:
            assert sign["sentence"] in words


def test_markdown_of_a_capture_without_resets() -> None:
    made = fixture.notation()
    made |= {"resets": [], "incidents": [], "unmatched_log_lines": [], "notices": []}
    made["verdict"] = dict.fromkeys(made["verdict"]) | {"others": 0, "sentence": "No connection was reset."}
    assert fixture.diagnosis(made).to_markdown() == (
        "## pcapreport: No connection was reset in what was captured.\n\nNo connection was reset.\n\n"
        "From `client<script>alert(1)</script>.pcap`, `server-%m%d.pcap`\n"
    )


def test_markdown_fits_into_a_ticket() -> None:
    assert len(fixture.many(2_000).to_markdown()) < 20_000  # GitHub takes 65,536 characters, Slack 40,000


# --- CSV --------------------------------------------------------------------------------------------------------------


def rows(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_one_row_for_each_connection_that_ended_badly() -> None:
    d = fixture.diagnosis()
    found = rows(d.to_csv())
    items = [*d.document["resets"], *d.document["died_in_silence"]]
    assert [row["id"] for row in found] == [item["id"] for item in items]
    assert list(found[0]) == list(spreadsheet.COLUMNS)
    truth = {True: "true", False: "false", None: ""}
    for row, item in zip(found, items, strict=True):
        for name in ("kind", "time", "reset_by", "cause", "point", "emitter"):
            assert row[name] == item[name]
        for name in ("frame", "stream", "confidence", "cause_confidence"):
            assert row[name] == ("" if item[name] is None else str(item[name]))
        assert (row["client_ip"], row["client_port"]) == (item["client"]["ip"], str(item["client"]["port"]))
        assert row["harmless"] == truth[item["harmless"]] and row["log_lines"] == str(len(item["log_lines"]))
        (incident,) = [i["id"] for i in d.document["incidents"] if item["id"] in i["endings"]]
        assert row["incident"] == incident


@given(
    st.text(max_size=30)
    | st.sampled_from(["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "'=1", ""])
)
def test_no_cell_is_a_formula(text: str) -> None:
    cell = spreadsheet.cell(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert "\n" not in cell and "\r" not in cell and cell.endswith(wording.inert(text))


def test_numbers_stay_numbers() -> None:
    assert [spreadsheet.cell(value) for value in (-1, 0.5, True, False, None)] == ["-1", "0.5", "true", "false", ""]


@pytest.mark.parametrize("payload", ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\t=1", "\r=1", 'a"b;c,d\ne', "月曜"])
def test_hostile_cells(payload: str, tmp_path: Path) -> None:
    d = poisoned(payload)
    d.to_csv(tmp_path / "resets.csv")
    raw = (tmp_path / "resets.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf") and raw.endswith(b"\r\n") and raw.count(b"\n") == len(d.endings) + 1
    assert raw.decode() == d.to_csv()
    for row in rows(d.to_csv()):
        assert None not in row and len(row) == len(spreadsheet.COLUMNS)
        for value in row.values():
            assert not value.startswith(("=", "+", "-", "@", "\t", "\r"))


# --- The schema -------------------------------------------------------------------------------------------------------

SCHEMA = json.loads(report.schema())
VALID = Draft202012Validator(SCHEMA)
CASES: dict[str, dict[str, Any]] = {
    "postgres_client_abort": {"captures": ["server.pcap"], "logs": ["postgresql.log"]},
    "stale_pool": {"at": {"client": "client.pcap", "server": "server.pcap"}, "logs": ["postgresql.log", "client.log"]},
    "forged_reset": {"captures": ["client.pcap"]},
    "path_mtu_black_hole": {"captures": ["client.pcap"]},
    "stale_pool_same_ttl": {"captures": ["server.pcap"]},
    "health_probe": {"captures": ["client.pcap"]},
    "half_close": {"captures": ["client.pcap"]},
    "postgres_fast_shutdown": {"captures": ["router.pcap"], "logs": ["postgresql.log"]},
    "postgres_client_abort_ipv6": {"captures": ["server.pcap"]},
}


@cache
def document(case: str) -> Any:
    """The document of a case of the corpus, as JSON gives it back."""
    asked, folder = CASES[case], CORPUS / case
    at = {name: folder / path for name, path in asked.get("at", {}).items()} or None
    logs = [path for path in (folder / name for name in asked.get("logs", ())) if path.exists()]
    d = analyzer.analyze(
        [folder / name for name in asked.get("captures", ())], logs, at=at, dissect=case == "postgres_client_abort"
    )
    return json.loads(d.to_json())


def wrong(value: Any) -> list[str]:
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in VALID.iter_errors(value)]


@pytest.mark.parametrize("case", CASES)
def test_documents_obey_the_schema(case: str) -> None:
    assert wrong(document(case)) == []


def test_the_cases_are_of_every_kind() -> None:
    found = [document(case) for case in CASES]
    assert {r["reset_by"] for d in found for r in d["resets"]} >= {"client", "server", "middlebox"}
    assert any(d["died_in_silence"] for d in found) and any(d["verdict"]["incident"] is None for d in found)
    assert any(r["proof"] for d in found for r in d["resets"]) and any(d["clocks"] for d in found)


def subschemas(node: Any) -> Iterator[dict[str, Any]]:
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from subschemas(value)
    if isinstance(node, dict):
        yield node


def test_the_schema_is_strict_and_knows_what_the_code_knows() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == result.SCHEMA
    for node in subschemas(SCHEMA):
        if node.get("type") == "object":
            assert "additionalProperties" in node, node
            if "required" in node:
                assert node["required"] == list(node["properties"])
    known = SCHEMA["$defs"]
    assert set(known["cause"]["enum"]) >= set(all_causes())
    assert set(known["event"]["enum"]) == set(schema.EVENTS)
    facts = known["ending"]["properties"]["facts"]["properties"]
    kinds = {"Int64": "integer", "Float64": "number", "boolean": "boolean", "string": "string"}
    assert {name: fact["type"] for name, fact in facts.items()} == {
        name: kinds[schema.ENDINGS.columns[name].dtype] for name in result.SHOWN_FACTS
    }


Change = Callable[[dict[str, Any]], Any]
CHANGES: dict[str, Change] = {
    "another version": lambda d: d.update(schema="pcapreport/2"),
    "a key more": lambda d: d.update(more=1),
    "a verdict without a sentence": lambda d: d["verdict"].pop("sentence"),
    "a sender that is none": lambda d: d["resets"][0].update(reset_by="router"),
    "a named sender without a probability": lambda d: d["resets"][0].update(confidence=None),
    "a probability above one": lambda d: d["resets"][0].update(confidence=1.2),
    "a probability of nobody": lambda d: d["resets"][0].update(reset_by="undetermined"),
    "a cause that is none": lambda d: d["incidents"][0].update(cause="cosmic_rays"),
    "unexplained and sure": lambda d: d["resets"][0].update(cause="unexplained"),
    "a reset without a sender's address": lambda d: d["resets"][0].update(apparent_sender=None),
    "a silence among the resets": lambda d: d["resets"][0].update(kind="silence"),
    "a reset among the silences": lambda d: d["died_in_silence"].append(d["resets"][0]),
    "a time without nanoseconds": lambda d: d["resets"][0].update(time="2026-03-02T00:14:05Z"),
    "a time in another zone": lambda d: d["resets"][0].update(time="2026-03-02T00:14:05.000000000+09:00"),
    "a time of a thirteenth month": lambda d: d["resets"][0].update(time="2026-13-02T00:14:05.000000000Z"),
    "an epoch": lambda d: d["resets"][0].update(time=1772410445.1),
    "a port above the largest": lambda d: d["resets"][0]["client"].update(port=65536),
    "a name as an address": lambda d: d["resets"][0]["client"].update(ip="db.example"),
    "a frame zero": lambda d: d["resets"][0].update(frame=0),
    "a fact that is none": lambda d: d["resets"][0]["facts"].update(mood="bad"),
    "a fact of another type": lambda d: d["resets"][0]["facts"].update(ttl="64"),
    "weight for what was not seen": lambda d: d["resets"][0]["evidence"][0].update(held=None, weight=3),
    "a third rank": lambda d: d["resets"][0]["evidence"][0].update(rank=3),
    "a tie that is none": lambda d: d["resets"][0]["log_lines"][0].update(tie="feeling"),
    "a line zero": lambda d: d["resets"][0]["log_lines"][0].update(line=0),
    "no coverage": lambda d: d.update(coverage=[]),
    "an incident of nobody": lambda d: d["incidents"][0].update(endings=[]),
    "a verdict about nothing": lambda d: d["verdict"].update(incident=None),
    "a level that is none": lambda d: d["notices"].append(
        {"level": "fatal", "source": "", "place": "", "sentence": "x"}
    ),
    "a size as text": lambda d: d["sources"][0].update(bytes="12 kB"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_breaks_the_schema(change: str) -> None:
    broken = copy.deepcopy(document("postgres_client_abort"))
    CHANGES[change](broken)
    assert wrong(broken)


def keys(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if isinstance(node, dict) and path[-1:] not in (("facts",), ("points",)):
            yield (*path, key)
        yield from keys(value, (*path, key))


def test_every_key_is_required_and_no_other_is_allowed() -> None:
    whole = document("postgres_client_abort")
    seen = set()
    for path in keys(whole):
        kind = tuple(part for part in path if isinstance(part, str))
        if kind in seen:
            continue
        seen.add(kind)
        broken = copy.deepcopy(whole)
        node = broken
        for part in path[:-1]:
            node = node[part]
        node["unknown"] = node.pop(path[-1])
        assert len(wrong(broken)) > 0, path
    assert len(seen) > 90


# --- The command ------------------------------------------------------------------------------------------------------


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    program = "from analyzer.cli import main; main()"
    return subprocess.run([sys.executable, "-c", program, *arguments], cwd=folder, capture_output=True, timeout=300)


def test_the_command_writes_every_form_and_then_no_page(tmp_path: Path) -> None:
    call = ["analyze", str(ABORT / "server.pcap"), "--no-dissection"]
    done = run(tmp_path, *call, "--json", "out.json", "--markdown", "out.md", "--csv", "out.csv")
    assert done.returncode == 1 and not done.stderr and b"reset" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"out.json", "out.md", "out.csv"}
    made = json.loads((tmp_path / "out.json").read_bytes())
    assert wrong(made) == []
    assert made["verdict"]["sentence"] in shown(DIALECT.render((tmp_path / "out.md").read_text(encoding="utf-8")))
    (row,) = rows((tmp_path / "out.csv").read_bytes().decode())
    assert row["cause"] == made["resets"][0]["cause"]
    done = run(tmp_path, *call, "--markdown", "-", "--csv", "out.csv")  # its own file is overwritten
    assert done.returncode == 1 and done.stdout.decode() == (tmp_path / "out.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--json - --markdown -", "Only one of --json and --markdown"),
        ("--markdown out --csv out", "cannot both be out"),
        ("--csv -", "--csv writes a file"),
        ("--markdown notes.md", "notes.md exists and was not written by pcapreport"),
        ("--csv table.csv", "table.csv exists and was not written by pcapreport"),
    ],
)
def test_what_the_command_refuses(tmp_path: Path, options: str, says: str) -> None:
    (tmp_path / "notes.md").write_text("## Notes of a colleague\n")
    (tmp_path / "table.csv").write_text("id,kind\n")
    done = run(tmp_path, "analyze", str(ABORT / "server.pcap"), *options.split())
    assert done.returncode == 2 and says in done.stderr.decode() and not done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"notes.md", "table.csv"}


def test_the_schema_is_printed(tmp_path: Path) -> None:
    done = run(tmp_path, "schema")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == SCHEMA
