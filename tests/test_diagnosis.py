"""The judgement: what unknown facts do, what evidence does, and that every cause obeys the rules of the house."""

from __future__ import annotations

import math
import string
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import diagnosis, schema
from analyzer.causes import all_causes
from analyzer.causes.cause import Cause
from analyzer.causes.origins import ORIGIN_SIGNS
from analyzer.schema import ENDINGS

CAUSES = all_causes()
CONTRACT = {
    "connection_refused", "firewall_reject", "half_open_probe", "health_probe", "accept_queue_overflow", "abortive_close",
    "unread_data_at_close", "data_after_close", "keep_alive_race", "idle_timeout", "idle_timeout_notified", "connection_state_lost",
    "process_exit", "host_restart", "keepalive_timeout", "retransmission_timeout", "path_mtu_black_hole", "injected_reset", "tls_failure",
    "protocol_error", "protocol_mismatch", "server_timeout", "server_shutdown", "client_cancel", "port_reuse", "challenge_ack",
    "nat_state_mismatch", "relayed_reset", "server_overload", "late_reset", "closed_midway", "orderly_close", "unexplained",
}  # fmt: skip


def ending(**facts: Any) -> pd.DataFrame:
    """One ending of which nothing is known but these facts."""
    base = {
        "ending": "r1", "kind": "reset", "point": "capture", "capture": "x.pcap", "frame": 9, "stream": 0, "connection": 1,
        "client": "192.0.2.1:40000", "server": "192.0.2.2:5432", "client_ip": "192.0.2.1", "server_ip": "192.0.2.2", "server_port": 5432,
        "apparent_sender": "server", "sender": "192.0.2.2:5432", "peer": "192.0.2.1:40000", "roles_known": True,
    }  # fmt: skip
    return ENDINGS.conform(pd.DataFrame([{**base, **facts}]))


def judge(**facts: Any) -> Any:
    _, findings, notices = diagnosis.diagnose(ending(**facts), schema.MATCHES.empty())
    assert not notices
    return schema.rows(findings)[0]


# What a Linux kernel's answer to a packet of an unknown connection looks like, after a silence.
BARE = {
    "has_ack": False, "answers_trigger": True, "trigger_had_ack": True, "trigger_kind": "data", "trigger_delay": 0.01, "stage": "data",
    "handshake": True, "sender_fin": False, "peer_fin": False, "both_fins_acked": False, "idle_gap": 400.0, "window_zero": True,
    "has_timestamps": False, "timestamps_negotiated": True, "ip_id_zero": True, "live_socket": False, "captured_at": "peer",
    "ttl": 64, "ttl_usual": 64, "ttl_delta": 0,
}  # fmt: skip
LIVE = {
    "has_ack": True, "answers_trigger": False, "stage": "data", "handshake": True, "sender_fin": False, "seq_delta": 0, "live_socket": True,
    "has_timestamps": True, "timestamps_negotiated": True, "timestamp_continues": True, "peer_was_sending": False, "zero_window": False,
    "keepalives": 0, "captured_at": "peer", "idle_gap": 3.0, "ttl_delta": 0,
}  # fmt: skip


@pytest.mark.parametrize("pair", diagnosis.hypotheses(), ids=lambda p: f"{p.cause.id}-{p.origin}")
def test_signs_answer_unknown_when_nothing_is_known(pair: diagnosis.Hypothesis) -> None:
    nothing = ENDINGS.conform(pd.DataFrame({"ending": ["r1"], "kind": ["reset"]}))
    for sign in pair.signs:
        if sign.id not in ("always", "evidence"):
            answer = sign.test(nothing).astype("boolean")
            assert answer.isna().all(), f"{pair.cause.id}.{sign.id} says {list(answer)} of a row without facts"


def test_nothing_known_names_nobody() -> None:
    assert judge().reset_by == "undetermined"


def test_a_bare_answer_with_the_same_ttl_names_nobody_and_asks_for_the_other_capture() -> None:
    finding = judge(**BARE)
    assert finding.reset_by == "undetermined"
    assert "192.0.2.2" in finding.next_capture
    assert "tcpdump" in finding.next_capture


