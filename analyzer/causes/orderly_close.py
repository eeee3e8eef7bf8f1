"""An ordinary close that a log line makes look like a failure."""

from analyzer.causes.cause import Cause, Sign, all_of, known, log_says

GOODBYE = 64  # bytes; what was said last is a request only above this (closed_midway)

CAUSE = Cause(
    id="orderly_close",
    title="ordinary close: a FIN ended it, no reset was sent",
    origins=("none",),
    kinds=("log_only", "fin_midway"),
    mechanism=(
        "One side closed with a FIN and the other did the same. A log may still speak of a reset or of a lost connection: under TLS an end of the "
        "stream without close_notify is worded as `Connection reset by peer` (PostgreSQL, OpenSSL 3 as `unexpected eof`), many libraries have "
        "one message for a FIN and for a reset, and a server notes each client that leaves without its protocol's goodbye."
    ),
    remedy=(
        "Nothing on the network. To be rid of the line, let the side that closed say goodbye first: PostgreSQL's Terminate (close the "
        "connection in the program, do not kill it), TLS close_notify, `Connection: close`."
    ),
    confirm="In Wireshark, the filter beside this finding shows FIN and ACK of both sides and no RST. `ss -tan` shows TIME-WAIT.",
    signs=(
        Sign("closed", "{sender} closed with a FIN, and no reset was seen", lambda e: e["sender_fin"], 8, source="RFC 9293 3.6", needed=True),
        Sign("both_closed", "both sides closed, and both FINs were acknowledged", lambda e: e["both_fins_acked"], 4, -2, source="RFC 9293 3.6"),
        Sign("delivered", "all payload was acknowledged, in both directions",
             lambda e: all_of(e["unacked_sender"] == 0, e["unacked_peer"] == 0), 4, -6, source="RFC 9293 3.4"),
        Sign("nothing_under_way", "no request was unanswered and no transaction open",
             lambda e: all_of(~e["request_unanswered"], ~e["transaction_open"].fillna(False)), 6, -14, source="the application's own messages"),
        Sign("asked_last", "{peer} had sent {peer_bytes_since_sender_data} bytes that nothing answered",
             lambda e: known(e["peer_bytes_since_sender_data"] > GOODBYE, e["apparent_sender"] == "server"), -12, 2,
             source="a server that closes in order has answered",
             plain="{peer} had sent a request that nothing answered"),
        Sign("log_midway", "a log says that the stream ended in the middle of something", lambda e: log_says(e, "any", "unexpected_end"), -8, 0,
             source="PostgreSQL, ProcessCommand: unexpected EOF with an open transaction", cites_logs=True),
        Sign("sealed", "the payload is encrypted: an end without close_notify is worded as a reset by TLS libraries", lambda e: e["encrypted"], 2, 0,
             source="lab case postgres_tls_client_killed"),
    ),
    prior={"none": 0},
    emitter={"none": "unknown"},
    lookalikes={"closed_midway": "there a request was unanswered or a transaction open when the FIN came"},
    references=(
        ("RFC 9293 section 3.6", "closing a connection"),
        ("RFC 8446 section 6.1", "close_notify, and the truncation that its absence may mean"),
    ),
)  # fmt: skip
