"""A sign that says the same of every ending of the corpus has not been tested by it: each one is on a list, with the reason.

The judgements are those of test_corpus.py (captures/lab/judging.py keeps them).
"""

from __future__ import annotations

import pandas as pd
import pytest
from test_corpus import CASES, VIEWS

from analyzer import diagnosis, schema
from captures.lab import judging

# Why no case makes a sign hold, or none makes it fail -> the signs, cause.sign. Whoever builds such a case deletes the line.
NEVER_VARIES = {
    "needed: a hypothesis without it is out, and endings of its kind have it": (
        "closed_midway.closed", "path_mtu_black_hole.connected", "unexplained.always",
    ),
    "known only where it holds": (
        "tls_failure.speaks_tls", "keepalive_timeout.one_interval_later", "relayed_reset.other_leg", "abortive_close.passed_on",
        "connection_state_lost.address_moved",
        "relayed_reset.carried_leg", "abortive_close.carried_leg",
    ),
    "one case of a death in mid-work, one of an ordinary close that a log complains of": (
        "closed_midway.transaction_open", "closed_midway.request_unanswered", "closed_midway.asked_last", "closed_midway.log_midway",
        "closed_midway.said_goodbye", "orderly_close.asked_last", "orderly_close.sealed", "orderly_close.delivered",
    ),
    "the lab's captures last seconds: no rate of opening before a burst, no silence of minutes": (
        "accept_queue_overflow.burst", "accept_queue_overflow.silence_before", "server_overload.burst", "server_overload.slow_handshakes",
        "server_overload.repeated_syns", "idle_timeout.minutes", "idle_timeout_notified.minutes", "port_reuse.recent",
    ),
    "the lab's proxies pass an end on at once, and say nothing in their resets": (
        "relayed_reset.at_once", "relayed_reset.device_says_so",
    ),
    "no case of a client that gives up by its own timer and says so": (
        "client_cancel.evidence", "client_cancel.waiting", "client_cancel.retried",
    ),
    "netfilter marks no packets and says nothing in its resets": ("firewall_reject.tos_dropped",),
    "the timer's device tells both ends within one round trip": ("idle_timeout_notified.both_ends",),
    "no NAT of the lab gives two clients one port": ("nat_state_mismatch.wrong_number",),
    "no case gives the kernel's trace, a firewall's log or a failed start to the analyzer: test_kernel_trace, test_firewall_log, test_correlation": (
        "abortive_close.kernel_reason", "accept_queue_overflow.kernel_reason", "challenge_ack.kernel_reason",
        "connection_refused.kernel_reason", "connection_state_lost.kernel_reason", "data_after_close.kernel_reason",
        "firewall_reject.kernel_reason", "half_open_probe.kernel_reason", "health_probe.kernel_reason",
        "host_restart.kernel_reason", "injected_reset.kernel_reason", "keep_alive_race.kernel_reason",
        "keepalive_timeout.kernel_reason", "nat_state_mismatch.kernel_reason", "port_reuse.kernel_reason",
        "relayed_reset.kernel_reason", "unread_data_at_close.kernel_reason", "connection_refused.port_in_use",
        "firewall_reject.firewall_log",
    ),
    "no case of a host that restarts while its router speaks, or of a sender that believes the size it is told and dies": (
        "host_restart.unreachable_meanwhile", "path_mtu_black_hole.told_size",
    ),
    "one case each": (
        "connection_state_lost.after_reset", "health_probe.repeated", "path_mtu_black_hole.small_pass", "tls_failure.fatal_alert",
        "retransmission_timeout.log_timeout",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def endings() -> pd.DataFrame:
    """Every ending of the corpus, at every view."""
    tables = [judging.diagnosis(CASES[name], view).endings for name, view in VIEWS]
    return schema.ENDINGS.conform(pd.concat([t for t in tables if len(t)], ignore_index=True))


def test_signs_that_never_vary_are_those_with_a_reason(endings: pd.DataFrame) -> None:
    same = set()
    for pair in diagnosis.hypotheses():
        judged = endings[endings["kind"].isin(pair.cause.kinds)]
        for sign in pair.cause.signs:
            if judged.empty or sign.test(judged).astype("boolean").dropna().nunique() < 2:
                same.add(f"{pair.cause.id}.{sign.id}")
    assert same == {sign for signs in NEVER_VARIES.values() for sign in signs}
