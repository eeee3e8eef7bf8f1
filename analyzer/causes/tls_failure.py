"""The two sides could not agree on TLS, and one of them hung up."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, died_talking, known, log_says

CAUSE = Cause(
    id="tls_failure",
    title="TLS failure: the two sides could not agree on encryption",
    origins=("sender",),
    mechanism=(
        "One side sent a fatal alert (unknown authority, expired certificate, no common version or cipher, unknown name) and closed (RFC 8446 6.2). "
        "What the other side still sends then meets a closed socket, or lies unread in it, and draws the reset. The alert is the reason; the reset "
        "is only its echo. In TLS 1.3 alerts after the ServerHello are encrypted and cannot be read without the secrets (`--tls-keylog`)."
    ),
    remedy=(
        "By the alert: `unknown_ca` install the authority at the side that sent it; `certificate_expired` and `bad_certificate` renew or "
        "complete the chain; `protocol_version`, `handshake_failure` align versions and ciphers (`ssl_min_protocol_version`); "
        "`unrecognized_name` fix SNI or the "
        "virtual host; `certificate_required` give the client its certificate; `no_application_protocol` align ALPN."
    ),
    confirm="`openssl s_client -connect HOST:PORT -servername NAME` (with `-starttls postgres` for PostgreSQL) shows the same alert; the server's "
            "log names it.",
    signs=(
        Sign("speaks_tls", "the connection was to be encrypted with TLS",
             lambda e: any_of(e["application"] == "tls", e["encrypted"], e["client_opening"] == "tls", known(e["tls_alert"].notna(),
             e["tls_alert"].notna())),
             0, source="RFC 2525 2.17; lab cases tls_unknown_ca, redis_value_too_large", needed=True),
        Sign("fatal_alert", "the last TLS alert was `{tls_alert}`",
             lambda e: known(~e["tls_alert"].isin(["close_notify", "user_canceled"]), e["tls_alert"].notna()), 18, -14, source="RFC 8446 6.2",
             plain="the last TLS alert was a fatal one"),
        Sign("handshake_open", "the TLS handshake was not finished: the last words were `{last_client_words}` and `{last_server_words}`",
             lambda e: all_of(e["last_client_words"].str.contains("TLS"), ~e["last_client_words"].str.contains("ApplicationData"),
                              ~e["last_server_words"].str.contains("ApplicationData").fillna(False)), 4, -6,
             source="RFC 2525 2.17; lab cases tls_unknown_ca, redis_value_too_large",
             plain="the TLS handshake was not finished"),
        Sign("log_says_so", "a log says that one side could not understand the other",
             lambda e: log_says(e, "any", "protocol_error"), 6, 0,
             source="the writer's own words", cites_logs=True),
        Sign("ended_it", "that side ended the connection itself: it had closed before, or its live socket sent the reset", died_talking, 8, -8,
             source="RFC 2525 2.17; RFC 9293 3.10.7.4", cites=("trigger_frame", "frame")),
    ),
    prior={"sender": -4},
    emitter={"sender": "kernel"},
    lookalikes={
        "protocol_mismatch": "there one side does not speak TLS at all",
        "injected_reset": "a filter that reads the server name resets right after the ClientHello, without any alert",
        "late_reset": "after `close_notify` everything had been said; a reset then ends nothing",
    },
    references=(("RFC 8446 section 6", "alert protocol"), ("RFC 5246 section 7.2", "alerts of TLS 1.2")),
)  # fmt: skip
