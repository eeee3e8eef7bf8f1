"""The client lost patience, or its user did."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, connected, known, log_says

CAUSE = Cause(
    id="client_cancel",
    title="client gave up: it broke the connection off while it waited for the answer",
    origins=("sender",),
    mechanism=(
        "A timeout of the client ran out, its user cancelled, or its own caller went away while the server was still at work. The client closed "
        "abortively, or closed with the answer half read, and its kernel sent a reset. The server notices only when it next writes (ECONNRESET, "
        "EPIPE). The root is often a slow answer: look at how long the client had waited."
    ),
    remedy=(
        "Make the answer faster, or the client's patience longer than the slowest legitimate answer (`socketTimeout` in JDBC, `read_timeout` in "
        "HTTP clients). Cancel through the protocol (PostgreSQL cancel request, then read to the end) and return the connection. A limit on the "
        "server that is shorter than the client's (`statement_timeout`) ends the query with a message and not with a reset."
    ),
    confirm="The client's log at that time (`timeout`, `canceled`, status 499 at a proxy), and its timeout settings against the wait that the "
            "report names.",
    signs=(
        Sign("client", "it carries the client's address", lambda e: e["apparent_sender"] == "client", 0, source="definition", needed=True),
        Sign("no_fin", "the client had not closed its side in the ordinary way: no FIN", lambda e: ~e["sender_fin"], 3,
             source="lab case nginx_client_abort",
             needed=True),
        Sign("connected", "the handshake was over", connected, 0, source="lab case nginx_client_abort", needed=True),
        Sign("not_an_answer", "it answers no packet: the decision was taken on that side", lambda e: ~e["answers_trigger"], 6, -14,
             source="Linux tcp_send_active_reset against tcp_v4_send_reset", cites=("trigger_frame", "frame")),
        Sign("evidence", "the client's log speaks of a timeout or an abort, a cancel request had gone out, or it always gave up after the same wait",
             lambda e: any_of(log_says(e, "client", "local_timeout", "aborted_locally", "closed_locally", "timed_out"), e["cancel_nearby"],
                              e["same_wait"] >= 2).fillna(False),
             10, -8, source="the packet alone cannot show it: a log or the other connections must", cites_logs=True),
        Sign("waiting", "it was waiting for an answer: {since_sender_data} since its last word",
             lambda e: any_of(e["request_unanswered"], known(e["since_peer_data"] > e["since_sender_data"], e["request_unanswered"].isna())),
             6, -10, source="lab case nginx_client_abort",
             plain="it was waiting for an answer"),
        Sign("patience", "it had waited for {since_sender_data}, as timeouts do",
             lambda e: all_of(e["since_sender_data"] >= 1.0, e["since_peer_data"] > e["since_sender_data"]), 2, 0,
             source="usual timeouts of clients: 5, 10, 30, 60 s",
             plain="it had waited for a second or longer, as timeouts do"),
        Sign("retried", "it connected again {reconnected} later", lambda e: e["reconnected"] <= 5.0, 1, 0, source="lab case nginx_client_abort",
             plain="it connected again within five seconds"),
    ),
    prior={"sender": -4},
    emitter={"sender": "socket"},
    lookalikes={
        "abortive_close": "the same packet from a client that waited for nothing",
        "unread_data_at_close": "the same packet from a client that was killed, or stopped reading, in the middle of an answer",
        "server_timeout": "there the server ended it and said so",
    },
    references=(("RFC 9293 section 3.10.5", "ABORT call"), ("PostgreSQL documentation", "Canceling Requests in Progress"),
                ("nginx documentation", "status 499")),
)  # fmt: skip
