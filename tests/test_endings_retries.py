"""What the client did next: did it try again, at what spacing, and when did it work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analyzer import schema
from analyzer.endings import retries
from captures.lab import judging
from captures.lab.case_file import load

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
START = pd.Timestamp("2026-11-20T09:00:00Z")
PATH = {"point": "p", "client_ip": "192.0.2.1", "server_ip": "192.0.2.2", "server_port": 5432}


def after(*attempts: float, works: bool = False, until: float = 300.0, **path: Any) -> Any:
    """The facts of an ending at 0 s that these attempts follow (the last one works); the capture goes on to `until`."""
    ending = {**PATH, "ending": "p/r1", "kind": "reset", "time": START}
    rows = [
        {"first": -50.0, "last": 0.0},
        *({"first": a, "last": a + 0.01} for a in attempts),
        {"first": -9.0, "last": until, "client_ip": "x"},
    ]
    lives = [{**PATH, "connection": n, "server_bytes": 0, "conn_state": "REJ", **row, **(path if 0 < n <= len(attempts) else {})}
             for n, row in enumerate(rows)]  # fmt: skip
    if works:
        lives[len(attempts)] |= {"server_bytes": 5, "conn_state": "S1"}
    for life in lives:
        life |= {name: START + pd.Timedelta(seconds=life[name]) for name in ("first", "last")}
    (row,) = schema.rows(retries.add(schema.ENDINGS.of([ending]), schema.CONNECTIONS.of(lives)))
    return row


@pytest.mark.parametrize(
    ("attempts", "spacing", "pause"),
    [
        ([1.0, 2.0, 3.1, 4.0], "fixed", 1.0),
        ([0.1, 1.1, 3.1, 7.1, 15.1], "backoff", 3.0),
        ([0.1, 1.1, 3.1, 7.1, 12.1, 17.1], "backoff", 4.0),
        ([n / 50 for n in range(1, 200)], "storm", 0.02),
        ([0.1, 5.0, 5.2, 20.0, 21.0], "irregular", 2.95),
        ([1.0, 2.0, 3.0], None, None),
    ],
)
def test_the_spacing_of_attempts_in_vain(attempts: list[float], spacing: str | None, pause: float | None) -> None:
    e = after(*attempts)
    assert (e.retries, e.retry_spacing, e.connected_again) == (len(attempts), spacing, None)
    assert e.retry_interval == (None if pause is None else pytest.approx(pause, abs=0.05))


def test_nobody_tried_is_said_only_of_a_capture_that_goes_on() -> None:
    quiet, cut = after(), after(until=30.0)
    assert (quiet.retries, quiet.retry_spacing) == (0, "none")
    assert (cut.retries, cut.retry_spacing) == (None, None)
    assert after(61.0).retries == 0, "later is another story"
    assert after(1.0, 2.0, client_ip="192.0.2.7").retries == 0, "another client's"


def test_what_follows_the_first_that_worked_is_no_attempt() -> None:
    e = after(1.0, 2.0, 3.0, 4.0, works=True)
    assert (e.retries, e.retry_spacing, e.connected_again) == (4, "fixed", pytest.approx(4.0))
    assert after(1.0, works=True).connected_again == pytest.approx(1.0)
    later = after(1.0, 2.0, 3.0, 4.0, server_bytes=5)
    assert (later.retries, later.connected_again) == (1, pytest.approx(1.0))


def test_the_report_says_what_happened_next() -> None:
    """In restart_refused a service restarts: the attempts in between are refused, a later one works."""
    d = judging.diagnosis(load(CAPTURES / "restart_refused"), "client")
    (document,) = (i for i in d.document["incidents"] if i["cause"] == "connection_refused")
    first = schema.rows(d.endings[d.endings["ending"] == document["endings"][0]])[0]
    later = d.connections[(d.connections["first"] > first.time) & (d.connections["server_port"] == first.server_port)]
    works = later[later["server_bytes"] > 0]["first"].min()
    assert first.retries == (later["first"] <= works).sum()
    assert first.connected_again == pytest.approx((works - first.time).total_seconds())
    assert first.client_ip in document["afterwards"]
    assert document["afterwards"] in d.to_markdown()