@pytest.mark.parametrize(
    ("since", "both", "who"),
    [(14.9, False, "server"), (15.0, False, "undetermined"), (None, False, "undetermined"),
     (0.9, True, "server"), (1.0, True, "undetermined"), (0.9, None, "server"), (2.0, None, "undetermined")],
)  # fmt: skip
def test_a_bare_answer_after_the_hosts_own_fin_is_its_own_while_every_device_remembers(
    since: float | None, both: bool | None, who: str
) -> None:
    closed = {"sender_fin": True, "peer_fin": both, "since_sender_fin": since, "stage": "closing"}
    assert judge(**BARE | closed | {"sender_fin_to_peer_data": since}).reset_by == who


def test_a_refusal_seen_from_afar_names_nobody_whatever_its_ttl_was_before() -> None:
    refused = {
        "stage": "syn",
        "trigger_kind": "syn",
        "trigger_had_ack": False,
        "has_ack": True,
        "handshake": False,
        "idle_gap": None,
    }
    finding = judge(**BARE | refused | {"port_accepts": True, "host_alive": True, "ttl_basis": "host"})
    assert (finding.reset_by, finding.cause) == ("undetermined", "connection_refused")
    assert finding.cause_confidence <= diagnosis.CAP_UNDECIDED  # a packet filter would answer the same
    assert finding.next_capture


def test_the_shape_of_a_reset_tells_a_socket_from_the_kernel() -> None:
    assert judge(**LIVE).emitter == "socket"
    closed = {"sender_fin": True, "since_sender_fin": 2.0, "stage": "closing"}
    assert judge(**BARE | closed).emitter == "kernel"


def test_equal_ttl_is_no_evidence_for_the_endpoint() -> None:
    unknown = judge(**{**BARE, "ttl": None, "ttl_usual": None, "ttl_delta": None})
    equal = judge(**BARE)
    shares = [sum(a["confidence"] for a in f.alternatives if a["reset_by"] == "middlebox") for f in (unknown, equal)]
    assert shares[1] >= shares[0] - 0.1


@pytest.mark.parametrize("hops", [-7, -2, 2, 5])
def test_another_ttl_points_to_the_path_and_more_so_after_a_silence(hops: int) -> None:
    finding = judge(**{**BARE, "ttl_delta": hops, "path_survived": 100.0})
    assert (finding.reset_by, finding.cause) == ("middlebox", "idle_timeout")
    assert 0.75 <= finding.confidence <= diagnosis.CAP_INFERENCE


def test_ttl_one_fresher_is_not_enough() -> None:
    assert judge(**{**BARE, "ttl_delta": 1}).reset_by == "undetermined"


def test_both_ends_prove_a_device_even_with_every_mark_copied() -> None:
    finding = judge(**LIVE, absent_at_sender=True, at_peer=True, lossless=True)
    assert (finding.reset_by, finding.proof, finding.confidence) == (
        "middlebox",
        "captured at both ends",
        diagnosis.CAP_PROOF,
    )


def test_without_proof_no_answer_exceeds_the_cap() -> None:
    finding = judge(**LIVE, request_unanswered=False)
    assert (finding.reset_by, finding.cause) == ("server", "abortive_close")
    assert finding.confidence <= diagnosis.CAP_INFERENCE
    assert finding.proof is None


def test_a_router_that_emits_what_never_came_in_is_the_sender() -> None:
    facts = {**BARE, "captured_at": "between", "direction": "out", "incoming_copy": False, "sender_is_local": False}
    finding = judge(**facts)
    assert (finding.reset_by, finding.proof) == ("middlebox", "captured on its way out of its host")


def test_a_response_cut_by_unread_bytes_is_not_an_abort() -> None:
    facts = {
        **LIVE,
        "peer_was_sending": True,
        "peer_bytes_since_sender_data": 300_000,
        "request_unanswered": True,
        "apparent_sender": "client",
    }
    assert judge(**facts).cause == "unread_data_at_close"


def test_a_failed_requirement_excludes_a_cause() -> None:
    finding = judge(**{**LIVE, "sender_fin": True, "since_sender_fin": 9.0})
    assert finding.cause not in ("abortive_close", "unread_data_at_close")
    assert not {a["cause"] for a in finding.alternatives} & {"abortive_close", "unread_data_at_close"}


def test_signs_of_one_group_count_once() -> None:
    evidence, _, _ = diagnosis.diagnose(ending(**{**LIVE, "at_sender": True}), schema.MATCHES.empty())
    place = evidence[
        (evidence["rank"] == 1) & (evidence["sign"].isin(["left_its_host", "absent_at_sender", "started_here"]))
    ]
    assert (place["weight"] != 0).sum() <= 1


