"""Each cause on hand-made facts: where it must be found, and where its nearest look-alike must be found instead."""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import Any

import pytest
from test_diagnosis import BARE, LIVE, judge

from analyzer import diagnosis
from analyzer.causes import all_causes

CAPTURES = Path(__file__).parent.parent / "captures"

REQUEST = {"sender_bytes": 200, "peer_bytes": 100, "server_bytes": 200, "client_bytes": 100}
AFTER_FIN = {
    **BARE, **REQUEST, "idle_gap": 0.01, "sender_fin": True, "peer_data_after_sender_fin": True, "stage": "closing", "since_sender_fin": 0.02,
    "ttl_delta": 0,
}  # fmt: skip
CROSSED = {**AFTER_FIN, "fin_crossed": True, "sender_fin_to_peer_data": 0.001, "idle_before_fin": 5.0}
TIMER = {
    **LIVE,
    "live_socket": False,
    "timestamp_continues": None,
    "has_timestamps": False,
    "idle_gap": 240.0,
    "both_ends_reset": True,
    "ttl_delta": 3,
}
SYN_BY_ACK = {
    **BARE, "apparent_sender": "client", "stage": "syn", "trigger_kind": "ack", "syn_answer": "ack", "idle_gap": 0.001, "handshake": False,
    "sender_bytes": 0, "ttl_delta": 0,
}  # fmt: skip
SILENCE = {"kind": "silence", "sender_retransmissions": 6, "handshake": True, "stage": "data", "sender_fin": False}
LARGE = {**SILENCE, "lost_segment": 1448, "largest_delivered": 300, "heard_since_loss": True}
QUEUE = {
    **BARE, "stage": "data", "idle_gap": 0.001, "duration": 0.05, "server_bytes": 0, "sender_bytes": 0, "client_bytes": 80, "syn_answer": "syn_ack",
    "opening_burst": 6.0, "syn_retries": 4,
}  # fmt: skip
DIED = {
    **LIVE, "peer_was_sending": True, "peer_bytes_since_sender_data": 500, "ended_together": 5, "lived_together": 5, "retry_refused": True,
    "service_refused": True, "same_moment": 2,
}  # fmt: skip
TLS = {
    **AFTER_FIN,
    "application": "tls",
    "last_client_words": "TLS Alert: unknown_ca",
    "last_server_words": "TLS ServerHello",
}
ERROR = {
    **LIVE, **REQUEST, "peer_was_sending": True, "peer_bytes_since_sender_data": 9000, "since_sender_data": 0.001, "application": "postgresql",
    "encrypted": False, "last_server_words": "ErrorResponse 28P01", "server_goodbye": "error", "request_unanswered": False,
}  # fmt: skip
STRANGE = {
    **LIVE, "server_port": 443, "client_opening": "http", "server_opening": "tls_alert", "client_bytes": 80, "server_bytes": 7,
    "peer_was_sending": True, "peer_bytes_since_sender_data": 80,
}  # fmt: skip
WAITING = {
    **LIVE, "apparent_sender": "client", "request_unanswered": True, "since_sender_data": 30.0, "since_peer_data": 31.0,
    "peer_bytes_since_sender_data": 0, "same_wait": 6,
}  # fmt: skip
RESTARTED = {
    **BARE,
    "idle_gap": 0.4,
    "host_ports_lost": 4,
    "retransmissions": 5,
    "retry_refused": True,
    "same_moment": 6,
    "sender_bytes": 10,
}
ORPHAN = {
    **BARE,
    "idle_gap": 0.2,
    "roles_known": False,
    "handshake": False,
    "twin": "10.0.0.7",
    "peer_data_after": True,
}
PROXY = {**LIVE, "other_leg": "10.0.0.9:5432", "other_leg_delay": 0.002}
LOADED = {
    **LIVE, "handshake_slowdown": 20.0, "syn_retries": 9, "opening_burst": 8.0, "zero_window": True, "same_moment": 12, "peer_was_sending": True,
    "peer_bytes_since_sender_data": 50, "server_log_events": "out_of_memory,rejected",
}  # fmt: skip

