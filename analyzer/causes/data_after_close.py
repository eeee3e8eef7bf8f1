"""One side had closed; the other went on talking and was answered with a reset."""

from analyzer.causes.cause import Cause, Sign, kernel_says, known

CAUSE = Cause(
    id="data_after_close",
    title="data after close: one side had already hung up when the other spoke again",
    origins=("sender",),
    mechanism=(
        "A side that has closed both halves answers new data with a reset: nobody is left to read it (RFC 9293 3.10.7.4, 3.6.1; Linux "
        "tcp_rcv_state_process, reason TCP_ABORT_ON_DATA, or NO_SOCKET later). The reset is correct; the question is why one side closed, "
        "and why the other spoke after it."
    ),
    remedy=(
        "Look at the FIN, not at the reset. On the side that spoke late: treat an end of stream as the end, let pools test a connection "
        "before they hand it out (SQLAlchemy `pool_pre_ping`), keep them idle for less time than the other side allows. On the side that "
        "closed: its timer, its stop or its crash is the reason; its log has it."
    ),
    confirm="The log of the side that sent the FIN, at the time of the FIN; the tracepoint tcp:tcp_send_reset "
            "there says TCP_ABORT_ON_DATA or NO_SOCKET.",
    signs=(
        Sign("closed_first", "{sender} had sent its FIN {since_sender_fin} before", lambda e: e["sender_fin"], 6,
             source="RFC 9293 3.10.7.4; lab case data_after_close", needed=True,
             plain="{sender} had sent its FIN before"),
        Sign("data_after_fin", "{peer} sent payload that {sender} had not received when it sent that FIN",
             lambda e: e["peer_data_after_sender_fin"], 6,
             source="RFC 9293 3.10.7.4; lab case data_after_close", needed=True,
             cites=("trigger_frame",)),
        Sign("exact_answer", "the reset is the exact answer to it", lambda e: e["answers_trigger"], 6, -6, source="Linux tcp_v4_send_reset",
             cites=("trigger_frame", "frame")),
        Sign("announced", "the server had said why it was "
                          "leaving", lambda e: known(e["server_goodbye"].notna(), e["application"].notna()), -4,
             source="server_timeout explains more"),
        kernel_says("TCP_TIMEWAIT_SOCKET", "TCP_ABORT_ON_DATA", "NO_SOCKET"),
    ),
    prior={"sender": 0},
    emitter={"sender": "kernel"},
    lookalikes={
        "server_timeout": "the same on the wire, with the server's goodbye in the payload or its log",
        "connection_state_lost": "there, no FIN came before",
        "late_reset": "there, both sides had finished and nothing was lost",
    },
    references=(("RFC 9293 section 3.6.1", "half-closed connections"), ("Linux net/ipv4/tcp_input.c", "tcp_rcv_state_process")),
)  # fmt: skip
