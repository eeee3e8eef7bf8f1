"""Facts of a reset from a connection's own packets: hand-written conversations, and what must not change them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import endings as package
from analyzer import schema
from analyzer.schema import ACK, FIN, PSH, RST, SYN

CLIENT, SERVER = True, False
LETTERS = {"S": SYN, "A": ACK, "P": PSH, "F": FIN, "R": RST}
ISN = {CLIENT: 1000, SERVER: 5000}
START = 1_700_000_000_000_000_000

# time [s], sender, flags, relative seq, relative ack, length, and what differs from a plain Linux segment
Line = tuple[float, bool, str, int, int, int] | tuple[float, bool, str, int, int, int, dict[str, Any]]

HANDSHAKE: list[Line] = [(0.0, CLIENT, "S", 0, 0, 0), (0.01, SERVER, "SA", 0, 1, 0), (0.02, CLIENT, "A", 1, 1, 0)]
EXCHANGE: list[Line] = [
    *HANDSHAKE,
    (0.03, CLIENT, "PA", 1, 1, 100),
    (0.04, SERVER, "PA", 1, 101, 200),
    (0.05, CLIENT, "A", 101, 201, 0),
]


def packets(lines: list[Line], *, shift: dict[bool, int] | None = None, later: int = 0) -> pd.DataFrame:
    """PACKETS of one conversation. Timestamps tick at 1 kHz; IP IDs count up in each direction; replies of a bare stack override."""
    shift = shift or {CLIENT: 0, SERVER: 0}
    rows, ids, known = [], {CLIENT: 100, SERVER: 900}, set()
    for number, (time, sender, letters, seq, ack, length, *rest) in enumerate(lines, start=1):
        flags = sum(LETTERS[letter] for letter in letters)
        ids[sender] += 1
        known.add(sender)
        base, other = ISN[sender] + shift[sender], ISN[not sender] + shift[not sender]
        row: dict[str, Any] = {
            "connection": 1, "point": "capture", "capture": "x.pcap", "frame": number, "stream": 0,
            "time": START + later + round(time * 1e9), "from_client": sender, "flags": flags,
            "seq": (base + seq) % 2**32, "ack": (other + ack) % 2**32 if flags & ACK else None,
            "relative_seq": seq, "relative_ack": ack if flags & ACK else None,
            "window": 500, "window_shift": 7 if flags & SYN else None, "length": length, "captured": length, "offset": 0,
            "ttl": 64 if sender else 61, "ip_id": ids[sender], "dont_fragment": True, "tos": 0, "tsval": 10_000 + round(time * 1000),
            "tsecr": 1, "checksum_ok": True, "unfinished_checksum": False, "retransmission": False, "keepalive": False,
        }  # fmt: skip
        rows.append(row | (rest[0] if rest else {}))
    table = pd.DataFrame(rows)
    table["time"] = pd.to_datetime(table["time"], utc=True)
    return schema.PACKETS.conform(table)


CONNECTION = {
    "connection": 1, "point": "capture", "capture": "x.pcap", "stream": 0, "client_ip": "192.0.2.1", "client_port": 40000,
    "server_ip": "192.0.2.2", "server_port": 5432, "roles_known": True, "handshake": True, "client_rtt": 0.01, "server_rtt": 0.01,
    "timestamps": True, "ended": "reset", "client_resets": 1, "server_resets": 0, "unanswered": False, "history": "ShADad",
    "conn_state": "RSTO", "client_bytes": 100, "server_bytes": 200,
}  # fmt: skip


def fact_row(lines: list[Line], connection: dict[str, Any] | None = None, **how: Any) -> Any:
    table = packets(lines, **how)
    times = {"first": table["time"].min(), "last": table["time"].max()}
    connections = schema.CONNECTIONS.conform(pd.DataFrame([{**CONNECTION, **times, **(connection or {})}]))
    coverage = schema.COVERAGE.conform(pd.DataFrame([{"point": "capture", "where": "between"}]))
    found = package.endings(table, connections, schema.HOSTS.empty(), schema.GAPS.empty(), coverage)
    assert len(found) == 1
    return schema.rows(found)[0]


BARE = {"tsval": None, "window": 0, "ip_id": 0}
ABORT: list[Line] = [*EXCHANGE, (3.0, CLIENT, "RA", 101, 201, 0)]
ANSWERED: list[Line] = [
    *EXCHANGE,
    (9.0, CLIENT, "PA", 101, 201, 50),
    (9.01, SERVER, "R", 201, 0, 0, {**BARE, "ttl": 64}),
]


def test_an_abort_by_the_live_socket() -> None:
    e = fact_row(ABORT)
    assert (e.apparent_sender, e.live_socket, e.answers_trigger, e.seq_delta, e.ack_delta) == (
        "client",
        True,
        False,
        0,
        0,
    )
    assert (e.ttl_delta, e.ip_id_continues, e.timestamp_continues, e.in_window, e.stage) == (
        0,
        True,
        True,
        True,
        "data",
    )
    assert (e.client_bytes, e.server_bytes, e.unacked_sender, e.unacked_peer, e.peer_was_sending) == (
        100,
        200,
        0,
        0,
        False,
    )
    assert (e.sender_fin, e.peer_fin, e.both_fins_acked, e.data_after_reset) == (False, False, False, False)
    assert e.since_peer_data == pytest.approx(2.96)


def test_a_bare_answer_after_a_silence() -> None:
    e = fact_row(ANSWERED, {"client_resets": 0, "server_resets": 1})
    assert (e.apparent_sender, e.answers_trigger, e.trigger_kind, e.trigger_frame, e.trigger_had_ack) == (
        "server",
        True,
        "data",
        7,
        True,
    )
    assert (e.live_socket, e.has_ack, e.has_timestamps, e.timestamps_negotiated) == (False, False, False, True)
    assert (e.ttl, e.ttl_usual, e.ttl_delta, e.ttl_basis) == (64, 61, 3, "connection")
    assert e.idle_gap == pytest.approx(8.95)
    assert (e.unacked_peer, e.too_fast) == (50, False)


def test_an_answer_sooner_than_half_the_round_trip_is_too_fast() -> None:
    soon: list[Line] = [*EXCHANGE, (9.0, CLIENT, "PA", 101, 201, 50), (9.001, SERVER, "R", 201, 0, 0, BARE)]
    assert fact_row(soon, {"server_rtt": 0.010}).too_fast is True
    assert fact_row(soon, {"server_rtt": 0.001}).too_fast is None, "within the noise of the machine nothing is too fast"
    assert fact_row(soon, {"server_rtt": None}).too_fast is None


def test_a_busy_line_does_not_make_an_honest_answer_too_fast() -> None:
    busy: list[Line] = [
        *EXCHANGE,
        *((9.0 + i / 1000, CLIENT, "PA", 101 + 50 * i, 201, 50) for i in range(12)),
        (9.0112, SERVER, "R", 201, 0, 0, BARE),
    ]
    assert fact_row(busy, {"server_rtt": 0.010}).too_fast is False


def test_a_refused_syn() -> None:
    e = fact_row(
        [(0.0, CLIENT, "S", 0, 0, 0), (0.01, SERVER, "RA", -5000, 1, 0, BARE)], {"server_rtt": None, "handshake": False}
    )
    assert (e.apparent_sender, e.trigger_kind, e.answers_trigger, e.stage, e.seq_delta) == (
        "server",
        "syn",
        True,
        "syn",
        None,
    )
    assert e.ttl_usual is None


def test_the_silence_before_a_retransmitted_trigger_counts_from_its_first_copy() -> None:
    lines: list[Line] = [*EXCHANGE, (9.0, CLIENT, "PA", 101, 201, 50), (9.3, CLIENT, "PA", 101, 201, 50, {"retransmission": True}),
                         (9.31, SERVER, "R", 201, 0, 0, BARE)]  # fmt: skip
    e = fact_row(lines)
    assert e.idle_gap == pytest.approx(8.95)
    assert e.retransmissions == 1


def test_data_after_a_close() -> None:
    lines: list[Line] = [*EXCHANGE, (1.0, SERVER, "FA", 201, 101, 0), (1.01, CLIENT, "A", 101, 202, 0), (4.0, CLIENT, "PA", 101, 202, 50),
                         (4.01, SERVER, "R", 202, 0, 0, BARE)]  # fmt: skip
    e = fact_row(lines)
    assert (e.sender_fin, e.peer_fin, e.peer_data_after_sender_fin, e.peer_acked_fin_first, e.stage) == (
        True,
        False,
        True,
        True,
        "closing",
    )
    assert (e.since_sender_fin, e.sender_fin_to_peer_data) == (pytest.approx(3.01), pytest.approx(3.0))


def test_a_request_that_crosses_the_fin_was_not_sent_by_a_side_that_knew() -> None:
    lines: list[Line] = [
        *EXCHANGE,
        (1.0, SERVER, "FA", 201, 101, 0),
        (1.001, CLIENT, "PA", 101, 201, 50),
        (1.02, SERVER, "R", 202, 0, 0, BARE),
    ]
    assert fact_row(lines).peer_acked_fin_first is False


def test_a_late_reset_after_both_ends() -> None:
    lines: list[Line] = [*EXCHANGE, (1.0, CLIENT, "FA", 101, 201, 0), (1.01, SERVER, "FA", 201, 102, 0), (1.02, CLIENT, "A", 102, 202, 0),
                         (2.0, CLIENT, "R", 102, 0, 0, BARE)]  # fmt: skip
    assert fact_row(lines).both_fins_acked is True


def test_unanswered_keepalives() -> None:
    probes: list[Line] = [(5.0 + i, SERVER, "A", 200, 101, 0, {"keepalive": True}) for i in range(3)]
    e = fact_row([*EXCHANGE, *probes, (8.0, SERVER, "RA", 201, 101, 0)])
    assert (e.keepalives, e.keepalives_unanswered, e.keepalive_interval, e.since_keepalive) == (
        3,
        3,
        pytest.approx(1.0),
        pytest.approx(1.0),
    )


def test_payload_that_goes_on_contradicts_its_own_reset() -> None:
    forged: Line = (0.5, SERVER, "RA", 201, 101, 0, {"ttl": 55, "tsval": None})
    e = fact_row([*EXCHANGE, forged, (0.6, SERVER, "PA", 201, 101, 80)])
    assert (e.data_after_reset, e.live_socket, e.ttl_delta) == (True, False, -6)


def test_a_packet_overtaken_by_the_reset_is_no_contradiction() -> None:
    lines: list[Line] = [*EXCHANGE, (0.5, SERVER, "RA", 281, 101, 0), (0.5001, SERVER, "PA", 201, 101, 80)]
    assert fact_row(lines).data_after_reset is False


def test_a_reset_without_effect_is_passed_over() -> None:
    stale: Line = (0.5, SERVER, "R", 90, 0, 0, BARE)
    goes_on: list[Line] = [
        (0.6, CLIENT, "PA", 101, 201, 10),
        (0.7, SERVER, "PA", 201, 111, 10),
        (0.8, CLIENT, "A", 111, 211, 0),
    ]
    e = fact_row([*EXCHANGE, stale, *goes_on, (5.0, CLIENT, "RA", 111, 211, 0)])
    assert (e.frame, e.apparent_sender) == (11, "client")


def test_a_copied_timestamp_stands_still() -> None:
    e = fact_row([*EXCHANGE, (0.4, SERVER, "PA", 201, 101, 10), (3.0, SERVER, "RA", 211, 101, 0, {"tsval": 10_400})])
    assert (e.timestamp_continues, e.live_socket) == (False, False)


def test_an_unfinished_checksum_among_finished_ones_was_built_here() -> None:
    made_here: Line = (9.01, SERVER, "R", 201, 0, 0, {**BARE, "checksum_ok": False, "unfinished_checksum": True})
    more: list[Line] = [(0.06, SERVER, "PA", 201, 101, 10), (0.07, CLIENT, "A", 101, 211, 0)]
    lines: list[Line] = [*EXCHANGE, *more, (9.0, CLIENT, "PA", 101, 211, 50), made_here]
    assert fact_row(lines).built_here is True
    unfinished = [
        (*line[:6], {**(line[6] if len(line) > 6 else {}), "checksum_ok": False, "unfinished_checksum": True})
        for line in lines
    ]
    assert fact_row(unfinished).built_here is None, "where that end's segments are unfinished too, nothing follows"


CONVERSATIONS = {"abort": ABORT, "answered": ANSWERED}
WHERE = {"point", "capture", "time", "ending"}


@pytest.mark.parametrize("lines", CONVERSATIONS.values(), ids=CONVERSATIONS)
@settings(max_examples=25, deadline=None)
@given(client=st.integers(0, 2**32 - 1), server=st.integers(0, 2**32 - 1), later=st.integers(0, 10**15))
def test_sequence_numbers_wrap_and_clocks_move_without_changing_a_fact(
    lines: list[Line], client: int, server: int, later: int
) -> None:
    here = vars(fact_row(lines))
    there = vars(fact_row(lines, shift={CLIENT: client, SERVER: server}, later=later))
    assert {k: v for k, v in here.items() if k not in WHERE} == {k: v for k, v in there.items() if k not in WHERE}


@pytest.mark.parametrize("lines", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_copies_of_packets_change_no_fact(lines: list[Line]) -> None:
    alone = vars(fact_row(lines))
    table = packets(lines)
    twice = pd.concat([table, table.assign(copy_of=table["frame"], frame=table["frame"] + 100, ttl=table["ttl"] - 1)])
    twice = schema.PACKETS.conform(twice.sort_values(["time", "frame"]))
    connections = schema.CONNECTIONS.conform(pd.DataFrame([CONNECTION]))
    coverage = schema.COVERAGE.conform(pd.DataFrame([{"point": "capture", "where": "between"}]))
    found = schema.rows(package.endings(twice, connections, schema.HOSTS.empty(), schema.GAPS.empty(), coverage))[0]
    assert {k: v for k, v in vars(found).items() if k not in WHERE} == {
        k: v for k, v in alone.items() if k not in WHERE
    }
