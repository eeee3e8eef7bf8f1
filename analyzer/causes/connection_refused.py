"""Nothing listens where the SYN arrived: the host's kernel answers it with a reset."""

from analyzer.causes.cause import Cause, Sign, all_of, kernel_says, log_says

CAUSE = Cause(
    id="connection_refused",
    title="connection refused: nothing listens on that port",
    origins=("sender",),
    mechanism=(
        "A SYN for a port without a listener is answered by the receiving kernel with RST+ACK, sequence 0, acknowledging the SYN "
        "(RFC 9293 3.10.7.1; Linux tcp_v4_send_reset, reason NO_SOCKET). No process is involved; the client sees ECONNREFUSED."
    ),
    remedy=(
        "Start the service or let it listen where the client looks: check the bind address (listen_addresses, 0.0.0.0 against "
        "127.0.0.1), the port, the container's port mapping. If it was restarting, let clients retry with backoff and make "
        "readiness checks hold traffic back until it listens."
    ),
    confirm="On the server: `ss -ltn` shows whether anything listens; `nstat -az TcpOutRsts` counts the "
            "resets; the service's log shows its last start.",
    signs=(
        Sign("answers_syn", "it answers a SYN and acknowledges exactly that SYN",
             lambda e: all_of(e["answers_trigger"], e["trigger_kind"] == "syn"), 12, source="RFC 9293 3.10.7.1; lab case no_listener",
             needed=True, cites=("trigger_frame", "frame")),
        Sign("same_ttl", "its TTL {ttl} is that of the other packets of {sender} ({ttl_usual}): a rejecting device farther up would show another",
             lambda e: e["ttl_delta"] == 0, 0, -6, source="lab cases no_listener, firewall_reject",
             plain="its TTL is that of the other packets of {sender}: a rejecting device farther up would show another"),
        Sign("port_never_accepts", "no connection to that port is accepted anywhere in the capture",
             lambda e: ~e["port_accepts"], 2, -2, source="RFC 9293 3.10.7.1; lab case no_listener"),
        Sign("log_refused", "the client's log says that the connection was refused",
             lambda e: e["client_log_events"].str.contains("refused"), 2, source="the writer's own words", cites_logs=True),
        Sign("port_in_use", "a log of the server's side says around that time that a port was in use already, so that it could not listen",
             lambda e: log_says(e, "server", "port_in_use"), 4, source="the writer's own words", cites_logs=True, log_events=("port_in_use",)),
        kernel_says("NO_SOCKET"),
    ),
    prior={"sender": 0},
    emitter={"sender": "kernel"},
    lookalikes={
        "firewall_reject": "a rejecting firewall answers with its own TTL, from its own distance, and only for some sources or ports; "
        "the server's own capture lacks the SYN",
        "accept_queue_overflow": "Windows resets SYNs when the backlog is full: the port accepts other connections in the same seconds",
    },
    references=(("RFC 9293 section 3.10.7.1", "what a closed port answers"), ("Linux net/ipv4/tcp_ipv4.c", "tcp_v4_send_reset")),
)  # fmt: skip
