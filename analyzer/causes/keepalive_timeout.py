"""Keepalive probes went unanswered until their sender gave up."""

from analyzer.causes.cause import Cause, Sign, kernel_says

CAUSE = Cause(
    id="keepalive_timeout",
    title="keepalive failed: the other side no longer answered",
    origins=("sender",),
    mechanism=(
        "After a silence the kernel probes with a segment one byte before its next one (RFC 9293 3.8.4). When the configured number of probes "
        "goes unanswered, Linux resets one interval after the last (tcp_keepalive_timer, reason TCP_KEEPALIVE_TIMEOUT); the local program reads "
        "ETIMEDOUT. The reset is the consequence: the path or the other host had gone before."
    ),
    remedy=(
        "Find why the probes were not answered: the other host died or moved, a device dropped the idle connection in silence, a rule or route "
        "changed. If a device's idle timer is the reason, probe more often than it expires (`tcp_keepalives_idle` below the timer)."
    ),
    confirm="On that host: `nstat -az TcpExtTCPAbortOnTimeout` and TCPKeepAlive rise; a capture at the other end shows whether the probes arrive.",
    signs=(
        Sign("probes", "{sender} had sent {keepalives} keepalive probes in a row",
             lambda e: e["keepalives"] >= 2, 10, source="Linux tcp_keepalive_timer; lab case keepalive_failure", needed=True,
             plain="{sender} had sent two or more keepalive probes in a row"),
        Sign("unanswered", "nothing had answered {keepalives_unanswered} of them (answers that the capture shows may still be lost on their way)",
             lambda e: e["keepalives_unanswered"] >= 2, 8, source="Linux tcp_keepalive_timer; lab case keepalive_failure",
             plain="nothing had answered two or more of them"),
        Sign("one_interval_later", "the reset came {since_keepalive} after the last probe; the probes were {keepalive_interval} apart",
             lambda e: (e["since_keepalive"] / e["keepalive_interval"]).between(0.5, 1.6), 5, -4, source="Linux tcp_keepalive_timer",
             plain="the reset came one interval of the probes after the last of them"),
        Sign("log_timeout", "the log of that side says that the connection timed out",
             lambda e: (e["server_log_events"].where(e["apparent_sender"] == "server", e["client_log_events"])).str.contains("timed_out"),
             4, 0, source="the writer's own words", cites_logs=True),
        kernel_says("TCP_KEEPALIVE_TIMEOUT"),
    ),
    prior={"sender": 0},
    emitter={"sender": "kernel"},
    lookalikes={
        "abortive_close": "there, no probe went unanswered",
        "retransmission_timeout": "unanswered payload ends, on Linux, without any reset",
    },
    references=(("RFC 9293 section 3.8.4", "keepalives"), ("tcp(7)", "tcp_keepalive_time, tcp_keepalive_intvl, tcp_keepalive_probes")),
)  # fmt: skip
