"""The server's own timer ended the session; the client spoke to it afterwards."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, known

CAUSE = Cause(
    id="server_timeout",
    title="server timeout: the server ended the session by its own timer",
    origins=("sender",),
    mechanism=(
        "A timer of the server application expired. It said goodbye (PostgreSQL FATAL 25P03 or 57P05), closed with a FIN, and the client, which "
        "had not looked, sent its next request. Nobody reads it any more, so the server's kernel answers with a reset (reason TCP_ABORT_ON_DATA "
        "or NO_SOCKET). MariaDB says nothing and resets at once, without a FIN. The reset is correct; the timer is the reason. It is the "
        "application's: TCP itself has no idle limit."
    ),
    remedy=(
        "In the application: end transactions before it goes idle, and test a connection before reuse (`pool_pre_ping`). On the server: raise "
        "`idle_in_transaction_session_timeout` or `idle_session_timeout` if the pause is legitimate (MySQL and MariaDB `wait_timeout`, PgBouncer "
        "`client_idle_timeout`, HAProxy `timeout client` and `timeout server`, Redis `timeout`). Pools must stay idle for less than the timer."
    ),
    confirm="The server's log at the time of its goodbye: `terminating connection due to idle-in-transaction timeout` or `idle-session timeout`.",
    signs=(
        Sign("server", "it carries the server's address", lambda e: e["apparent_sender"] == "server", 0, source="definition", needed=True),
        Sign("said_goodbye", "the server's last words announced a timeout (SQLSTATE {sqlstate})",
             lambda e: known((e["server_goodbye"] == "idle_timeout").fillna(False),
                             any_of(all_of(e["application"].notna(), ~e["encrypted"].fillna(True)), e["server_goodbye"].notna())),
             16, -4, source="SQLSTATE 25P03, 57P05", group="goodbye",
             plain="the server's last words announced a timeout"),
        Sign("log_timeout", "the server's log says that its timer ended the session",
             lambda e: e["server_log_events"].str.contains("idle_timeout|local_timeout"), 16, -4, source="the writer's own words", group="goodbye",
             cites_logs=True),
        Sign("evidence", "the goodbye is in the payload or in the log",
             lambda e: any_of(e["server_goodbye"] == "idle_timeout", e["server_log_events"].str.contains("idle_timeout|local_timeout")).fillna(False),
             0, source="the packet alone cannot show it: a log or the payload must", needed=True),
        Sign("closed_first", "{sender} had sent its FIN {since_sender_fin} before",
             lambda e: known(e["sender_fin"], any_of(e["sender_fin"], e["answers_trigger"])), 5, -6, group="ended",
             source="RFC 9293 3.10.7.4; lab case data_after_close",
             plain="{sender} had sent its FIN before"),
        Sign("reset_outright", "its socket sent the reset unasked, in place of a FIN",
             lambda e: all_of(~e["answers_trigger"], e["live_socket"]), 5, 0, group="ended", source="lab case mariadb_wait_timeout"),
        Sign("answers_late_request", "the reset answers what the client sent after "
                                     "that", lambda e: all_of(e["answers_trigger"], e["sender_fin"]), 4, 0,
             source="Linux tcp_v4_send_reset", cites=("trigger_frame", "frame")),
    ),
    prior={"sender": -2},
    emitter={"sender": "kernel"},
    lookalikes={
        "data_after_close": "the same without a goodbye: the reason for the close is not in the capture",
        "idle_timeout": "a device on the path gives no goodbye, and its reset has another TTL",
    },
    references=(("PostgreSQL documentation", "idle_in_transaction_session_timeout, idle_session_timeout"),),
)  # fmt: skip
