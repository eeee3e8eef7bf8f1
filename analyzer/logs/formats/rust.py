"""Rust programs: std::io errors with the system's number, and what hyper, reqwest, sqlx and tokio-postgres say of a broken connection.

Lives here: the format.
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, LogFormat, all_samples, told, usual_head

TOLD = (
    told("database", BY_ERROR, r"error communicating with (?:database|the server): (?P<error>.{1,200})", ("error communicating with ",), "the driver, the client, lost the server",
         {"error communicating with database: Connection reset by peer (os error 104)": {"event": "reset_received"}, "error communicating with the server: Connection reset by peer (os error 104)": {"event": "reset_received", "writer": "client"}},
         writer="client", verified="unverified", unknown_error="reset_or_eof"),
    told("io_error", BY_ERROR, r"(?P<error>[^:\"{}]{0,120}\(os error \d{1,5}\))", (" (os error ",), "a socket of the program failed",
         {"Connection reset by peer (os error 104)": {"event": "reset_received"}, "Broken pipe (os error 32)": {"event": "broken_pipe"}, "遠端主機已強制關閉一個現存的連線。 (os error 10054)": {"event": "reset_received"},
          "connect to 192.0.2.20:5432 failed: Connection refused (os error 111)": {"event": "refused", "server_ip": "192.0.2.20"}}, verified="lab"),
    told("io_debug", BY_ERROR, r"Os \{ code: \d{1,5}, kind: \w{1,40}, message: \"(?P<error>[^\"]{1,200})\" \}", ("Os { code: ",), "a socket of the program failed",
         {'called `Result::unwrap()` on an `Err` value: Os { code: 104, kind: ConnectionReset, message: "Connection reset by peer" }': {"event": "reset_received"}}, verified="lab"),
    told("kind", "reset_received", r"kind: ConnectionReset\b", ("kind: ConnectionReset",), "the writer's kernel had received a reset",
         {"Err(Kind(Error { kind: ConnectionReset }))": {}}, verified="lab"),
    told("hyper_end", "reset_or_eof", r"connection closed before message completed|hyper::Error\(IncompleteMessage|error reading a body from connection", ("connection closed before message completed", "hyper::Error(IncompleteMessage", "error reading a body from connection"), "the stream to the client ended before its answer was complete",
         {"error sending request for url (http://127.0.0.1:9104/x): connection closed before message completed": {}, "hyper::Error(IncompleteMessage)": {}, "error reading a body from connection": {}}, writer="client", verified="unverified"),
)  # fmt: skip

FORMAT = LogFormat(
    id="rust",
    title="Rust: std::io errors; hyper, reqwest, sqlx, tokio-postgres",
    reference="https://doc.rust-lang.org/std/io/enum.ErrorKind.html",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01T12:00:00.123456Z ERROR app::net: ", "2024-05-01T12:00:00.123456Z"),
    head=usual_head,
    anchored=False,
    rank=5,
)
