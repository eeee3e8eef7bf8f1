"""The server had more to do than it could."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, log_says

CAUSE = Cause(
    id="server_overload",
    title="server overload: it ran out of memory, threads or connections",
    origins=("sender",),
    mechanism=(
        "Under load a server answers handshakes late, closes its window, loses packets, and at last sheds connections: a limit of the "
        "program, memory "
        "pressure in the kernel (Linux TCPAbortOnMemory, `too many orphaned sockets`), or a watchdog. On Windows a full backlog resets SYNs. The "
        "reset is the last sign; the load is visible before it."
    ),
    remedy=(
        "Lower the load or raise the capacity: fewer connections through a pool (PgBouncer), limits that queue instead of dropping, more workers and "
        "memory, cheaper queries. On the clients: retries with exponential backoff and jitter, never at once, or they make it worse. On Linux: "
        "`net.ipv4.tcp_mem` and `tcp_max_orphans` only after the reason is known."
    ),
    confirm="`nstat -az TcpExtTCPAbortOnMemory TcpExtListenOverflows TcpExtTCPTimeouts`, `dmesg`, and the host's CPU, memory and run queue "
            "at that time.",
    signs=(
        Sign("server", "it carries the server's address", lambda e: e["apparent_sender"] == "server", 0,
             source="lab case server_overload", needed=True),
        Sign("sheds", "{same_moment} other connections of it were reset within a second without a word, and it went on serving",
             lambda e: all_of(~e["answers_trigger"], e["server_bytes"] == 0, e["same_moment"] >= 5, ~e["service_refused"].fillna(False)), 18, 0,
             source="lab case server_overload", group="load",
             plain="five or more other connections of it were reset within a second without a word, and it went on serving"),
        Sign("own_decision", "it answers no packet: the decision was taken on that host", lambda e: all_of(~e["answers_trigger"], e["live_socket"]),
             6, -4,
             source="Linux tcp_send_active_reset"),
        Sign("slow_handshakes", "the server answered SYNs {handshake_slowdown:.1f} times as slowly as usual",
             lambda e: e["handshake_slowdown"] >= 3.0,
             7, -3, source="lab case server_overload", group="load",
             plain="the server answered SYNs three times as slowly as usual, or more"),
        Sign("repeated_syns", "{syn_retries} SYNs to that port had to be repeated around that time", lambda e: e["syn_retries"] >= 3, 5, -2,
             source="lab case server_overload", group="load",
             plain="three or more SYNs to that port had to be repeated around that time"),
        Sign("burst", "connections were opened at {opening_burst:.1f} times the usual rate", lambda e: e["opening_burst"] >= 3.0, 4, -2,
             source="lab case server_overload", group="load",
             plain="connections were opened at three times the usual rate, or more"),
        Sign("closed_window", "a window was closed: somebody did not keep up with reading", lambda e: e["zero_window"], 3, 0,
             source="lab case server_overload"),
        Sign("log_memory", "the server's log speaks of memory running out, or of connections turned away",
             lambda e: log_says(e, "server", "out_of_memory", "rejected"), 10, 0, source="the writer's own words", cites_logs=True),
        Sign("refuses_some", "it refused this SYN although the port accepts others",
             lambda e: all_of(e["trigger_kind"] == "syn", e["answers_trigger"], e["port_accepts"]), 4, 0, source="Microsoft KB 113576"),
        Sign("several", "{same_moment} other connections of that server were reset within a second", lambda e: any_of(e["same_moment"] >= 3), 3, -2,
             source="lab case server_overload",
             plain="three or more other connections of that server were reset within a second"),
    ),
    prior={"sender": -5},
    emitter={"sender": "unknown"},
    lookalikes={
        "accept_queue_overflow": "one queue only: connected clients are served as before",
        "process_exit": "there the service is gone afterwards and refuses",
        "connection_refused": "there nothing listens, whatever the load",
    },
    references=(("Linux ip-sysctl", "tcp_mem, tcp_max_orphans"), ("Linux snmp_counter", "TCPAbortOnMemory"),
                ("Microsoft KB 113576", "Windows resets SYNs when the backlog is full")),
)  # fmt: skip
