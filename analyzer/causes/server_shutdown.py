"""The server was stopped, or an operator ended the session."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, connected, known, log_says

CAUSE = Cause(
    id="server_shutdown",
    title="server stopped, or the session was ended by an administrator",
    origins=("sender",),
    mechanism=(
        "The server application ended the session on purpose: a stop or restart, or an operator's command (PostgreSQL SQLSTATE 57P01, 57P02, "
        "`pg_terminate_backend`). It said so and closed. What the client sent afterwards met a closed socket and was answered with a reset; bytes "
        "that it had not read at that moment turn the close itself into a reset."
    ),
    remedy=(
        "Plan restarts: drain first (take the server out of the balancer, PgBouncer `PAUSE`), stop with `smart` or `fast` and not with `immediate`. "
        "Find who ends sessions (`pg_terminate_backend` in scripts, pools' administrators). Clients: treat the goodbye as the end, reconnect with "
        "backoff, and test pooled connections (`pool_pre_ping`)."
    ),
    confirm="The server's log at that time: `received fast shutdown request`, `terminating connection due to administrator command`, or the "
            "service manager's stop.",
    signs=(
        Sign("server", "it carries the server's address", lambda e: e["apparent_sender"] == "server", 0, source="definition", needed=True),
        Sign("connected", "the handshake was over", connected, 0, source="definition", needed=True),
        Sign("said_goodbye", "the server's last words announced its end (SQLSTATE {sqlstate})",
             lambda e: known(e["server_goodbye"].isin(["shutdown", "terminated"]),
                             any_of(all_of(e["application"].notna(), ~e["encrypted"].fillna(True)), e["server_goodbye"].notna())),
             16, -4, source="SQLSTATE 57P01, 57P02", group="goodbye",
             plain="the server's last words announced its end"),
        Sign("log_shutdown", "the server's log says that it was stopping, or that an administrator ended the session",
             lambda e: log_says(e, "server", "shutdown", "terminated_by_administrator"), 16, -4, source="the writer's own words", group="goodbye",
             cites_logs=True),
        Sign("evidence", "the goodbye is in the payload or in the log",
             lambda e: any_of(e["server_goodbye"].isin(["shutdown", "terminated"]),
                              log_says(e, "server", "shutdown", "terminated_by_administrator")).fillna(False),
             0, source="the packet alone cannot show it: a log or the payload must", needed=True),
        Sign("closed", "it had sent its FIN {since_sender_fin} before, or it closed with bytes unread",
             lambda e: any_of(e["sender_fin"], all_of(~e["answers_trigger"], e["live_socket"])), 4, -5, source="RFC 9293 3.10.7.4; RFC 2525 2.17",
             plain="it had sent its FIN before, or it closed with bytes unread"),
        Sign("answers_late_request", "the reset answers what the client sent after that", lambda e: all_of(e["answers_trigger"], e["sender_fin"]), 3,
             0,
             source="Linux tcp_v4_send_reset", cites=("trigger_frame", "frame")),
        Sign("all_at_once", "{ended_together} other connections of that port were closed or reset by the server within the same second",
             lambda e: e["ended_together"] >= 2, 2, 0,
             source="lab cases postgres_restart, restart_refused",
             plain="other connections of that port were closed or reset by the server within the same second"),
    ),
    prior={"sender": -2},
    emitter={"sender": "kernel"},
    lookalikes={
        "server_timeout": "there the goodbye names a timer",
        "process_exit": "a crash says nothing: FINs and resets come without a word",
        "data_after_close": "the same without a goodbye: the reason for the close is not in the capture",
    },
    references=(("PostgreSQL documentation", "Shutting Down the Server; pg_terminate_backend"),
                ("PostgreSQL documentation, appendix A", "class 57: operator intervention")),
)  # fmt: skip
