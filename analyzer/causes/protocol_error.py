"""One side answered with an error and hung up."""

from analyzer.causes.cause import Cause, Sign, any_of, connected, died_talking, log_says

CAUSE = Cause(
    id="protocol_error",
    title="protocol error: one side answered with an error and hung up",
    origins=("sender",),
    mechanism=(
        "The application ended the session with an error message of its protocol (PostgreSQL FATAL, HTTP 400, 413 or 431, HTTP/2 GOAWAY, MySQL ERR) "
        "and closed. Bytes that the other side had sent meanwhile lay unread, or arrived afterwards, and drew the reset. Some stacks throw away what "
        "they have received when the reset comes, so the other side may never read the error that the capture shows."
    ),
    remedy=(
        "Act on the error itself: its code stands in the last words and in the log (wrong password, unknown database, too many connections, "
        "header or body too large: nginx `large_client_header_buffers`, `client_max_body_size`; broken driver). "
        "For `too many connections` use a pooler (PgBouncer) before raising `max_connections`. Servers "
        "should read what is still coming before they close (nginx `lingering_close`)."
    ),
    confirm="The log of the side that hung up, at the time of its last words; the same request by hand (`psql`, `curl -v`) shows the same error.",
    signs=(
        Sign("error_said", "an error was said: the server's last words were `{last_server_words}`, the client's `{last_client_words}`",
             lambda e: any_of((e["server_goodbye"] == "error").mask(e["application"].isna()),
                              e["last_server_words"].str.contains("GOAWAY|RST_STREAM"),
                              e["last_client_words"].str.contains("GOAWAY|RST_STREAM")), 13, -8,
             source="RFC 2525 2.17; lab cases tls_unknown_ca, redis_value_too_large", group="error",
             plain="the last words of one side were an error"),
        Sign("http_error", "the server's last words were an HTTP error: `{last_server_words}`",
             lambda e: e["last_server_words"].str.contains("HTTP 4|HTTP 5"),
             10, 0, source="RFC 2525 2.17: the answer may be lost to the reset", group="error",
             plain="the server's last words were an HTTP error"),
        Sign("log_error", "a log says that one side could not understand or accept the other",
             lambda e: log_says(e, "any", "protocol_error", "rejected"),
             10, 0, source="the writer's own words", group="error", cites_logs=True),
        Sign("server", "it carries the server's address", lambda e: e["apparent_sender"] == "server", 0, -4,
             source="RFC 2525 2.17; lab cases tls_unknown_ca, redis_value_too_large"),
        Sign("connected", "the handshake was over", connected, 0, source="RFC 2525 2.17; lab cases tls_unknown_ca, redis_value_too_large",
             needed=True),
        Sign("spoken", "{server_bytes} bytes of the server were said before", lambda e: e["server_bytes"] > 0, 1, -10,
             source="RFC 2525 2.17; lab cases tls_unknown_ca, redis_value_too_large",
             plain="the server had said something before"),
        Sign("body_unread", "the client was still sending", lambda e: e["peer_was_sending"], 2, 0, source="RFC 2525 2.17: answer, then reset"),
        Sign("ended_it", "that side ended the connection itself: it had closed before, or its live socket sent the reset", died_talking, 8, -8,
             source="RFC 2525 2.17; RFC 9293 3.10.7.4", cites=("trigger_frame", "frame")),
    ),
    prior={"sender": -5},
    emitter={"sender": "socket"},
    lookalikes={
        "server_timeout": "there the error announces a timer",
        "server_shutdown": "there the error announces a stop",
        "protocol_mismatch": "there the two never spoke the same protocol",
        "unread_data_at_close": "the same close without any word: the program simply stopped reading",
    },
    references=(("RFC 9112 section 9.6", "an answer lost to a reset"), ("PostgreSQL documentation, appendix A", "SQLSTATE codes"),
                ("RFC 9113 section 6.8", "GOAWAY")),
)  # fmt: skip
