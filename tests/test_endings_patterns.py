"""Facts that need several packets, or several connections: hand-written conversations and their population."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_endings import BARE, CLIENT, CONNECTION, EXCHANGE, HANDSHAKE, SERVER, START, Line, fact_row, packets

from analyzer import endings as package
from analyzer import schema
from analyzer.endings import moments, timers
from analyzer.endings.openings import recognise

AGAIN = {"retransmission": True}
SILENT = {"client_resets": 0, "server_resets": 0, "ended": "silence", "unanswered": True}


def test_a_syn_answered_by_a_bare_ack() -> None:
    lines: list[Line] = [(0.0, CLIENT, "S", 0, 0, 0), (0.01, SERVER, "A", 777, 900, 0), (0.02, CLIENT, "R", 900, 0, 0, BARE),
                         (0.03, CLIENT, "S", 0, 0, 0), (0.04, SERVER, "SA", 0, 1, 0), (0.05, CLIENT, "A", 1, 1, 0)]  # fmt: skip
    lines[2] = (0.02, CLIENT, "R", 0, 0, 0, {**BARE, "seq": (5000 - 5000 + 1000 + 900) % 2**32})
    e = fact_row(lines)
    assert (e.syn_answer, e.stage, e.trigger_kind, e.answers_trigger) == ("ack", "syn", "ack", True)
    assert (e.ineffective, e.data_after_reset) == (False, False), "the next attempt on the same ports is no aftermath"


def test_a_syn_ack_for_another_syn() -> None:
    assert (
        fact_row(
            [(0.0, CLIENT, "S", 0, 0, 0), (0.01, SERVER, "SA", 0, 500, 0), (0.02, CLIENT, "R", 500, 0, 0, BARE)]
        ).syn_answer
        == "wrong_number"
    )
    assert fact_row([*EXCHANGE, (3.0, CLIENT, "RA", 101, 201, 0)]).syn_answer == "syn_ack"


def test_a_server_that_repeats_its_syn_ack_did_not_accept() -> None:
    lines: list[Line] = [*HANDSHAKE, (0.03, CLIENT, "PA", 1, 1, 80), (0.3, CLIENT, "PA", 1, 1, 80, AGAIN), (1.0, SERVER, "SA", 0, 1, 0, AGAIN),
                         (1.01, CLIENT, "A", 81, 1, 0), (3.0, SERVER, "SA", 0, 1, 0, AGAIN), (3.1, CLIENT, "PA", 1, 1, 80, AGAIN)]  # fmt: skip
    e = fact_row(lines, SILENT)
    assert (e.kind, e.syn_ack_repeats) == ("silence", 2)


def test_a_request_that_crossed_the_fin_is_seen_from_either_side() -> None:
    fin: Line = (5.0, SERVER, "FA", 201, 101, 0)
    request: Line = (5.001, CLIENT, "PA", 101, 201, 50)
    reset: Line = (5.02, SERVER, "R", 201, 0, 0, BARE)
    near_server = fact_row([*EXCHANGE, fin, request, reset])
    near_client = fact_row([*EXCHANGE, (4.999, *request[1:]), fin, reset])  # type: ignore[misc]
    for e in (near_server, near_client):
        assert (e.peer_data_after_sender_fin, e.fin_crossed) == (True, True)
        assert e.idle_before_fin == pytest.approx(4.95), "what crossed the FIN was not known to the side that closed"
    known: Line = (9.0, CLIENT, "PA", 101, 202, 50)
    assert fact_row([*EXCHANGE, fin, known, (9.01, SERVER, "R", 202, 0, 0, BARE)]).fin_crossed is False


def test_only_large_segments_are_lost() -> None:
    large = [(1.0 + i, CLIENT, "PA", 101, 201, 1448, AGAIN if i else {}) for i in range(5)]
    heard: Line = (2.5, SERVER, "A", 201, 101, 0)
    lines: list[Line] = sorted([*EXCHANGE, *large, heard], key=lambda line: line[0])  # type: ignore[list-item]
    e = fact_row(lines, SILENT)
    assert (e.kind, e.sender, e.lost_segment, e.largest_delivered, e.heard_since_loss) == (
        "silence",
        "192.0.2.1:40000",
        1448,
        100,
        True,
    )
    assert e.sender_retransmissions == 4


def test_a_reset_with_the_next_number_answers_nothing_after_a_long_silence() -> None:
    e = fact_row([*EXCHANGE, (300.0, SERVER, "R", 201, 0, 0, BARE)])
    assert (e.answers_trigger, e.idle_gap) == (False, pytest.approx(299.95))


def test_a_challenged_reset_has_no_effect() -> None:
    lines: list[Line] = [*EXCHANGE, (0.5, SERVER, "R", 240, 0, 0, {**BARE, "ttl": 50}), (0.501, CLIENT, "A", 101, 201, 0),
                         (0.6, CLIENT, "PA", 101, 201, 10), (0.7, SERVER, "PA", 201, 111, 10), (0.8, CLIENT, "A", 111, 211, 0)]  # fmt: skip
    e = fact_row(lines)
    assert (e.ineffective, e.challenged) == (True, True)


@pytest.mark.parametrize(
    ("data", "client", "word"),
    [
        (b"GET / HTTP/1.1\r\n", True, "http"), (b"\x16\x03\x01\x02\x00", True, "tls"), (b"\x15\x03\x03\x00\x02\x02\x28", False, "tls_alert"),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", True, "postgresql"), (b"PROXY TCP4 ", True, "proxy_protocol"), (b"SSH-2.0-x", False, "ssh"),
        (b"J\x00\x00\x00\x0a8.0", False, "mysql"), (b"*1\r\n$4\r\n", True, "redis"), (b"hello", True, "text"), (b"\x01\x02", True, "binary"),
        (b"", True, None),
    ],
)  # fmt: skip
def test_first_bytes(data: bytes, client: bool, word: str | None) -> None:
    assert recognise(data, client) == word


def test_openings_are_read_only_where_the_beginning_is_in_the_capture() -> None:
    def openings(lines: list[Line]) -> Any:
        connections = schema.CONNECTIONS.conform(pd.DataFrame([CONNECTION]))
        coverage = schema.COVERAGE.conform(pd.DataFrame([{"point": "capture", "where": "between"}]))
        read = lambda capture, offset, length: b"GET / HTTP/1.1\r\n"[:length]  # noqa: E731
        found = package.endings(packets(lines), connections, schema.HOSTS.empty(), schema.GAPS.empty(), coverage, read)
        return schema.rows(found)[0].client_opening

    reset: Line = (3.0, CLIENT, "RA", 101, 201, 0)
    assert openings([*EXCHANGE, reset]) == "http"
    assert openings([*EXCHANGE[3:], reset]) is None


def population(endings: list[dict[str, Any]], connections: list[dict[str, Any]]) -> Any:
    base = {"point": "capture", "kind": "reset", "server_ip": "192.0.2.2", "server_port": 5432, "client_ip": "192.0.2.1", "apparent_sender": "server",
            "stage": "data", "sender": "192.0.2.2:5432", "roles_known": True}  # fmt: skip
    rows = [{**base, "ending": f"r{n}", "connection": n, **row} for n, row in enumerate(endings, start=1)]
    lives = [{**CONNECTION, "connection": n, "handshake": True, **row} for n, row in enumerate(connections, start=1)]
    for row in (*rows, *lives):
        for name in ("time", "first", "last"):
            if name in row:
                row[name] = pd.Timestamp(START + round(row[name] * 1e9), tz="UTC")
    table = moments.add(schema.ENDINGS.conform(pd.DataFrame(rows)), schema.CONNECTIONS.conform(pd.DataFrame(lives)))
    return schema.rows(schema.ENDINGS.conform(table))


def test_a_service_that_ends_with_all_its_connections() -> None:
    lives = [
        {"first": 0.0, "last": 100.0 + n / 100, "server_fin": True, "ended": "well", "client_port": 40000 + n}
        for n in range(4)
    ]
    lives.append(
        {
            "first": 105.0,
            "last": 105.1,
            "conn_state": "REJ",
            "handshake": False,
            "server_bytes": 0,
            "client_port": 41000,
        }
    )
    e = population([{"time": 100.0}], lives)[0]
    assert (e.ended_together, e.lived_together, e.service_refused) == (3, 3, True)
    assert population([{"time": 100.0}], lives[:4])[0].service_refused is None, "nobody asked"


def test_the_earlier_connection_on_the_same_ports() -> None:
    lives = [{"first": 0.0, "last": 10.0, "ended": "well"}, {"first": 30.0, "last": 30.1}]
    e = population([{"time": 30.1, "connection": 2, "client_port": CONNECTION["client_port"]}], lives)[0]
    assert (e.same_ports_ended, e.since_same_ports) == ("well", pytest.approx(20.0))


def test_several_ports_of_one_host_and_the_same_wait() -> None:
    lost = [{"time": float(n), "server_port": 5000 + n % 3} for n in range(6)]
    assert [e.host_ports_lost for e in population(lost, [{"first": 0.0, "last": 1.0}])] == [3] * 6
    waiting = {"apparent_sender": "client", "since_peer_data": 99.0}
    waits = [{**waiting, "time": 10.0 * n, "since_sender_data": w} for n, w in enumerate([30.0, 30.2, 29.9, 3.0])]
    assert [e.same_wait for e in population(waits, [{"first": 0.0, "last": 1.0}])] == [2, 2, 2, 0]


def test_a_cancel_request_and_a_busy_service() -> None:
    lives: list[dict[str, Any]] = [
        {"first": float(n), "last": n + 0.5, "server_rtt": 0.001, "syn_frames": 1, "client_port": n} for n in range(60)
    ]
    lives += [
        {"first": 60.0 + n / 10, "last": 61.0, "server_rtt": 0.05, "syn_frames": 2, "client_port": 900 + n}
        for n in range(40)
    ]
    lives.append({"first": 59.0, "last": 59.1, "client_bytes": 16, "server_bytes": 0, "client_port": 2})
    calm, busy = population([{"time": 20.0}, {"time": 64.0}], lives)
    assert (calm.cancel_nearby, busy.cancel_nearby) == (False, True)
    assert (calm.syn_retries, busy.syn_retries) == (0, 40)
    assert calm.handshake_slowdown < 2 < 10 < busy.handshake_slowdown
    assert calm.opening_burst < 1 < 3 < busy.opening_burst


def test_a_timer_is_bracketed_by_survivors_and_failures_and_never_found_from_one() -> None:
    def bracket(gaps: list[float], survived: float | None, **facts: Any) -> Any:
        base = {"kind": "reset", "point": "capture", "client_ip": "192.0.2.1", "server_ip": "192.0.2.2", "server_port": 5432, "stage": "data",
                "sender_fin": False, "keepalives": 0, "answers_trigger": True, "path_survived": survived}  # fmt: skip
        rows = [{**base, "ending": f"r{n}", "idle_gap": gap, **facts} for n, gap in enumerate(gaps)]
        return timers.brackets(schema.ENDINGS.conform(pd.DataFrame(rows))).iloc[0]

    one = bracket([400.0], 340.0)
    assert pd.isna(one["timer_high"]) and one["path_failures"] == 1
    three = bracket([360.0, 400.0, 900.0], 340.0)
    assert (three["timer_low"], three["timer_high"]) == (340.0, 360.0)
    assert three["timer_known"].startswith("350 s (AWS")
    assert pd.isna(bracket([360.0, 400.0, 900.0], 500.0)["timer_high"]), "a longer survivor refutes one timer"
    assert pd.isna(bracket([360.0, 400.0, 900.0], None)["timer_known"]), "without a lower bound no product is named"
    acts = bracket([240.0, 240.3, 240.1], 200.0, answers_trigger=False)
    assert acts["timer_low"] < 240.0 < acts["timer_high"] < 241.0
    assert "Azure" in acts["timer_known"]
    assert pd.isna(bracket([60.0, 240.0, 500.0], 10.0, answers_trigger=False)["timer_high"]), "they do not agree"


def test_timeline_counts_like_a_loop() -> None:
    rng = np.random.default_rng(7)
    group, time = rng.integers(0, 5, 200), rng.integers(0, 10**10, 200) * 1000
    line = package.population.Timeline(group, time, int(time.min()))
    reach = 2 * 10**12
    want = [
        int(((group == g) & (time >= t - reach) & (time <= t + reach)).sum()) for g, t in zip(group, time, strict=True)
    ]
    assert line.count(group, time, reach, reach).tolist() == want
