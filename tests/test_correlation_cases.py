"""The lab's cases: each line that a case says belongs to a connection is tied to that connection, whatever its clock."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analyzer.pipeline import analyze

CAPTURES = Path(__file__).parents[1] / "captures"
CASES = {path.parent.name: tomllib.loads(path.read_text()) for path in sorted(CAPTURES.glob("*/case.toml"))}
# Each way for a line to find its connection: process, closing line, address in the prefix, host and time, time alone.
LOGGED = [
    "firewall_reject",
    "forged_reset",
    "haproxy_client_timeout",
    "nginx_client_abort",
    "nginx_upstream_reset",
    "no_listener",
    "pgbouncer_client_idle_timeout",
    "pgbouncer_server_lost",
    "postgres_client_abort",
    "postgres_client_abort_ipv6",
    "postgres_client_killed",
    "postgres_idle_in_transaction",
    "postgres_server_killed",
    "postgres_terminate_backend",
    "protocol_mismatch",
    "redis_value_too_large",
    "stale_pool",
    "stale_pool_any",
    "tls_unknown_ca",
]
ABORT = "postgres_client_abort"
ZONE = "Asia/Tokyo"  # of the lab's machines; a client's log prints none


def tied(name: str, logs: list[Path], points: list[str] | None = None) -> Any:
    folder = CAPTURES / name
    return analyze(
        at={p: folder / f for p, f in CASES[name]["captures"].items() if points is None or p in points},
        logs=logs,
        log_timezone=ZONE,
        dissect=False,
    )


@pytest.mark.parametrize("name", LOGGED)
def test_the_lines_of_a_case_are_tied_to_its_connections(name: str) -> None:
    files = {line["file"] for connection in CASES[name]["connections"] for line in connection.get("log_lines", [])}
    logs = [CAPTURES / name / file for file in sorted(files)]
    found = tied(name, logs)
    ends = found.endings.set_index("ending")
    said = {path.name: path.read_text().splitlines() for path in logs}

    def entry(source: str, line: int) -> str:
        rest = said[source][line:]
        more = next((i for i, text in enumerate(rest) if re.match(r"\d{4}[-/]\d\d[-/]\d\d ", text)), len(rest))
        return "\n".join([said[source][line - 1], *rest[:more]])

    got = [
        (m.source, end, entry(m.source, m.line))
        for m in found.matches.itertuples()
        for end in (ends.at[m.ending, "client"], ends.at[m.ending, "server"])
    ]
    judged = set(ends["client"]) | set(ends["server"])  # what ended well has no ending to tie to
    missing = [
        (connection["client"], line)
        for connection in CASES[name]["connections"]
        if connection["client"] in judged
        for line in connection.get("log_lines", [])
        if not any(
            source == line["file"] and end == connection["client"] and line["text"] in text for source, end, text in got
        )
    ]
    assert not missing


def shifted(text: str, shift: pd.Timedelta) -> str:
    """The same log with every time stamp moved, its zone's name kept."""

    def move(match: re.Match[str]) -> str:
        return (pd.Timestamp(match[0]) + shift).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

    return re.sub(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", move, text)


@pytest.mark.parametrize("point", ["client", "server"])
def test_a_shifted_log_of_a_real_server_has_another_offset_and_the_same_matches(point: str, tmp_path: Path) -> None:
    log = CAPTURES / ABORT / "postgresql.log"
    moved = tmp_path / "postgresql.log"
    moved.write_text(shifted(log.read_text(), pd.Timedelta("9h 2.7s")))
    before, after = tied(ABORT, [log], [point]), tied(ABORT, [moved], [point])
    assert len(before.matches) == 3
    same = before.matches.columns.drop(["time", "lag"])
    pd.testing.assert_frame_equal(after.matches[same], before.matches[same])
    moved_by = after.clocks["offset_seconds"] - before.clocks["offset_seconds"]
    assert moved_by.tolist() == pytest.approx([32402.7], abs=1e-6)
    assert "ahead of the capture by 9 h, 2.70" in after.clocks["sentence"][0]


def test_lines_of_another_case_are_not_tied() -> None:
    found = tied(ABORT, [CAPTURES / "stale_pool" / "postgresql.log"])
    assert found.matches.empty
    assert len(found.unmatched_log_lines) == 6