CLOSED = {
    "kind": "fin_midway", "apparent_sender": "client", "sender_fin": True, "both_fins_acked": True, "unacked_sender": 0, "unacked_peer": 0,
    "request_unanswered": False, "transaction_open": False, "stage": "closing",
}  # fmt: skip

MUST_FIND: dict[str, dict[str, Any]] = {
    "accept_queue_overflow": QUEUE,
    "keep_alive_race": CROSSED,
    "idle_timeout_notified": {**TIMER, "timer_high": 240.4, "timer_low": 239.0, "path_failures": 4},
    "process_exit": DIED,
    "host_restart": RESTARTED,
    "path_mtu_black_hole": LARGE,
    "tls_failure": {**TLS, "tls_alert": "unknown_ca"},
    "protocol_error": ERROR,
    "protocol_mismatch": STRANGE,
    "server_shutdown": {
        **AFTER_FIN,
        "application": "postgresql",
        "encrypted": False,
        "server_goodbye": "terminated",
        "sqlstate": "57P01",
    },
    "client_cancel": WAITING,
    "port_reuse": {**SYN_BY_ACK, "same_ports_ended": "well", "since_same_ports": 12.0},
    "challenge_ack": {**SYN_BY_ACK, "same_ports_ended": "open", "since_same_ports": 300.0},
    "nat_state_mismatch": ORPHAN,
    "relayed_reset": PROXY,
    "server_overload": LOADED,
    "closed_midway": {**CLOSED, "transaction_open": True},
    "orderly_close": {**CLOSED, "kind": "log_only", "server_log_events": "reset_received"},
}

# cause -> facts on which another one must be found
MUST_NOT: dict[str, tuple[dict[str, Any], str]] = {
    "accept_queue_overflow": ({**QUEUE, "server_bytes": 40, "sender_bytes": 40, "opening_burst": 1.0, "syn_retries": 0}, "connection_state_lost"),
    "keep_alive_race": ({**AFTER_FIN, "fin_crossed": False, "sender_fin_to_peer_data": 40.0, "idle_before_fin": 5.0}, "data_after_close"),
    "idle_timeout_notified": ({**LIVE, "path_failures": 1}, "abortive_close"),
    "process_exit": ({**DIED, "ended_together": 0, "lived_together": 9, "retry_refused": False, "service_refused": False}, "unread_data_at_close"),
    "host_restart": ({**RESTARTED, "host_ports_lost": 1, "retransmissions": 0, "retry_refused": False}, "connection_state_lost"),
    "path_mtu_black_hole": ({**SILENCE, "lost_segment": 1448, "largest_delivered": 1448, "heard_since_loss": False}, "retransmission_timeout"),
    "tls_failure": ({**TLS, "tls_alert": "close_notify", "last_client_words": "TLS ApplicationData", "fin_crossed": False,
                     "sender_fin_to_peer_data": 9.0}, "data_after_close"),
    "protocol_error": ({**ERROR, "application": "http", "last_server_words": "HTTP 200", "server_goodbye": None}, "unread_data_at_close"),
    "protocol_mismatch": ({**STRANGE, "client_opening": "tls", "server_opening": "tls"}, "unread_data_at_close"),
    "server_shutdown": ({**AFTER_FIN, "fin_crossed": False, "sender_fin_to_peer_data": 9.0, "application": "postgresql", "encrypted": False},
                        "data_after_close"),
    "client_cancel": ({**LIVE, "apparent_sender": "client", "request_unanswered": False, "since_peer_data": 3.0, "since_sender_data": 3.1},
                      "abortive_close"),
    "port_reuse": ({**SYN_BY_ACK, "same_ports_ended": "open", "since_same_ports": 300.0}, "challenge_ack"),
    "challenge_ack": ({**SYN_BY_ACK, "same_ports_ended": "well", "since_same_ports": 12.0}, "port_reuse"),
    "nat_state_mismatch": ({**BARE, "idle_gap": 0.2, "sender_bytes": 10}, "connection_state_lost"),
    "relayed_reset": (LIVE, "abortive_close"),
    "closed_midway": ({**CLOSED, "kind": "log_only", "server_log_events": "closed,reset_received"}, "orderly_close"),
    "orderly_close": ({**CLOSED, "request_unanswered": None, "transaction_open": None, "server_log_events": "unexpected_end"}, "closed_midway"),
    "server_overload": ({**LIVE, "handshake_slowdown": 1.0, "syn_retries": 0, "opening_burst": 1.0, "same_moment": 0}, "abortive_close"),
}  # fmt: skip


