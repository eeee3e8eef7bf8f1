"""A program threw its connection away: linger 0, disconnect, or an administrator's socket kill."""

from __future__ import annotations

import pandas as pd

from analyzer.causes.cause import Cause, Sign, all_of, any_of, kernel_says, known, shaking_hands


def _will_not_wait(e: pd.DataFrame) -> pd.Series[bool]:
    """True where a side sent its FIN and a reset right behind it.

    Either when its FIN is acknowledged (TCP_LINGER2 below zero, Linux tcp_rcv_state_process), or at once from the live socket
    (shutdown, then a close with linger 0, as proxies do).
    """
    at_once = all_of(e["sender_fin"], e["since_sender_fin"] <= 1.0, ~e["peer_data_after_sender_fin"])
    bare = all_of(e["answers_trigger"], e["trigger_kind"] == "ack")
    return all_of(at_once, any_of(bare, all_of(~e["answers_trigger"], e["live_socket"])))


CAUSE = Cause(
    id="abortive_close",
    title="abortive close: the program on that side threw the connection away",
    origins=("sender",),
    mechanism=(
        "The socket was closed with SO_LINGER {1, 0}, disconnected with connect(AF_UNSPEC), or destroyed (`ss -K`). The live socket sends "
        "RST+ACK at its next sequence number and forgets everything queued (RFC 9293 3.10.5 ABORT; Linux tcp_send_active_reset, reason "
        "TCP_STATE). The other side reads ECONNRESET; the closer sees no error."
    ),
    remedy=(
        "On the side that reset: close with a protocol goodbye and an ordinary close (PostgreSQL: commit or roll back, then Terminate). Look "
        "for SO_LINGER 0, for pools that discard connections hard (cancelled requests, validation failures, `abort()` in drivers) and for "
        "operators' scripts. Where it is meant (load tools, balancers), the line in the log is noise."
    ),
    confirm=(
        "On that host: `nstat -az TcpExtTCPAbortOnData` rises, the tracepoint tcp:tcp_send_reset says TCP_STATE, and "
        "`strace -e trace=setsockopt,close` shows the linger option."
    ),
    signs=(
        Sign("no_fin", "{sender} had not closed its side in the ordinary way: no FIN, or a reset right behind it",
             lambda e: any_of(~e["sender_fin"], _will_not_wait(e)), 3, source="RFC 9293 3.10.5; lab case server_abort", needed=True),
        Sign("connected", "the handshake was over", lambda e: ~shaking_hands(e), 0, source="RFC 9293 3.10.5; lab case server_abort", needed=True),
        Sign("not_an_answer", "it answers no packet: the decision was taken on that side",
             lambda e: any_of(~e["answers_trigger"], _will_not_wait(e)), 6, -14,
             source="Linux tcp_send_active_reset against tcp_v4_send_reset", cites=("trigger_frame", "frame")),
        Sign("nothing_arriving", "nothing of {peer} was arriving: its last payload came {since_peer_data} before",
             lambda e: all_of(~e["peer_was_sending"], ~e["zero_window"]), 4, -2, source="lab cases server_abort, nginx_unread_body",
             plain="nothing of {peer} was arriving"),
        Sign("answer_complete", "the last request had been answered completely: nothing was under way",
             lambda e: known(~e["request_unanswered"], ~e["peer_was_sending"] | (e["apparent_sender"] == "client")), 5, -3,
             source="lab cases server_abort, nginx_unread_body"),
        Sign("would_not_wait", "it sent its FIN and a reset right behind it, without waiting for the other side to finish",
             _will_not_wait, 8, 0, source="tcp(7): TCP_LINGER2; lab case no_lingering", cites=("trigger_frame", "frame")),
        Sign("service_gone", "the next attempt was refused: the whole process had ended", lambda e: e["retry_refused"], -5, 0,
             source="Linux __tcp_close; lab cases server_process_killed, listener_killed"),
        Sign("passed_on", "its host had received a reset from {other_leg} {other_leg_delay} before, on a connection in the opposite role: "
             "the reason lies there",
             lambda e: known(e["other_leg"].notna(), e["other_leg"].notna() & e["other_leg_messages"].isna()), -10,
             group="leg", source="lab case haproxy_relayed_reset",
             plain="its host had received a reset just before, on a connection in the opposite role: the reason lies there"),
        Sign("carried_leg", "another connection, which carried the same {other_leg_messages} messages at another capture point, had been reset by "
             "{other_leg} {other_leg_delay} before: the reason lies there",
             lambda e: known(e["other_leg"].notna(), e["other_leg_messages"].notna()), -10, group="leg", source="lab case haproxy_relayed_reset",
             plain="another connection, which carried the same messages at another capture point, had been reset just before: the reason lies there"),
        Sign("probing", "{sender} had been probing with keepalives, {keepalives} in a row", lambda e: e["keepalives"] >= 2, -12,
             source="Linux tcp_keepalive_timer; lab case keepalive_failure",
             plain="{sender} had been probing with keepalives, two or more in a row"),
        Sign("peer_logged_reset", "the other side's log says that it received a reset",
             lambda e: any_of(
                 all_of(e["apparent_sender"] == "client", e["server_log_events"].str.contains("reset_received")),
                 all_of(e["apparent_sender"] == "server", e["client_log_events"].str.contains("reset_received"))),
             2, source="the writer's own words", cites_logs=True),
        kernel_says("TCP_STATE", "TCP_ABORT_ON_LINGER", "TCP_ABORT_ON_DATA", "TCP_DISCONNECT_WITH_DATA"),
    ),
    prior={"sender": 0},
    emitter={"sender": "socket"},
    lookalikes={
        "unread_data_at_close": "an ordinary close with unread bytes looks the same on the wire: look for payload that had just arrived and "
        "for an answer still under way; the kernel counts it as TCPAbortOnClose",
        "keepalive_timeout": "there, unanswered probes come first",
        "server_timeout": "where the server's idle timer resets without a goodbye (MySQL and MariaDB `wait_timeout`) only its log tells: "
        "`Got timeout reading communication packets`",
        "data_after_close": "there, that side had sent its FIN and only answers what came later",
    },
    references=(("RFC 9293 section 3.10.5", "ABORT call"), ("socket(7)", "SO_LINGER"), ("Linux net/ipv4/tcp.c", "__tcp_close, tcp_disconnect")),
)  # fmt: skip
