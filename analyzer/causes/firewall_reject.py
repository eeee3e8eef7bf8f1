"""A packet filter answers in the name of the host it protects."""

from __future__ import annotations

import pandas as pd

from analyzer.causes.cause import Cause, Sign, all_of, kernel_says, known


def _of_resets(condition: pd.Series[bool], e: pd.DataFrame) -> pd.Series[bool]:
    """Return the condition for resets, NA for an ending without one."""
    return known(condition, e["kind"] == "reset")


def _by_icmp(e: pd.DataFrame) -> pd.Series[bool]:
    """Return whether the ICMP error is one that filters send: a host's own TCP answers neither with this nor with port unreachable."""
    says = e["icmp_error"].isin(["administratively prohibited", "port unreachable", "protocol unreachable"])
    return known(says, all_of(e["kind"] == "silence", e["icmp_error"].notna()))


CAUSE = Cause(
    id="firewall_reject",
    title="rejected by a packet filter",
    origins=("path", "sender", "peer", "none"),
    kinds=("reset", "silence"),
    mechanism=(
        "A rule with `REJECT --reject-with tcp-reset`, or a firewall's deny-with-reset, builds a reset with the protected host's "
        "address (Linux nf_reject_ipv4.c). The packet is a stateless answer from the filter's own stack: its own TTL, IP ID 0, window 0, "
        "TOS 0, and it goes only to the sender of the rejected packet. The protected host never sees anything. Or the filter answers with an "
        "ICMP error from its own address: administratively prohibited, or port unreachable, which is what REJECT sends unless told otherwise. A "
        "host's own TCP resets and sends no such error (RFC 1122 3.2.2.1). It ends a connection request at once (a Linux program reads "
        "EHOSTUNREACH, or ECONNREFUSED); an open connection repeats itself until it gives up (RFC 5461)."
    ),
    remedy=(
        "Allow this source, destination and port in the rule that rejects, or stop the client from trying. If the packets belong to an "
        "established connection, the rule drops the filter's own state too early: order it behind ESTABLISHED, or raise the timer."
    ),
    confirm=(
        "Rule counters on each hop (`iptables -nvL`, `nft list ruleset`, the vendor's deny log) rise with the resets. A REJECT never fires "
        "the tracepoint tcp:tcp_send_reset, also not on the server's own host."
    ),
    signs=(
        Sign("stateless_answer", "it is a stateless answer to the packet before it",
             lambda e: e["answers_trigger"], 8, source="Linux nf_send_reset", needed=True, cites=("trigger_frame", "frame")),
        Sign("answers_syn", "it answers a SYN", lambda e: e["trigger_kind"] == "syn", 5, -5,
             source="Linux nf_send_reset; lab case firewall_reject", cites=("trigger_frame",)),
        Sign("rejected_by_icmp", "{icmp_from} answered a segment that was never acknowledged with an ICMP error: {icmp_error}", _by_icmp, 18, -20,
             source="RFC 1812 5.2.7.1; RFC 1122 3.2.2.1; lab case firewall_reject_icmp", needed=True, cites=("icmp_frame",),
             plain="an ICMP error that packet filters send answered a segment that was never acknowledged"),
        Sign("no_long_silence", "no long silence came before ({idle_gap}): the rule, not a forgotten state",
             lambda e: _of_resets(e["idle_gap"] < 1.0, e), 0, -8, source="lab cases firewall_reject, stale_pool",
             plain="no long silence came before: the rule, not a forgotten state"),
        Sign("same_ttl", "its TTL is exactly that of the other packets of {sender} ({ttl_usual})",
             lambda e: e["ttl_delta"] == 0, -8, source="Linux nf_send_reset does not copy the TTL", group="ttl",
             plain="its TTL is exactly that of the other packets of {sender}"),
        Sign("tos_dropped", "its TOS byte is 0 while {sender} marks its other packets",
             lambda e: e["tos_differs"], 3, source="Linux nf_send_reset"),
        Sign("others_accepted", "the same port accepts other connections in this capture",
             lambda e: e["port_accepts"], 2, -1, source="Linux nf_send_reset; lab case firewall_reject"),
        Sign("sender_closed", "{sender} had closed its side before: its own kernel answers late data like this",
             lambda e: _of_resets(e["sender_fin"], e), -12, source="RFC 9293 3.10.7.4; lab case data_after_close"),
        Sign("firewall_log", "a firewall's log says that one of its rules, whose name speaks of dropping or rejecting, saw a packet of it",
             lambda e: e["other_log_events"].str.contains("rejected"), 8, source="iptables-extensions(8), LOG: the prefix is the administrator's",
             cites_logs=True, log_events=("rejected",)),
        kernel_says(),
    ),
    prior={"path": -2, "sender": -8, "peer": -14, "none": -12},
    emitter={"path": "device", "sender": "host_filter", "peer": "host_filter", "none": "unknown"},
    lookalikes={
        "connection_refused": "the host's own kernel answers with the host's usual TTL, and the host's capture shows the SYN",
        "retransmission_timeout": "a router that cannot reach the host says so by ICMP as well, but calls it unreachable, not prohibited",
        "idle_timeout": "a device that forgot an idle connection rejects too, but only after a silence longer than those that survived",
    },
    references=(("Linux net/ipv4/netfilter/nf_reject_ipv4.c", "how the reset is built"), ("iptables-extensions(8)", "REJECT"),
                ("RFC 1812 section 5.2.7.1", "communication administratively prohibited"), ("RFC 5461", "TCP's reaction to soft errors")),
)  # fmt: skip