@pytest.mark.parametrize("cause", MUST_FIND)
def test_found(cause: str) -> None:
    finding = judge(**MUST_FIND[cause])
    assert finding.cause == cause, finding.alternatives


@pytest.mark.parametrize("cause", MUST_NOT)
def test_not_found(cause: str) -> None:
    facts, other = MUST_NOT[cause]
    finding = judge(**facts)
    assert finding.cause == other, (finding.cause, finding.alternatives)


def test_a_known_reason_needs_evidence_else_it_stands_among_the_alternatives() -> None:
    """Neither a dead process nor a cancelled request is concluded from the packet alone."""
    for facts, cause in (({**LIVE, "peer_was_sending": True, "peer_bytes_since_sender_data": 50}, "process_exit"),
                         ({**WAITING, "same_wait": 0}, "client_cancel")):  # fmt: skip
        finding = judge(**facts)
        assert finding.cause != cause
        assert cause in {a["cause"] for a in finding.alternatives}


def test_the_hosts_own_filter_is_its_own_side() -> None:
    """A reset that never left the loopback interface was made by the host that received it, whatever address it carries."""
    finding = judge(has_ack=True, stage="syn", loopback=True, captured_at="peer", ttl=64, ttl_usual=63, ttl_delta=1)
    assert (finding.reset_by, finding.cause, finding.emitter) == ("client", "firewall_reject", "host_filter")
    assert "192.0.2.1:40000 itself" in finding.sentence


def test_a_reset_without_effect_harms_nobody() -> None:
    assert judge(**{**LIVE, "ineffective": True, "unacked_peer": 10}).harmless is True


def test_harm_is_unknown_where_the_words_are_sealed() -> None:
    idle = {**LIVE, "unacked_sender": 0, "unacked_peer": 0, "lossless": True}
    assert judge(**idle).harmless is None
    assert judge(**idle, request_unanswered=False).harmless is True
    assert judge(**idle, request_unanswered=True).harmless is False


@pytest.mark.parametrize(
    ("facts", "harmless"),
    [
        ({"apparent_sender": "server", "captured_at": "peer"}, True),
        ({"apparent_sender": "server", "captured_at": "sender", "keepalives": 3, "keepalives_unanswered": 3}, None),
        ({"apparent_sender": "server", "captured_at": "peer", "keepalives": 3, "keepalives_unanswered": 3}, True),
        ({"apparent_sender": "client", "captured_at": "sender"}, True),
        ({"apparent_sender": "client", "captured_at": "peer", "ttl": 60, "ttl_usual": 64, "ttl_delta": -4, "live_socket": False}, None),
        ({"apparent_sender": "client", "captured_at": "peer", "client_unseen": 0}, True),
        ({"apparent_sender": "client", "captured_at": "peer", "client_unseen": 36}, None),
    ],
    ids=["at the client", "no way to the client", "at the client, no way", "the client's own", "in the client's name", "both ends", "swallowed"],
)  # fmt: skip
def test_what_the_client_may_have_sent_unseen_is_not_called_harmless(
    facts: dict[str, Any], harmless: bool | None
) -> None:
    """A device that resets in its name, or a path on which keepalives die, may have swallowed its request before the capture point."""
    quiet = {**LIVE, "unacked_sender": 0, "unacked_peer": 0, "lossless": True, "request_unanswered": False}
    assert judge(**{**quiet, **facts}).harmless is harmless


def test_a_host_that_did_not_answer_had_not_only_lost_a_process() -> None:
    """A kernel answers what is repeated at once, whatever became of its programs: so it is not said of a host that was away."""
    away = {**DIED, "answers_trigger": True, "trigger_had_ack": True, "live_socket": False, "sender_fin": False}
    assert judge(**away, retransmissions=0).cause == "process_exit"
    assert judge(**away, retransmissions=6).cause == "connection_state_lost"