def test_a_crashing_cause_costs_itself_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = diagnosis.hypotheses()
    broken = real[0].cause.signs[0].__class__("boom", "never", lambda e: e["no_such_column"], 1)
    pairs = (diagnosis.Hypothesis(real[0].cause, real[0].origin, (broken,)), *real[1:])
    monkeypatch.setattr(diagnosis, "hypotheses", lambda: pairs)
    _, findings, notices = diagnosis.diagnose(ending(**LIVE), schema.MATCHES.empty())
    assert len(findings) == 1
    assert [n.source for n in notices] == [f"cause {real[0].cause.id}"]


def test_of_many_alike_only_the_first_have_all_their_evidence() -> None:
    many = pd.concat([ending(**LIVE).assign(ending=f"r{n}") for n in range(80)], ignore_index=True)
    evidence, findings, _ = diagnosis.diagnose(many, schema.MATCHES.empty())
    assert len(findings) == 80
    first, last = (evidence[evidence["ending"] == name] for name in ("r0", "r79"))
    assert set(first["rank"]) == {1, 2}
    assert set(last["rank"]) == {1}
    assert (last["weight"] != 0).all()
    counted = first[(first["rank"] == 1) & (first["weight"] != 0)]
    strongest = (
        counted.assign(strength=counted["weight"].abs())
        .sort_values("strength", ascending=False, kind="stable")["sign"]
        .head(2)
    )
    assert set(last["sign"]) == set(strongest) < set(counted["sign"])


@pytest.mark.parametrize("cause", CAUSES.values(), ids=lambda c: c.id)
def test_every_cause_is_complete(cause: Cause) -> None:
    assert cause.id in CONTRACT
    assert set(cause.prior) == set(cause.origins)
    assert set(cause.lookalikes) <= CONTRACT - {cause.id}
    assert cause.id == "unexplained" or cause.lookalikes
    assert all((cause.title, cause.mechanism, cause.remedy, cause.confirm, cause.references))
    assert len({s.id for s in cause.signs}) == len(cause.signs)
    for sign in (*cause.signs, *(s for o in cause.origins for s in ORIGIN_SIGNS[o])):
        fields = {name for _, name, _, _ in string.Formatter().parse(sign.says) if name}
        assert fields | set(sign.cites) <= set(ENDINGS.columns), f"{sign.id} names columns that ENDINGS does not have"
        assert sign.source, f"{sign.id} has no source"
        plain = {name for _, name, _, _ in string.Formatter().parse(sign.plain or sign.says) if name}
        assert plain <= {"sender", "peer"}, f"{sign.id} has no sentence without values"


_VALUES = {
    "boolean": st.none() | st.booleans(),
    "Int64": st.none() | st.integers(-(2**31), 2**31),
    "Float64": st.none() | st.floats(0, 1e6, allow_nan=False),
}


@st.composite
def anything(draw: st.DrawFn) -> dict[str, Any]:
    """An ending with any facts, possible or not."""
    out: dict[str, Any] = {}
    for name, column in ENDINGS.columns.items():
        if column.dtype in _VALUES and name not in ("frame", "stream", "connection", "server_port", "client_port"):
            out[name] = draw(_VALUES[column.dtype])
    out["stage"] = draw(st.none() | st.sampled_from(["syn", "syn_ack", "established", "data", "closing"]))
    out["captured_at"] = draw(st.none() | st.sampled_from(["sender", "peer", "between", "unknown"]))
    out["apparent_sender"] = draw(st.sampled_from(["client", "server"]))
    return out


@settings(max_examples=60, deadline=None)
@given(anything())
def test_any_facts_give_a_finding_within_the_contract(facts: dict[str, Any]) -> None:
    f = judge(**facts)
    assert f.reset_by in ("client", "server", "middlebox", "undetermined")
    assert f.cause in CONTRACT
    assert (f.confidence is None) == (f.reset_by == "undetermined")
    assert f.confidence is None or diagnosis.NAME_FROM <= f.confidence <= (
        diagnosis.CAP_PROOF if f.proof else diagnosis.CAP_INFERENCE
    )
    assert (f.cause_confidence is None) == (f.cause == "unexplained")
    assert f.cause_confidence is None or f.cause_confidence <= diagnosis.CAP_INFERENCE  # proof is of who, not of why
    total = sum(a["confidence"] for a in f.alternatives)
    assert total <= 1.05
    assert not math.isnan(total)
