"""The server's kernel had no room for one more finished handshake."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, kernel_says

CAUSE = Cause(
    id="accept_queue_overflow",
    title="accept queue full: the server did not accept connections fast enough",
    origins=("sender", "none"),
    kinds=("reset", "silence"),
    mechanism=(
        "Finished handshakes wait in the listener's accept queue until the program calls accept(). When it is full, Linux drops the client's "
        "last ACK: the client believes it is connected and sends, the server repeats its SYN-ACK and ignores the payload "
        "(tcp_conn_request, tcp_check_req). With net.ipv4.tcp_abort_on_overflow=1 it answers with a bare reset instead. Windows resets the "
        "SYN, which looks like a refusal."
    ),
    remedy=(
        "Make the program accept faster (event loop, garbage collection, worker count) and give it a longer queue: the backlog argument of "
        "listen() and `net.core.somaxconn`, the smaller one counts (nginx `listen … backlog=`, Java `acceptCount`). On the clients: a pool, so "
        "that a burst of requests is not a burst of connections (PgBouncer for PostgreSQL), and retries with backoff and jitter."
    ),
    confirm=(
        "On the server: `nstat -az TcpExtListenOverflows TcpExtListenDrops` rise at that time, and `ss -ltn` shows Recv-Q above Send-Q for "
        "the listener."
    ),
    signs=(
        Sign("shape", "the handshake was over for the client, the server had said nothing, and then reset it or repeated its SYN-ACK",
             lambda e: any_of(
                 all_of(e["kind"] == "silence", e["syn_ack_repeats"] >= 1),
                 all_of(e["kind"] == "reset", e["apparent_sender"] == "server", e["answers_trigger"],
                        e["trigger_kind"].isin(["ack", "data"]).mask(e["trigger_kind"].isna()), e["server_bytes"] == 0, ~e["sender_fin"])),
             10, source="Linux tcp_check_req; lab case accept_queue_overflow", needed=True, cites=("trigger_frame", "frame")),
        Sign("syn_ack_repeated", "the server sent its SYN-ACK {syn_ack_repeats} times more although the client had acknowledged it",
             lambda e: e["syn_ack_repeats"] >= 1, 10, 0, source="Linux tcp_check_req; lab case accept_queue_abort",
             plain="the server sent its SYN-ACK again although the client had acknowledged it"),
        Sign("handshake_seen", "the handshake is in the capture, so nothing was said before", lambda e: e["handshake"], 2, -6,
             source="Linux tcp_check_req; lab case accept_queue_overflow"),
        Sign("at_once", "the connection was {duration} old: the queue answers the client's first packets",
             lambda e: all_of(e["duration"] <= 0.5).mask(e["kind"] == "silence"), 4, -6, source="Linux tcp_check_req; lab case accept_queue_abort",
             plain="the connection was at most half a second old: the queue answers the client's first packets"),
        Sign("burst", "connections to that port were opened at {opening_burst:.1f} times the usual rate", lambda e: e["opening_burst"] >= 2.0,
             3, -1, source="Linux tcp_check_req; lab case accept_queue_overflow",
             plain="connections to that port were opened at twice the usual rate, or more"),
        Sign("others_waited", "{syn_retries} SYNs to that port had to be repeated around that time", lambda e: e["syn_retries"] >= 1, 3, 0,
             source="Linux tcp_conn_request drops SYNs too; lab case accept_queue_overflow",
             plain="SYNs to that port had to be repeated around that time"),
        Sign("silence_before", "a silence of {idle_gap} came before: a queue overflows at once, not after a pause", lambda e: e["idle_gap"] >= 30.0,
             -8, 0, source="lab case stale_pool",
             plain="a silence of 30 s or more came before: a queue overflows at once, not after a pause"),
        kernel_says("TCP_FLAGS", "INVALID_SYN", "NO_SOCKET"),
    ),
    prior={"sender": -2, "none": -2},
    emitter={"sender": "kernel", "none": "unknown"},
    lookalikes={
        "connection_refused": "there nothing listens and no connection to the port is accepted; a full queue on Windows resets only some SYNs",
        "retransmission_timeout": "when the client's packets are lost on the way the SYN-ACK is repeated too; then other clients are not affected",
        "health_probe": "there the client hangs up",
    },
    references=(("listen(2)", "the backlog argument"), ("Linux ip-sysctl", "tcp_abort_on_overflow, somaxconn"),
                ("Microsoft KB 113576", "Windows resets SYNs when the backlog is full")),
)  # fmt: skip
