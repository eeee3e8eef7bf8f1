"""The process behind the socket ended, and the kernel tidied up after it."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, connected, goodbye_said, log_says

CAUSE = Cause(
    id="process_exit",
    title="process gone: the program behind the connection had ended",
    origins=("sender",),
    mechanism=(
        "When a process dies (crash, `kill -9`, OOM killer, deployment) its kernel closes every socket: with a FIN where all bytes had been read, "
        "with a reset where some had not (Linux __tcp_close, reason TCP_ABORT_ON_CLOSE). What the clients send afterwards meets no socket and is "
        "answered with a bare reset, and new connections are refused until the program listens again. The wire shows the end, not its reason."
    ),
    remedy=(
        "Find what ended it: the kernel log for the OOM killer, the service manager for exit status and restarts, the program's own log. Then "
        "lower its use of resources (PostgreSQL `work_mem` and `max_connections`, container memory limits), or let deployments drain connections "
        "before they stop the process (SIGTERM, grace period, readiness off). Clients: reconnect with backoff."
    ),
    confirm="`dmesg -T | grep -i oom`, `journalctl -u SERVICE`, the exit code in the container's status, and the start time of the process that "
            "listens there now.",
    signs=(
        Sign("evidence", "the log of that side says that a process died, or all its connections ended within a second and new ones were refused",
             lambda e: any_of(
                 log_says(e, "sender", "crash", "out_of_memory"),
                 all_of(e["apparent_sender"] == "server", e["ended_together"] >= 1, e["ended_together"] * 1.25 >= e["lived_together"],
                        any_of(e["retry_refused"], e["service_refused"]))).fillna(False),
             12, -7, source="the packet alone cannot show it: a log or the other connections must", cites_logs=True),
        Sign("connected", "the handshake was over", connected, 0,
             source="Linux __tcp_close; lab cases server_process_killed, listener_killed", needed=True),
        Sign("dying_socket", "the socket died with unread bytes, or answered what came after it had closed",
             lambda e: any_of(all_of(~e["answers_trigger"], e["live_socket"]), all_of(e["answers_trigger"], e["trigger_had_ack"])), 6, -8,
             source="Linux __tcp_close; lab cases server_process_killed, listener_killed", cites=("trigger_frame", "frame")),
        Sign("died_reading", "payload of {peer} was arriving when it died",
             lambda e: all_of(~e["answers_trigger"], e["peer_was_sending"]), 6, 0, source="Linux tcp_close: unread data is answered with a reset"),
        Sign("several", "{ended_together} other connections of that port were closed or reset by the server within the same second",
             lambda e: all_of(e["apparent_sender"] == "server", e["ended_together"] >= 2), 3, 0,
             source="Linux __tcp_close; lab cases server_process_killed, listener_killed",
             plain="other connections of that port were closed or reset by the server within the same second"),
        Sign("silent_kernel", "{peer} had repeated itself {retransmissions} times without an answer before: a host that runs answers at once, "
             "whatever became of its programs",
             lambda e: all_of(e["answers_trigger"], e["retransmissions"] >= 2), -8, 0, source="RFC 9293 3.10.7.1; lab case host_power_cycle",
             plain="{peer} had repeated itself without an answer before: a host that runs answers at once, whatever became of its programs"),
        Sign("orderly", "the server had announced its end in its protocol", goodbye_said,
             -6, 0, source="server_shutdown explains more"),
        Sign("refused_next", "the next attempt was refused", lambda e: any_of(e["retry_refused"], e["service_refused"]), 4, -4,
             source="Linux __tcp_close; lab cases server_process_killed, listener_killed"),
    ),
    prior={"sender": -2},
    emitter={"sender": "kernel"},
    lookalikes={
        "server_shutdown": "an orderly stop says goodbye first",
        "unread_data_at_close": "the same packet, when a single connection was closed by a program that lived on",
        "host_restart": "there the kernel went too: no FIN and no reset at the end, only bare answers later",
        "connection_state_lost": "one connection alone, while the others of that service live on",
    },
    references=(("Linux net/ipv4/tcp.c", "__tcp_close on exit"), ("RFC 2525 section 2.17", "reset when data is pending")),
)  # fmt: skip
