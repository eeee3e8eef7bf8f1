"""Showing a result to others: what identifies people and machines is in none of its forms, and what can be checked still can."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_address
from pathlib import Path

import pandas as pd
import pytest
import report_fixture as fixture

import analyzer
from analyzer import pipeline, report, schema
from analyzer.errors import Notice, UsageError
from analyzer.redaction import SENTENCE, Pseudonyms
from captures.lab import judging
from captures.lab.case_file import Case, load

CAPTURES = Path(__file__).parent.parent / "captures"
CASES = {folder.parent.name: load(folder.parent) for folder in sorted(CAPTURES.glob("*/case.toml"))}
KEY = b"a key for tests, always the same"
WORD = re.compile(r"[^\W\d_]\w{3,}")  # shorter words of a log line tell nothing
ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w)")


def forms(d: analyzer.Diagnosis) -> Iterator[tuple[str, str]]:
    """Every form in which a result leaves the house."""
    yield "json", d.to_json()
    yield "csv", d.to_csv()
    yield "markdown", d.to_markdown()
    yield "terminal", report.text(d)
    yield "notebook", report.snippet(d)
    yield "page", d.to_html()
    for ending in list(d.endings["ending"])[:2]:
        yield f"explain {ending}", d.explain(ending)


@cache
def own_words() -> frozenset[str]:
    """Every word of the project's own: its sources with their templates and texts of logs."""
    folder = Path(analyzer.__file__).parent
    files = [path for path in folder.rglob("*") if path.suffix in (".py", ".html", ".json", ".css", ".js")]
    return frozenset(w for path in files for w in WORD.findall(path.read_text(encoding="utf-8")))


def secrets(case: Case, d: analyzer.Diagnosis) -> set[str]:
    """What must not be found: addresses, files, users, databases, and every word of the logs that is not a program's own."""
    texts = [(case.folder / log.file).read_bytes().decode("utf-8", "replace") for log in case.logs]
    found = {
        str(ip)
        for table in (d.connections, d.log_lines)
        for name in ("client_ip", "server_ip")
        for ip in table[name].dropna()
    }
    found |= {str(ip) for name in ("sender", "receiver", "src", "dst") for ip in d.icmp_errors[name].dropna()}
    found |= {str(a) for name in ("address", "before", "now") for a in d.address_changes[name].dropna()}
    found |= {ip for text in texts for ip in ADDRESS.findall(text) if ip not in ("0.0.0.0", "127.0.0.1")}
    found |= {str(name) for name in [*d.captures["capture"], *d.captures["path"], *d.log_lines["source"]]}
    words = {word for text in texts for word in WORD.findall(text)}
    words |= {str(name) for column in ("user", "database", "host") for name in d.log_lines[column].dropna()}
    return found | (words - own_words())


@pytest.mark.parametrize("name", CASES)
def test_nothing_of_a_case_is_found_in_any_form(name: str) -> None:
    case = CASES[name]
    d = judging.diagnosis(case, judging.views(case)[-1])
    redacted = analyzer.redact(d, KEY)
    searched = re.compile(
        r"(?<![\w.])(?:" + "|".join(map(re.escape, sorted(secrets(case, d), key=len, reverse=True))) + r")(?!\w)"
    )
    for form, text in forms(redacted):
        assert sorted(set(searched.findall(text))) == [], form
    assert (
        redacted.findings.drop(columns="sentence")
        .drop(columns=["next_capture", "next_log"])
        .equals(d.findings.drop(columns="sentence").drop(columns=["next_capture", "next_log"]))
    )
    kept = [len(os) for os in (redacted.matches, redacted.evidence, redacted.unmatched_log_lines)]
    assert kept == [len(table) for table in (d.matches, d.evidence, d.unmatched_log_lines)]


def common(one: str, other: str) -> int:
    """How many leading bits two addresses share."""
    a, b = ip_address(one), ip_address(other)
    return a.max_prefixlen - (int(a) ^ int(b)).bit_length()


@pytest.mark.parametrize("family", [4, 6])
def test_prefixes_stay(family: int) -> None:
    several = {
        4: ["10.1.0.2", "10.1.0.3", "10.1.7.9", "10.2.0.1", "192.0.2.1", "192.0.2.129", "203.0.113.5"],
        6: ["2001:db8::1", "2001:db8::2", "2001:db8:1::2", "2001:db9::", "fe80::1", "fd00:1:2:3::4"],
    }[family]
    to = Pseudonyms(KEY)
    for one, other in itertools.combinations(several, 2):
        assert common(one, other) == common(to.address(one), to.address(other))
    assert to.address("192.0.2.1") == Pseudonyms(KEY).address("192.0.2.1") != Pseudonyms(KEY[::-1]).address("192.0.2.1")


def test_the_addresses_of_the_tables_keep_their_prefixes() -> None:
    case = CASES["postgres_behind_snat"]
    d = judging.diagnosis(case, "both")
    before, after = d.hosts["ip"], analyzer.redact(d, KEY).hosts["ip"]
    for (one, other), (shown, also) in zip(
        itertools.combinations(before, 2), itertools.combinations(after, 2), strict=True
    ):
        assert common(one, other) == common(shown, also)


def test_what_every_machine_has_is_no_secret() -> None:
    to = Pseudonyms(KEY)
    assert [to.address(a) for a in ("0.0.0.0", "::", "127.0.0.1", "::1")] == ["0.0.0.0", "::", "127.0.0.1", "::1"]
    assert to.address("::ffff:192.0.2.1") == f"::ffff:{to.address('192.0.2.1')}"
    assert (
        to.addresses_in("at 12:30:45 the 1.2.3 of 192.0.2.1.") == f"at 12:30:45 the 1.2.3 of {to.address('192.0.2.1')}."
    )


