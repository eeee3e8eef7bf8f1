"""What belongs together: bursts, scans, consequences, a proxy's legs, an idle timer."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analyzer import incidents, schema


def grouped(*rows: dict[str, Any]) -> list[Any]:
    base = {"kind": "reset", "client_ip": "192.0.2.1", "server_ip": "192.0.2.2", "server_port": 5432, "apparent_sender": "server",
            "sender": "192.0.2.2:5432", "server": "192.0.2.2:5432"}  # fmt: skip
    legs = pd.DataFrame(
        {"ending": [f"r{n}" for n, _ in enumerate(rows, start=1)], "connection": range(1, len(rows) + 1)}
    )
    said = {
        "cause": "abortive_close",
        "reset_by": "server",
        "confidence": 0.9,
        "cause_confidence": 0.8,
        "harmless": False,
        "sentence": "One.",
    }
    endings, findings = [], []
    for n, row in enumerate(rows, start=1):
        time = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(seconds=row.get("at", 0.0))
        endings.append(
            {**base, "ending": f"r{n}", "time": time, **{k: v for k, v in row.items() if k in schema.ENDINGS.columns}}
        )
        findings.append({**said, "ending": f"r{n}", **{k: v for k, v in row.items() if k in schema.FINDINGS.columns}})
    tables = (
        table.conform(pd.DataFrame(data)) for table, data in ((schema.ENDINGS, endings), (schema.FINDINGS, findings))
    )
    return schema.rows(incidents.incidents(*tables, schema.MATCHES.empty(), legs))


def test_a_scan_of_many_ports_is_one_incident_that_names_the_host() -> None:
    ports = [
        {"at": n / 10, "server_port": n, "server": f"192.0.2.2:{n}", "cause": "connection_refused"} for n in range(200)
    ]
    (found,) = grouped(*ports)
    assert found.resets == 200
    assert "200 ports of 192.0.2.2" in found.sentence


def test_a_burst_over_many_hosts_is_one_incident_and_single_endings_are_not() -> None:
    burst = [{"at": n / 50, "client_ip": f"192.0.2.{n}", "server_ip": f"198.51.100.{n % 4}", "server": f"198.51.100.{n % 4}:80",
              "reset_by": "middlebox", "cause": "idle_timeout_notified"} for n in range(20)]  # fmt: skip
    (found,) = grouped(*burst)
    assert "20 clients to 4 services of 4 servers" in found.sentence
    assert "All within 380 ms." in found.sentence
    assert len(grouped(*[{**row, "at": 100.0 * n, "server_port": n} for n, row in enumerate(burst)])) > 1


def test_a_long_pause_makes_two() -> None:
    assert len(grouped({"at": 0.0}, {"at": 5.0}, {"at": 5000.0})) == 2


def test_consequences_of_a_stop_join_it() -> None:
    (found,) = grouped(
        {"at": 0.0, "cause": "unread_data_at_close"},
        {"at": 0.1, "cause": "server_shutdown"},
        {"at": 2.0, "cause": "connection_refused"},
        {"at": 3.0, "cause": "connection_refused"},
    )
    assert (found.cause, found.resets) == ("server_shutdown", 4)
    assert (
        found.sentence == "One. 1 more connection broke in consequence. Afterwards 2 attempts to connect were refused."
    )
    assert len(grouped({"at": 0.0, "cause": "server_shutdown"}, {"at": 300.0, "cause": "connection_refused"})) == 2


FIRST_LEG = {"at": 0.0, "cause": "connection_state_lost", "server_ip": "192.0.2.9", "client_ip": "192.0.2.2"}
SECOND_LEG = {"at": 0.01, "cause": "relayed_reset", "other_leg_connection": 1}


def test_a_proxys_second_leg_joins_the_first() -> None:
    (found,) = grouped(FIRST_LEG, SECOND_LEG)
    assert (found.cause, found.resets) == ("connection_state_lost", 2)
    assert found.sentence == "One. 192.0.2.2 passed that on: it ended 1 connection of its other side."


def test_a_proxy_is_not_blamed_for_what_a_device_did_to_its_second_leg() -> None:
    assert len(grouped(FIRST_LEG, {**SECOND_LEG, "cause": "idle_timeout", "reset_by": "middlebox"})) == 2
    assert len(grouped(FIRST_LEG, {**SECOND_LEG, "other_leg_connection": 99})) == 2, "that leg was not asked for"


def test_an_idle_timer_is_named_with_its_bracket() -> None:
    timer = {
        "cause": "idle_timeout",
        "reset_by": "middlebox",
        "timer_low": 340.0,
        "timer_high": 360.0,
        "timer_known": "350 s (AWS)",
    }
    (found,) = grouped(*({**timer, "at": 400.0 * n} for n in range(3)))
    assert found.sentence.endswith(
        "The timer is longer than 340 s and at most 360 s. Known defaults in that range: 350 s (AWS)."
    )