def test_a_timer_that_the_log_tells_explains_a_reset_without_a_fin() -> None:
    """MariaDB ends what rests for longer than wait_timeout so; without the log nobody can tell it from any other abort."""
    resting = {**LIVE, "apparent_sender": "server", "sender_fin": False}
    assert judge(**resting, server_log_events="idle_timeout").cause == "server_timeout"
    assert judge(**resting).cause == "abortive_close"


@pytest.mark.parametrize("pair", diagnosis.hypotheses(), ids=lambda p: f"{p.cause.id}-{p.origin}")
def test_a_stranger_can_look_up_where_a_sign_comes_from(pair: diagnosis.Hypothesis) -> None:
    """RFC sections, kernel functions, papers, vendors' pages and lab cases: none is a handle of private notes, and each lab case exists."""
    for sign in pair.signs:
        assert not re.search(
            r"\b(CAUSE|SHAPE|AMB|FEAT)-\d|\b[BD]\.\d\b|DESIGN|fact base|engineering note", sign.source
        ), f"{sign.id}: {sign.source}"
        for names in re.findall(r"lab cases? ([a-z0-9_]+(?:, [a-z0-9_]+)*)", sign.source):
            for name in names.split(", "):
                assert (CAPTURES / name / "case.toml").is_file(), f"{sign.id}: there is no lab case {name}"


def test_a_plain_sentence_has_no_values_that_the_full_one_lacks() -> None:
    """It is filled in with the same values (diagnosis/evidence.py)."""
    signs = {sign for pair in diagnosis.hypotheses() for sign in pair.signs}
    assert not {sign.id for sign in signs if _places(sign.plain) - _places(sign.says)}


def _places(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


# What the common guides advise, and the causes that it mends: as words of the remedy, and where they must and may stand.
ADVICE: dict[str, tuple[str, set[str]]] = {
    "a pooler, or sharing connections": (
        r"PgBouncer\b(?! `(?:PAUSE|client_idle_timeout)`)|\(pool, HTTP keep-alive\)",
        {"accept_queue_overflow", "port_reuse", "protocol_error", "server_overload"}),
    "retry with backoff": (
        r"backoff", {"accept_queue_overflow", "connection_refused", "host_restart", "process_exit", "server_overload", "server_shutdown"}),
    "TCP keepalives": (
        r"[Kk]eepalives|tcp_keepalives_idle",
        {"challenge_ack", "connection_state_lost", "host_restart", "idle_timeout", "idle_timeout_notified", "keepalive_timeout"}),
    "shorter idle time, or a test, in the pool": (
        r"pool_pre_ping|pool_recycle|[Pp]ools? must|test pooled connections|pool's idle time",
        {"connection_state_lost", "data_after_close", "idle_timeout", "idle_timeout_notified",
         "keep_alive_race", "server_shutdown", "server_timeout"}),
    "a longer idle timeout of the server's sessions": (r"idle_session_timeout|idle_in_transaction_session_timeout", {"server_timeout"}),
    "a longer timeout of requests": (r"statement_timeout|socketTimeout|read_timeout", {"client_cancel"}),
    "less use of resources, or more of them": (r"work_mem|\bmemory\b|worker", {
        "accept_queue_overflow", "closed_midway", "process_exit", "server_overload"}),
    "the order of keep-alive timers": (r"keepalive_timeout\b|keepAliveTimeout|KeepAliveTimeout", {"keep_alive_race"}),
    "MSS clamping": (r"clamp", {"path_mtu_black_hole"}),
    "dropping what is INVALID": (r"INVALID", {"nat_state_mismatch"}),
}  # fmt: skip


@pytest.mark.parametrize("advice", ADVICE)
def test_each_advice_stands_under_the_causes_that_it_mends_and_under_no_other(advice: str) -> None:
    words, causes = ADVICE[advice]
    assert {
        c.id for c in all_causes().values() if re.search(words, re.sub(r"[Kk]eepalives do not help", "", c.remedy))
    } == causes
