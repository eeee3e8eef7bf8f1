"""A program closed, or died, while bytes it had not read lay in its socket."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, kernel_says, known, shaking_hands

CAUSE = Cause(
    id="unread_data_at_close",
    title="closed with unread data: that side stopped reading before the other stopped sending",
    origins=("sender",),
    mechanism=(
        "A close, also the one the kernel makes for a dying process, sends RST instead of FIN when the receive queue still holds bytes "
        "(RFC 2525 2.17; Linux __tcp_close, reason TCP_ABORT_ON_CLOSE). It is the live socket's own packet. Typical: a client killed or "
        "cancelled while a result streams to it, a server that answers before it has read the request's body."
    ),
    remedy=(
        "On the side that reset: read to the end before closing, or cancel through the protocol (PostgreSQL cancel request, then drain). If "
        "the process was killed, find what killed it (OOM killer, deployment, timeout). A server that refuses a body should drain it "
        "(nginx `lingering_close`, `Expect: 100-continue`)."
    ),
    confirm="On that host: `nstat -az TcpExtTCPAbortOnClose` rises; the tracepoint tcp:tcp_send_reset says "
            "TCP_ABORT_ON_CLOSE; kernel log for the OOM killer.",
    signs=(
        Sign("no_fin", "{sender} had not closed its side in the ordinary way: no FIN", lambda e: ~e["sender_fin"], 3,
             source="RFC 2525 2.17; lab case nginx_unread_body", needed=True),
        Sign("connected", "the handshake was over", lambda e: ~shaking_hands(e), 0, source="RFC 2525 2.17; lab case nginx_unread_body", needed=True),
        Sign("not_an_answer", "it answers no packet: the decision was taken on that side",
             lambda e: ~e["answers_trigger"], 6, -14,
             source="Linux tcp_send_active_reset against tcp_v4_send_reset", cites=("trigger_frame", "frame")),
        Sign("bytes_unread", "payload of {peer} had arrived and no payload of {sender} followed it",
             lambda e: any_of(e["peer_bytes_since_sender_data"] > 0, e["peer_was_sending"], e["zero_window"]), 0, -16,
             source="RFC 2525 2.17; lab cases server_abort, nginx_unread_body", cites=("trigger_frame",)),
        Sign("just_arrived", "it had arrived in the last moment, or the window was closed because nobody read",
             lambda e: any_of(e["peer_was_sending"], e["zero_window"]), 6, -6,
             source="RFC 2525 2.17; lab cases server_abort, nginx_unread_body", cites=("trigger_frame",)),
        Sign("service_gone", "the next attempt was refused: the process had ended", lambda e: e["retry_refused"], 5, 0,
             source="Linux __tcp_close; lab cases server_process_killed, listener_killed"),
        Sign("large_backlog", "{peer_bytes_since_sender_data} bytes had arrived since the last word of {sender}",
             lambda e: e["peer_bytes_since_sender_data"] >= 16384, 6, 0, source="RFC 2525 2.17; lab case nginx_unread_body",
             plain="16 KiB or more had arrived since the last word of {sender}"),
        Sign("words_unread", "a request or an answer was still under way", lambda e: known(e["request_unanswered"], e["apparent_sender"].notna() &
             (e["request_unanswered"].fillna(False) | ~e["peer_was_sending"].fillna(True) | (e["apparent_sender"] == "client"))), 5, -6,
             source="RFC 2525 2.17; lab case nginx_unread_body"),
        Sign("just_answered", "{sender} had itself just sent its answer, {since_sender_data} before",
             lambda e: all_of(e["apparent_sender"] == "server", e["since_sender_data"] <= 0.05), 4, 0, source="RFC 2525 2.17: answer, then reset",
             plain="{sender} had itself just sent its answer"),
        Sign("probing", "{sender} had been probing with keepalives, {keepalives} in a row", lambda e: e["keepalives"] >= 2, -12,
             source="Linux tcp_keepalive_timer; lab case keepalive_failure",
             plain="{sender} had been probing with keepalives, two or more in a row"),
        kernel_says("TCP_ABORT_ON_CLOSE"),
    ),
    prior={"sender": 0},
    emitter={"sender": "socket"},
    lookalikes={
        "abortive_close": "with linger 0 nothing needs to be unread: the other side had been silent, its last answer was complete",
        "data_after_close": "there, that side had sent its FIN first",
    },
    references=(("RFC 2525 section 2.17", "failure to RST on close with data pending"), ("Linux net/ipv4/tcp.c", "__tcp_close")),
)  # fmt: skip
