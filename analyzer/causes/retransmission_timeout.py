"""Nothing came back any more, but perhaps a router's word; the sender gave up without one."""

from __future__ import annotations

import pandas as pd

from analyzer.causes.cause import Cause, Sign, all_of, any_of, known, log_says


def _no_end_seen(e: pd.DataFrame) -> pd.Series[bool]:
    """True for a connection that died in silence here, or at a place that this capture does not show and that a log tells of."""
    told = all_of(~e["sender_fin"], log_says(e, "any", "timed_out").fillna(False))
    return known(any_of(e["kind"] == "silence", told), e["kind"].isin(["silence", "log_only"]))


CAUSE = Cause(
    id="retransmission_timeout",
    title="died in silence: what was sent was never acknowledged",
    origins=("none",),
    kinds=("silence", "log_only"),
    mechanism=(
        "Payload, a SYN or a FIN was retransmitted with growing pauses and never acknowledged. Linux gives up after tcp_retries2 (about 15 "
        "minutes) or TCP_USER_TIMEOUT and sends nothing; the local program reads ETIMEDOUT (tcp_write_timeout). No reset exists to be found. "
        "A router that cannot pass packets on may say so by ICMP (RFC 1812 5.2.7): host unreachable (nobody answers its ARP requests), network "
        "unreachable (no route), time exceeded (a routing loop). That ends a connection request at once on Linux, with EHOSTUNREACH; an open "
        "connection goes on until it gives up, and then reads that error (RFC 5461)."
    ),
    remedy=(
        "Where an ICMP error came, begin at its sender: it knows no way to the host. Else find where the packets vanish: a DROP rule, a dead host, a "
        "lost route, a device that forgot the connection and drops. Shorter `tcp_user_timeout` (also a libpq option) reports it sooner; it "
        "does not mend it."
    ),
    confirm="A capture at the other end shows whether the retransmissions arrive; `nstat -az TcpExtTCPAbortOnTimeout` rises on the sender.",
    signs=(
        Sign("no_end_seen", "the capture shows neither a FIN nor a reset: it repeats in vain, or a log says that it timed out", _no_end_seen, 0,
             source="RFC 9293 3.8.3", needed=True),
        Sign("sent_again", "{sender} sent the same again {sender_retransmissions} times without an answer",
             lambda e: e["sender_retransmissions"] >= 2, 12, -6, source="RFC 9293 3.8.3; lab case path_lost",
             plain="{sender} sent the same again, twice or more, without an answer"),
        Sign("told_unreachable", "{icmp_from} said by ICMP, of a segment that was never acknowledged: {icmp_error}",
             lambda e: known(e["icmp_error"].isin(["network unreachable", "host unreachable", "time exceeded"]), e["icmp_error"].notna()), 12, -10,
             source="RFC 1812 5.2.7, 5.3.1; lab case host_unreachable", cites=("icmp_frame",),
             plain="a router said by ICMP that it cannot reach the host, or that the packet went in circles"),
        Sign("only_large", "only segments of {lost_segment} bytes were lost; the largest that arrived had {largest_delivered} bytes",
             lambda e: all_of(e["lost_segment"] >= 1000, e["lost_segment"] > e["largest_delivered"]), -4, 0,
             source="RFC 2923 2.1; lab case path_mtu_black_hole",
             plain="only large segments were lost, and smaller ones arrived"),
        Sign("log_timeout", "a log says that the connection timed out",
             lambda e: any_of(e["client_log_events"].str.contains("timed_out"), e["server_log_events"].str.contains("timed_out")), 4, 0,
             source="the writer's own words", cites_logs=True),
    ),
    prior={"none": 0},
    emitter={"none": "unknown"},
    lookalikes={
        "path_mtu_black_hole": "there, only full-sized segments vanish and small ones get through",
        "firewall_reject": "there an ICMP error says that it is prohibited, or that the port is unreachable",
    },
    references=(("RFC 9293 section 3.8.3", "connection failures"), ("RFC 5461", "TCP's reaction to soft errors"),
                ("tcp(7)", "tcp_retries2, TCP_USER_TIMEOUT")),
)  # fmt: skip