SECRETS = [
    "Zebulon",
    "zebradb",
    "zulu",
    "zprod",
    "4929",
    "ZSECRET",
    "203.0.113.77",
    "2001:db8:77::9",
    "zz-host",
    "zdir",
    "znotes",
]
LINES = """\
2026-11-20 09:57:23.851 JST [4711] Zebulon@zebradb 203.0.113.77(5511) LOG:  could not receive data from client: Connection reset by peer
2026-11-20 09:57:23.851 JST [4711] user=Zebulon,db=zebradb,app=zprod FATAL:  the database system is shutting down
2026-11-20 09:57:24.100 ERROR orders: [Errno 104] Connection reset by peer while running SELECT 'ZSECRET 4929 1234 5678 9012' for Zebulon
2026-11-20 09:57:25.000 zz-host haproxy[12]: [2001:db8:77::9]:55112 ECONNRESET zulu.example.com
"""


def test_nothing_is_found_of_a_result_with_secrets_everywhere(tmp_path: Path) -> None:
    folder = tmp_path / "zdir"
    folder.mkdir()
    (folder / "zprod.pcap").write_bytes((CAPTURES / "postgres_client_abort/server.pcap").read_bytes())
    (folder / "znotes.doc").write_text("no capture")
    (folder / "zprod.log").write_text(LINES)
    d = analyzer.analyze(at={"zz-host": str(folder)}, logs=[str(folder / "zprod.log")], dissect=False)
    told = "".join(text for _, text in forms(d))
    assert [secret for secret in SECRETS if secret not in told] == [] and len(d.log_lines) == 4
    redacted = analyzer.redact(d)
    for form, text in forms(redacted):
        assert [secret for secret in SECRETS if secret in text] == [], form
    shown = redacted.log_lines["text"]
    assert shown[0].startswith("2026-11-20 09:57:23.851 JST [4711] name-")
    assert shown[0].endswith(" LOG:  could not receive data from client: Connection reset by peer")
    assert (
        shown[2]
        == f"2026-11-20 09:57:24.100 ERROR …: [Errno 104] Connection reset by peer … {redacted.log_lines['user'][0]}"
    )
    assert redacted.log_lines["user"][0] == redacted.log_lines["user"][1] != d.log_lines["user"][0]
    assert SENTENCE in redacted.to_html() and redacted.settings["redacted"]


def test_payload_is_removed_from_facts_and_sentences() -> None:
    d = fixture.diagnosis()
    d.endings.loc[d.endings["ending"] == "r5", "payload_text"] = "ZSECRET"
    d.evidence.loc[d.evidence["ending"] == "r5", "sentence"] = "the reset's own text says: ZSECRET"
    redacted = analyzer.redact(d, KEY)
    assert all("ZSECRET" not in text for _, text in forms(redacted))
    assert "he reset&#39;s own text says: [removed]" in redacted.to_html()
    assert set(redacted.endings["payload_text"].dropna()) == {"[removed]"}


@pytest.mark.parametrize(
    "table",
    [
        table
        for table in schema.TABLES
        if table.name.lower() in {f.name for f in dataclasses.fields(analyzer.Diagnosis)}
    ],
    ids=lambda table: table.name,
)
def test_every_text_column_of_every_table_is_covered(table: schema.Table) -> None:
    """A column that is added later is covered without being named anywhere."""
    field = table.name.lower()
    d = fixture.diagnosis()
    texts = [name for name, column in table.columns.items() if column.dtype == "string"]
    row = pd.DataFrame([dict.fromkeys(texts, "see 203.0.113.77")])
    changed = analyzer.redact(replace_table(d, field, table.conform(row)), KEY)
    shown = getattr(changed, field)[texts].iloc[0]
    assert not [name for name in texts if "203.0.113.77" in str(shown[name])]


def replace_table(d: analyzer.Diagnosis, field: str, rows: pd.DataFrame) -> analyzer.Diagnosis:
    """The diagnosis with rows of one table added."""
    return dataclasses.replace(
        d, **{field: pd.concat([rows, getattr(d, field)], ignore_index=True).astype(rows.dtypes)}
    )


def test_a_short_key_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 16"):
        analyzer.redact(fixture.diagnosis(), b"short")


def test_without_a_key_nobody_can_repeat_the_pseudonyms() -> None:
    d = fixture.diagnosis()
    first, second = (analyzer.redact(d).endings["client_ip"].tolist() for _ in range(2))
    assert first != second
    assert analyzer.redact(d, KEY).to_json() == analyzer.redact(d, KEY).to_json()


def test_the_list_of_frames_has_the_same_pseudonyms() -> None:
    d = judging.diagnosis(CASES["postgres_behind_snat"], "both")
    frames = pipeline.redact_frames(d.reset_frames, KEY)
    assert frames.equals(analyzer.redact(d, KEY).reset_frames)


def test_a_notice_about_another_file_does_not_name_it() -> None:
    d = fixture.diagnosis()
    said = Notice("error", "/srv/zdir/znotes.doc", "", "/srv/zdir/znotes.doc is no capture.")
    redacted = analyzer.redact(dataclasses.replace(d, notices=(said,)), KEY)
    assert "zdir" not in json.dumps(redacted.document) and "could not be used" in redacted.to_json()
