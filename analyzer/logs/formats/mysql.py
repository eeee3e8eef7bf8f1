"""The error log of MySQL and MariaDB.

Lives here: the format, with MySQL's head (ISO time) and MariaDB's (local time to the second, the hour padded with a blank). Both name the
client's host and the number of its connection, never its port. "Aborted connection" folds a FIN and a reset together; only MariaDB with
log_warnings=4 prints the system's error number beside it. MySQL writes it at log_error_verbosity=3 alone.
Never here: what their clients say (mysql_client.py).
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Message, Sample, Verified

_HEAD = re.compile(
    r"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)|\d{4}-\d\d-\d\d [ \d]\d:\d\d:\d\d) (?P<connection>\d{1,20}) "
    r"\[(?P<level>System|Note|Warning|ERROR)\] (?:\[MY-\d{6}\] \[\w{1,20}\] )?"
)
_ABORTED = (
    r"Aborted connection (?P<session>\d{1,20}) to db: '[^']{0,200}' user: '(?P<user>[^']{0,100})' host: '(?P<client_ip>[^']{0,255})'"
    r"(?: real ip: '[^']{0,100}')? \("
)


def head(text: str) -> Head | None:
    """The session is the number of the connection, which both call its thread; 0 is the server itself."""
    found = _HEAD.match(text)
    if found is None:
        return None
    number = found["connection"]
    return Head(
        body=found.end(), exclusive=True, severity=found["level"].upper(), session=number if number != "0" else None
    )


def _aborted(id: str, event: str, reasons: str, proves: str, verified: Verified) -> Message:
    """`reasons` as printed in the brackets, several parted by a bar."""
    return Message(id, event, f"{_ABORTED}(?:{reasons})", tuple(reasons.split("|")), proves, "server", verified)


_CLOSES = "the server closed this connection itself"
_PACKET = r"Could not {} packet: fd: \d{{1,10}}\s+state: \d{{1,5}}\s+(?:read_length: \d{{1,10}}\s+)?errno: {}\s+vio_errno: \d{{1,5}}\s+length: {}"

MESSAGES = (
    _aborted("aborted_read", "reset_or_eof", "Got an error reading communication packets",
             "the client's connection was gone without a goodbye; the same is printed for a FIN and for a reset", "lab"),
    _aborted("aborted_write", "reset_or_eof", "Got an error writing communication packets",
             "the client's connection was gone while a result was sent to it; the same is printed for a FIN and for a reset", "lab"),
    _aborted("timeout_read", "idle_timeout", "Got timeout reading communication packets",
             f"{_CLOSES} because the client had been silent for longer than wait_timeout (or net_read_timeout)", "lab"),
    _aborted("timeout_write", "local_timeout", "Got timeout writing communication packets",
             f"{_CLOSES} because the client had not taken a result for longer than net_write_timeout", "source"),
    _aborted("unauthenticated", "reset_or_eof", "This connection closed normally without authentication",
             "the connection ended before its login was done; in spite of its text the line is also printed after a reset, and when connect_timeout has run out", "lab"),
    _aborted("killed", "terminated_by_administrator", "KILLED|Connection was killed", "a KILL, or the server's shutdown, ended this connection", "lab"),
    _aborted("too_large", "rejected", "Got a packet bigger than 'max_allowed_packet' bytes",
             f"{_CLOSES} because a packet was too large; what was not read turns that into a reset", "lab"),
    _aborted("out_of_order", "protocol_error", "Got packets out of order", f"{_CLOSES} because what came is not its protocol", "source"),
    _aborted("inactive", "idle_timeout", "The client was disconnected by the server because of inactivity",
             f"{_CLOSES} because the client had been silent for longer than wait_timeout", "third_party"),
    Message("aborted", "closed", _ABORTED + r"[^)]{1,400}", ("Aborted connection ",), "this connection ended for the reason in brackets", "server", "third_party"),
    Message(
        "not_bound", BY_ERROR, r"Can't start server: Bind on TCP/IP port[.:] (?:Got error: )?(?P<error>.{1,200})", ("Can't start server: Bind on TCP/IP port",),
        "the server could not listen on its port", "server", "lab", unknown_error=None,
    ),
    Message(
        "another", "port_in_use", r"Do you already have another (?:mysqld )?server running on port: (?P<server_port>\d{1,5})", ("Do you already have another ",),
        "the server could not listen on this port, and asks who has it", "server", "lab",
    ),
    Message(
        "read_reset", "reset_received", _PACKET.format("(?:read|write)", 104, r"-?\d{1,10}"), ("Could not read packet: fd: ", "Could not write packet: fd: "),
        "the connection's own system call failed with error 104: the server's kernel had received a reset", "server", "lab",
    ),
    Message(
        "write_broken", "broken_pipe", _PACKET.format("(?:read|write)", 32, r"-?\d{1,10}"), ("Could not read packet: fd: ", "Could not write packet: fd: "),
        "the server wrote to a connection that was already closed or reset (error 32)", "server", "source",
    ),
    Message(
        "read_end", "unexpected_end", _PACKET.format("read", r"\d{1,5}", 0), ("Could not read packet: fd: ",),
        "the client ended its stream without a goodbye: a FIN, not a reset", "server", "lab",
    ),
    Message(
        "read_timeout", "idle_timeout", _PACKET.format("read", r"(?:110|11)", r"-\d{1,10}"), ("Could not read packet: fd: ",),
        f"the server's own timer expired while it waited for the client, and {_CLOSES}", "server", "lab",
    ),
    Message(
        "wait_timeout", "idle_timeout", r"(?:'wait_timeout' period of \d{1,10} seconds was exceeded for `(?P<user>[^`]{0,100})`@`(?P<client_ip>[^`]{0,255})`|The wait_timeout period was exceeded)",
        ("wait_timeout' period of ", "The wait_timeout period was exceeded"), f"{_CLOSES} because the client had been silent for longer than wait_timeout",
        "server", "third_party",
    ),
)  # fmt: skip

_MARIA = "2026-11-20  7:57:45 4 [Warning] "
_HOST = "Aborted connection 4 to db: 't' user: 'root' host: '192.0.2.10' "
_MYSQL = "2024-05-01T12:00:00.123456Z 12 [Note] [MY-010914] [Server] Aborted connection 12 to db: 'shop' user: 'app' host: '192.0.2.10' "
SAMPLES = (
    Sample(
        "2026-11-20 15:48:22 0 [ERROR] Can't start server: Bind on TCP/IP port. Got error: 98: Address already in use", "not_bound", "port_in_use",
        "2026-11-20T15:48:22Z", {"server_port": None, "writer": "server"},
    ),
    Sample(
        "2024-05-01T12:00:00.123456Z 0 [ERROR] [MY-010262] [Server] Can't start server: Bind on TCP/IP port: Address already in use", "not_bound", "port_in_use",
    ),
    Sample(
        "2026-11-20 15:48:22 0 [ERROR] Do you already have another server running on port: 19001 ?", "another", "port_in_use", None, {"server_port": 19001, "writer": "server"},
    ),
    Sample(
        "2024-05-01T12:00:00.123456Z 0 [ERROR] [MY-010257] [Server] Do you already have another mysqld server running on port: 3306 ?", "another", "port_in_use", None,
        {"server_port": 3306},
    ),
    Sample(
        f"{_MARIA}{_HOST}(Got an error reading communication packets)", "aborted_read", "reset_or_eof", "2026-11-20T07:57:45Z",
        {"client_ip": "192.0.2.10", "client_port": None, "session": "4", "user": "root", "resolution": 1.0, "zone": "unknown", "pid": None, "severity": "WARNING"},
    ),
    Sample(
        f"{_MYSQL}(Got an error reading communication packets).", "aborted_read", "reset_or_eof", "2024-05-01T12:00:00.123456Z",
        {"client_ip": "192.0.2.10", "session": "12", "resolution": 1e-06, "zone": "printed"},
    ),
    Sample(
        "2024-05-01T12:00:00.123456Z 12 [Note] Aborted connection 12 to db: 'shop' user: 'app' host: 'app1.example' (Got an error reading communication packets)",
        "aborted_read", "reset_or_eof", None, {"client_ip": None, "session": "12"},
    ),
    Sample(
        "2026-11-20 19:40:02 5 [Warning] Aborted connection 5 to db: 'shop' user: 'shop' host: '10.1.0.2' (Got an error writing communication packets)",
        "aborted_write", "reset_or_eof", "2026-11-20T19:40:02Z", {"client_ip": "10.1.0.2", "session": "5"},
    ),
    Sample(
        "2026-11-20 19:40:03 4 [Warning] Aborted connection 4 to db: 'shop' user: 'shop' host: '10.1.0.2' (Got timeout reading communication packets)",
        "timeout_read", "idle_timeout", "2026-11-20T19:40:03Z", {"client_ip": "10.1.0.2"},
    ),
    Sample(f"{_MYSQL}(Got timeout writing communication packets).", "timeout_write", "local_timeout"),
    Sample(
        "2026-11-20  7:57:52 11 [Warning] Aborted connection 11 to db: 'unconnected' user: 'unauthenticated' host: 'localhost' "
        "(This connection closed normally without authentication)",
        "unauthenticated", "reset_or_eof", None, {"client_ip": None},
    ),
    Sample(
        "2026-11-20  7:57:49 3 [Warning] Aborted connection 8 to db: 't' user: 'root' host: 'localhost' (KILLED)",
        "killed", "terminated_by_administrator", None, {"session": "8"},
    ),
    Sample(f"{_MARIA}{_HOST}(Got a packet bigger than 'max_allowed_packet' bytes)", "too_large", "rejected"),
    Sample(f"{_MARIA}{_HOST}(Got packets out of order)", "out_of_order", "protocol_error"),
    Sample(f"{_MYSQL}(The client was disconnected by the server because of inactivity.).", "inactive", "idle_timeout"),
    Sample(f"{_MYSQL}(Connections using insecure transport are prohibited while --require_secure_transport=ON.)", "aborted", "closed"),
    Sample(
        "2026-11-20  7:57:45 4 [Warning] Could not read packet: fd: 44  state: 1  read_length: 4  errno: 104  vio_errno: 1158  length: -1",
        "read_reset", "reset_received", "2026-11-20T07:57:45Z", {"session": "4"},
    ),
    Sample(
        "2026-11-20 19:40:02 5 [Warning] Could not write packet: fd: 44  state: 1  errno: 104  vio_errno: 1160  length: 65",
        "read_reset", "reset_received",
    ),
    Sample("2026-11-20 19:40:02 5 [Warning] Could not write packet: fd: 44  state: 1  errno: 32  vio_errno: 1160  length: 65", "write_broken", "broken_pipe"),
    Sample("2026-11-20  7:57:45 5 [Warning] Could not read packet: fd: 45  state: 1  read_length: 4  errno: 11  vio_errno: 1158  length: 0", "read_end", "unexpected_end"),
    Sample("2026-11-20  7:57:46 6 [Warning] Could not read packet: fd: 44  state: 1  read_length: 4  errno: 110  vio_errno: 1159  length: -1", "read_timeout", "idle_timeout"),
    Sample(
        "2025-10-31T16:09:25.025180Z 2025180 [Note] [MY-013730] [Server] 'wait_timeout' period of 10 seconds was exceeded for `app`@`192.0.2.10`. "
        "The idle time since last command was too long.",
        "wait_timeout", "idle_timeout", "2025-10-31T16:09:25.02518Z", {"client_ip": "192.0.2.10", "user": "app", "session": "2025180"},
    ),
    Sample("2022-05-01T12:00:00.123456Z 12 [Note] [MY-013417] [Server] The wait_timeout period was exceeded, the idle time since last command was too long.", "wait_timeout", "idle_timeout"),
)  # fmt: skip

FORMAT = LogFormat(
    id="mysql",
    title="MySQL and MariaDB error log",
    reference="https://dev.mysql.com/doc/refman/8.4/en/communication-errors.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("mysqld", "mariadbd", "mysql", "mariadb"),
)
