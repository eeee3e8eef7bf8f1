"""A side closed with an ordinary FIN while the other one still waited, or with a transaction open."""

from analyzer.causes.cause import Cause, Sign, known, log_says

# What was said last is a request only above this; goodbyes are shorter (PostgreSQL's Terminate has 5 bytes, 51 with TLS and its close_notify).
GOODBYE = 64  # bytes

CAUSE = Cause(
    id="closed_midway",
    title="closed in mid-work: a FIN while a request was unanswered or a transaction open",
    origins=("none",),
    kinds=("fin_midway",),
    mechanism=(
        "No reset was sent. One side closed its socket in the ordinary way (or its kernel did, when the process died with everything read), and "
        "the other side reads the end of the stream where it expected an answer: `server closed the connection unexpectedly`, `unexpected EOF on "
        "client connection with an open transaction`, `Remote end closed connection without response`. An open transaction is rolled back."
    ),
    remedy=(
        "Ask the side that closed, for the network only carried its FIN. A server: its log at that second, a worker that crashed or was restarted, "
        "a limit on requests or connections. A client: a process that was killed, a request that was given up, a pool that discards connections "
        "in use. Whoever waits must take the end of the stream for a failure, and repeat only what may be done twice."
    ),
    confirm=(
        "The log of the side that closed, at the time of its FIN; `journalctl -u SERVICE` and the exit status for a process that died. PostgreSQL "
        "counts such ends in `pg_stat_database.sessions_abandoned`."
    ),
    signs=(
        Sign("closed", "{sender} closed with a FIN, and no reset was seen", lambda e: e["sender_fin"], 6, source="RFC 9293 3.6", needed=True),
        Sign("transaction_open", "a transaction was open", lambda e: e["transaction_open"], 10, -2,
             source="PostgreSQL protocol: ReadyForQuery status T or E"),
        Sign("request_unanswered", "a request was unanswered", lambda e: e["request_unanswered"], 10, -2, source="the application's own messages"),
        Sign("asked_last", "{peer} had sent {peer_bytes_since_sender_data} bytes that nothing answered",
             lambda e: known(e["peer_bytes_since_sender_data"] > GOODBYE, e["apparent_sender"] == "server"), 6, 0,
             source="a server that closes in order has answered",
             plain="{peer} had sent a request that nothing answered"),
        Sign("log_midway", "a log says that the stream ended in the middle of something", lambda e: log_says(e, "any", "unexpected_end"), 8, 0,
             source="PostgreSQL, ProcessCommand: unexpected EOF with an open transaction", cites_logs=True),
        Sign("said_goodbye", "the client had said that it was leaving", lambda e: e["client_goodbye"], -8, 0,
             source="PostgreSQL protocol: Terminate"),
    ),
    prior={"none": 0},
    emitter={"none": "unknown"},
    lookalikes={
        "orderly_close": "there nothing was under way: all was answered before the FIN",
        "unread_data_at_close": "the same end of a program with bytes unread: then its kernel sends a reset",
    },
    references=(
        ("RFC 9293 section 3.6", "closing a connection"),
        ("PostgreSQL documentation, Frontend/Backend Protocol", "Termination: Terminate, and what happens without it"),
    ),
)  # fmt: skip
