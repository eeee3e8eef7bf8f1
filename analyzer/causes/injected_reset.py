"""Somebody on the way forged a reset into a connection that both ends still used."""

from __future__ import annotations

import pandas as pd

from analyzer.causes.cause import Cause, Sign, all_of, any_of, kernel_says, known, shaking_hands


def _in_use(e: pd.DataFrame) -> pd.Series[bool]:
    """True within a second of the packet before; unknown after a rest that others on this path survived: no timer speaks against it."""
    used = all_of(e["stage"] == "data", e["idle_gap"] < 1.0)
    return known(used, any_of(used, ~(e["path_survived"] > e["idle_gap"]).fillna(False)))


CAUSE = Cause(
    id="injected_reset",
    title="injected reset: a device on the path broke a working connection",
    origins=("path",),
    mechanism=(
        "An intrusion prevention system, web filter, carrier or censor that watches the connection sends a reset in one end's name. It cannot "
        "take back what the real end sends, so the connection contradicts it: other TTL, wrong or missing stamps, impossible timing, payload "
        "that goes on (Weaver, Sommer and Paxson, NDSS 2009). The victim then answers the other end's next packet with a genuine reset of its own."
    ),
    remedy=(
        "Ask who owns the hop: match the time with the policy or threat log of the firewall, IPS, proxy or carrier. The TTL tells how many hops "
        "away it is. Allow the connection there, or encrypt what the policy reads."
    ),
    confirm="Capture on both sides of the suspected device at once: the reset appears on one side only. Its "
            "deny or threat log has the same time and addresses.",
    signs=(
        Sign("in_use", "the connection was in use, {idle_gap} since the packet before", _in_use,
             4, -6, source="Weaver, Sommer, Paxson 2009; lab case forged_reset",
             plain="the connection was in use, less than a second since the packet before"),
        Sign("unasked", "it answers no packet and fits no end of the exchange", lambda e: all_of(~e["answers_trigger"], ~e["live_socket"]), 6, 0,
             source="Weaver, Sommer, Paxson 2009; lab case forged_reset"),
        Sign("odd_sequence", "its sequence number is {seq_delta:+d} from the next one of {sender}",
             lambda e: all_of(e["seq_delta"] != 0, ~e["answers_trigger"]), 4, 0, source="DATA_SEQ_RST, RST_SEQ_CHANGE (Weaver, Sommer, Paxson 2009)",
             plain="its sequence number is not the next one of {sender}"),
        Sign("victim_answered", "the other end's later reset answers a packet: the victim's own, a consequence",
             lambda e: all_of(known(e["other_reset_frame"].notna(), e["copies"].notna()), ~e["both_ends_reset"]), 3, 0,
             source="Weaver, Sommer, Paxson 2009; lab case forged_reset",
             cites=("frame", "other_reset_frame")),
        Sign("sender_closed", "{sender} had closed its side before", lambda e: e["sender_fin"], -10,
             source="RFC 9293 3.10.7.4; lab case data_after_close"),
        Sign("handshake", "it met the handshake: refusing and rejecting look like this", lambda e: shaking_hands(e), -6,
             source="Linux nf_send_reset; lab case firewall_reject"),
        kernel_says(),
    ),
    prior={"path": -8},
    emitter={"path": "device"},
    lookalikes={
        "idle_timeout": "a device that forgot an idle connection answers a packet after a silence",
        "firewall_reject": "a rule answers each packet it rejects, and only that",
        "abortive_close": "the live socket's reset carries the connection's own timestamps, window and TTL",
    },
    references=(("Weaver, Sommer, Paxson: Detecting Forged TCP Reset Packets, NDSS 2009", "the rules"), ("RFC 5961", "blind resets")),
)  # fmt: skip
