"""PgBouncer's log.

Lives here: the format. PgBouncer stands between two connections: a line `C-…` speaks of the one that a client opened to it, with that
client's address and port; a line `S-…` of the one that PgBouncer opened to a PostgreSQL server, with the server's address, and only
`new connection to server (from …)` says which port PgBouncer uses there: PostgreSQL logs that one as its client's. It prints one text for
a FIN and for a reset, so none of its lines argues for a reset.
Never here: the process id, which is the same on every line.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Message, Sample, Verified, Writer, end

_HEAD = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (?:\S{1,6} )?\[\d{1,10}\] (?P<severity>NOISE|DEBUG|LOG|WARNING|ERROR|FATAL) "
    r"(?:(?P<socket>[CS]-0x[0-9a-f]{4,16}): (?P<database>[^/\s]{1,63})/(?P<user>[^@\s]{1,63})@"
    rf"(?:unix(?:\(\d{{1,10}}\))?:\d{{1,5}}|{end('peer')}) )?"
)
_NOBODY = ("(nodb)", "(nouser)")  # what stands there before the login


def head(text: str) -> Head | None:
    """The socket's address in memory is the session: it is PgBouncer's name for one connection while that lives."""
    found = _HEAD.match(text)
    if found is None:
        return None
    user, database = (None if value in _NOBODY else value for value in (found["user"], found["database"]))
    common = Head(body=found.end(), severity=found["severity"])
    if not found["socket"]:
        return common
    ip, port = found["peer_ip"], int(found["peer_port"]) if found["peer_port"] else None
    client = found["socket"].startswith("C")
    return Head(
        body=found.start("socket"), exclusive=True, severity=found["severity"], session=found["socket"], user=user, database=database,
        client_ip=ip if client else None, client_port=port if client else None,
        server_ip=None if client else ip, server_port=None if client else port,
    )  # fmt: skip


# (id, event, whose socket it speaks of, reasons as PgBouncer prints them, what it proves, how well it is known, samples). What stands
# between C and S in a log line decides which of two meanings one reason has.
_AGE = r"(?: \(age=\d{1,10}s?\))?\s*$"
_CLOSING: tuple[tuple[str, str, str, tuple[str, ...], str, Verified, tuple[str, ...]], ...] = (
    ("client_gone", "reset_or_eof", "C", ("client unexpected eof", "unexpected eof"),
     "PgBouncer found its client gone; it prints the same for a FIN and for a reset", "lab",
     ("2026-11-20 07:40:43.692 UTC [11583] LOG C-0x560c35893f90: postgres/postgres@127.0.0.1:38502 closing because: client unexpected eof (age=0s)",
      "2026-11-20 07:40:46.000 UTC [11583] LOG C-0x560c35893f90: postgres/postgres@127.0.0.1:38552 closing because: unexpected eof (age=0s)")),
    ("client_left", "closed", "C", ("client close request",), "the client said goodbye", "lab",
     ("2026-11-20 07:40:46.501 UTC [11583] LOG C-0x560c35893f90: postgres/postgres@127.0.0.1:38560 closing because: client close request (age=0s)",)),
    ("dropped_for_client", "closed", "S",
     ("client disconnect while server was not ready", "client disconnect before everything was sent to the server",
      "client disconnected with query in progress", "client disconnected with queries in progress"),
     "PgBouncer itself closed its connection to the server, because its client had left in the middle of a transaction or a query", "lab",
     ("2026-11-20 07:40:44.394 UTC [11583] LOG S-0x560c3589b670: postgres/postgres@127.0.0.1:55432 closing because: client disconnect while server was not ready (age=0s)",)),
    ("server_lost", "reset_or_eof", "S", ("server conn crashed?",),
     "PgBouncer found its connection to the server gone; it prints the same for a FIN and for a reset", "lab",
     ("2026-11-20 19:26:43.259 JST [32229] LOG S-0x5559cf002070: shop/shop@10.2.0.2:5432 closing because: server conn crashed? (age=5s)",)),
    ("dropped_for_server", "closed", "C", ("server conn crashed?",),
     "PgBouncer itself closed this client's connection, because the connection to the server behind it was gone", "lab",
     ("2026-11-20 07:40:56.532 UTC [11583] LOG C-0x560c35893f90: postgres/postgres@127.0.0.1:52160 closing because: server conn crashed? (age=0s)",)),
    ("client_idle", "idle_timeout", "C", ("client_idle_timeout",), "PgBouncer closed this client's connection because it sat idle too long", "lab",
     ("2026-11-20 07:41:03.588 UTC [11583] LOG C-0x560c35893f90: postgres/postgres@127.0.0.1:41876 closing because: client_idle_timeout (age=3s)",)),
    ("client_login_timeout", "local_timeout", "C", ("client_login_timeout", "client_login_timeout (server down)"),
     "PgBouncer closed this client's connection because its login took too long, or no server could be reached for it", "source",
     ("2024-05-01 12:00:00.123 UTC [815] LOG C-0x55d0c8a3f2b0: appdb/app@192.0.2.10:51234 closing because: client_login_timeout (server down) (age=12s)",)),
    ("query_wait_timeout", "local_timeout", "C", ("query_wait_timeout",),
     "PgBouncer closed this client's connection because it had waited too long for a server connection: the pool was exhausted", "source",
     ("2024-05-01 12:00:00.123 UTC [815] LOG C-0x55d0c8a3f2b0: appdb/app@192.0.2.10:51234 closing because: query_wait_timeout (age=12s)",)),
    ("client_query_timeout", "local_timeout", "C", ("query_timeout", "query timeout"),
     "PgBouncer closed this client's connection because its query took too long", "lab",
     ("2026-11-20 07:40:48.921 UTC [11583] LOG C-0x560c35893f90: dead/postgres@127.0.0.1:38562 closing because: query_timeout (age=2s)",)),
    ("server_query_timeout", "local_timeout", "S", ("query timeout",),
     "PgBouncer itself closed its connection to the server because a query took too long", "lab",
     ("2026-11-20 07:41:00.252 UTC [11583] LOG S-0x560c3589b670: postgres/postgres@127.0.0.1:55432 closing because: query timeout (age=2s)",)),
    ("client_transaction_timeout", "idle_timeout", "C", ("idle transaction timeout", "transaction timeout"),
     "PgBouncer closed this client's connection because its transaction sat or took too long", "lab",
     ("2026-11-20 07:40:57.921 UTC [11583] LOG C-0x560c35893f90: postgres/postgres@127.0.0.1:52170 closing because: idle transaction timeout (age=1s)",)),
    ("server_transaction_timeout", "idle_timeout", "S", ("idle transaction timeout", "transaction timeout"),
     "PgBouncer itself closed its connection to the server because a transaction sat or took too long", "lab",
     ("2026-11-20 07:40:57.921 UTC [11583] LOG S-0x560c3589b670: postgres/postgres@127.0.0.1:55432 closing because: idle transaction timeout (age=1s)",)),
    ("server_idle", "idle_timeout", "S", ("server idle timeout",), "PgBouncer itself closed its connection to the server because it was not used", "lab",
     ("2026-11-20 19:26:23.367 JST [31915] LOG S-0x557f36350f40: shop/shop@10.2.0.2:5432 closing because: server idle timeout (age=2s)",)),
    ("server_lifetime", "closed", "S", ("server lifetime over", "evicted", "too many servers in the pool"),
     "PgBouncer itself closed its connection to the server, as it does with old or surplus ones", "source",
     ("2024-05-01 12:00:00.123 UTC [815] LOG S-0x55d0c8a3f2b0: appdb/app@192.0.2.20:5432 closing because: server lifetime over (age=12s)",
      "2024-05-01 12:00:00.123 UTC [815] LOG S-0x55d0c8a3f2b0: appdb/app@192.0.2.20:5432 closing because: evicted (age=12s)")),
    ("server_connect_timeout", "timed_out", "S", ("connect timeout",), "PgBouncer got no answer from the server, to its SYN or to its login", "lab",
     ("2026-11-20 07:40:55.919 UTC [11583] LOG S-0x560c3589b670: hang/postgres@127.0.0.1:9106 closing because: connect timeout (age=2s)",)),
    ("server_connect_failed", "connect_failed", "S", ("connect failed", "cannot connect"),
     "PgBouncer could not connect to the server; whether it was refused or unreachable it does not say", "lab",
     ("2026-11-20 07:40:46.701 UTC [11583] LOG S-0x560c3589b670: dead/postgres@127.0.0.1:9199 closing because: connect failed (age=0s)",)),
    ("server_login_failed", "rejected", "S", ("login failed",), "the server refused PgBouncer's login", "source",
     ("2024-05-01 12:00:00.123 UTC [815] LOG S-0x55d0c8a3f2b0: appdb/app@192.0.2.20:5432 closing because: login failed (age=12s)",)),
    ("client_login_rejected", "rejected", "C",
     ("password authentication failed", "SASL authentication failed", "PAM authentication failed", "LDAP authentication failed",
      "certificate authentication failed", '"trust" authentication failed', "login rejected", "no such user", "no such database", "not allowed"),
     "PgBouncer turned this client's login away", "source",
     ("2024-05-01 12:00:00.123 UTC [815] LOG C-0x55d0c8a3f2b0: appdb/app@192.0.2.10:51234 closing because: password authentication failed (age=12s)",
      "2024-05-01 12:00:00.123 UTC [815] LOG C-0x55d0c8a3f2b0: appdb/app@192.0.2.10:51234 closing because: no such database: foo (age=12s)")),
    ("client_limit", "rejected", "C",
     ("no more connections allowed (max_client_conn)", "client connections exceeded (max_user_client_connections)",
      "client connections exceeded (max_db_client_connections)", "bouncer resources exhaustion"),
     "PgBouncer turned this client away because a limit of connections was reached", "source",
     ("2024-05-01 12:00:00.123 UTC [815] LOG C-0x55d0c8a3f2b0: appdb/app@192.0.2.10:51234 closing because: no more connections allowed (max_client_conn) (age=12s)",)),
    ("client_ended_by_administrator", "terminated_by_administrator", "C", ("admin forced disconnect", "suspend_timeout", "pause failed"),
     "an administrator's command to PgBouncer ended this client's connection", "source",
     ("2024-05-01 12:00:00.123 UTC [815] LOG C-0x55d0c8a3f2b0: appdb/app@192.0.2.10:51234 closing because: admin forced disconnect (age=12s)",)),
    ("client_ended_by_shutdown", "shutdown", "C", ("server shutting down", "pooler is shutting down"),
     "PgBouncer ended this client's connection because it was stopping", "source",
     ("2024-05-01 12:00:00.123 UTC [815] LOG C-0x55d0c8a3f2b0: appdb/app@192.0.2.10:51234 closing because: server shutting down (age=12s)",)),
    ("server_ended_by_administrator", "terminated_by_administrator", "S",
     ("pause mode", "suspend_timeout", "database configuration changed", "obsolete connection", "connect string changed", "close_needed",
      "server DNS lookup failed"),
     "PgBouncer itself closed its connection to the server, after a command (PAUSE, RECONNECT, RELOAD) or a change of configuration", "lab",
     ("2026-11-20 07:41:17.051 UTC [11583] LOG S-0x560c3589b8d0: postgres/postgres@127.0.0.1:55432 closing because: pause mode (age=1s)",)),
    ("client_not_postgresql", "protocol_error", "C",
     ("bad packet", "client sent partial pkt in startup phase", "old V2 protocol not supported", "unknown pkt"),
     "what the client sent is not PostgreSQL's protocol, and PgBouncer closed", "lab",
     ("2026-11-20 07:41:08.921 UTC [11583] LOG C-0x560c35894450: (nodb)/(nouser)@127.0.0.1:41928 closing because: client sent partial pkt in startup phase (age=0s)",)),
    ("client_tls", "protocol_error", "C",
     ("failed to accept SSL", "SSL required", "received unencrypted data after SSL request", "SSL req inside SSL"),
     "client and PgBouncer did not agree on TLS, and PgBouncer closed", "source",
     ("2024-05-01 12:00:00.123 UTC [815] LOG C-0x55d0c8a3f2b0: appdb/app@192.0.2.10:51234 closing because: SSL required (age=12s)",)),
    ("server_tls", "protocol_error", "S",
     ("server refused SSL", "TLS startup failed", "sslreq processing failed", "bad sslreq answer", "received unencrypted data after SSL response"),
     "PgBouncer and the server did not agree on TLS, and PgBouncer closed", "source",
     ("2024-05-01 12:00:00.123 UTC [815] LOG S-0x55d0c8a3f2b0: appdb/app@192.0.2.20:5432 closing because: TLS startup failed (age=12s)",)),
    ("server_unusable", "protocol_error", "S",
     ("idle server got dirty", "SV_IDLE server got dirty", "SV_USED server got dirty", "reset query failed", "test query failed",
      "var change failed", "bad pkt header", "unknown pkt from server", "unknown pkt"),
     "PgBouncer itself closed its connection to the server because it was in a state that cannot be used", "source",
     ("2024-05-01 12:00:00.123 UTC [815] LOG S-0x55d0c8a3f2b0: appdb/app@192.0.2.20:5432 closing because: idle server got dirty (age=12s)",)),
)  # fmt: skip
_WRITERS: dict[str, Writer] = {"C": "server", "S": "client"}  # PgBouncer is its clients' server and its servers' client


def _socket(kind: str) -> str:
    return rf"{kind}-0x[0-9a-f]{{4,16}}: \S{{1,200}} "


def _closing(
    id: str, event: str, kind: str, reasons: tuple[str, ...], proves: str, verified: Verified, samples: tuple[str, ...]
) -> Message:
    """One meaning of `closing because`; behind "bad packet" and "no such database" PgBouncer prints what was wrong."""
    words = "|".join(re.escape(reason) for reason in reasons)
    more = r"(?:[: ].{0,200}?)?" if id in ("client_not_postgresql", "client_login_rejected") else ""
    return Message(
        id, event, rf"{_socket(kind)}closing because: (?:{words}){more}{_AGE}",
        tuple(f"closing because: {reason}" for reason in reasons), proves, _WRITERS[kind], verified,
    )  # fmt: skip


MESSAGES = (
    *(_closing(*row) for row in _CLOSING),
    Message(
        "not_bound", BY_ERROR, rf"cannot listen on {end('server')}: (?:bind|listen)\(\): (?P<error>.{{1,200}})", ("cannot listen on ",),
        "PgBouncer could not listen on this address", "server", "lab", unknown_error=None,
    ),
    Message(
        "client_login", "opened", rf"{_socket('C')}login attempt: db=", (" login attempt: db=",),
        "PgBouncer accepted this client's connection and was asked to log it in", "server", "lab",
    ),
    Message(
        "server_connected", "opened", rf"{_socket('S')}new connection to server(?: \(from {end('client')}\))?", ("new connection to server",),
        "PgBouncer opened this connection to the server, which logs PgBouncer as its client", "client", "lab",
    ),
    Message(
        "told_client", "detail", rf"{_socket('C')}pooler error: ", (" pooler error: ",),
        "PgBouncer sent this text to the client before it closed; the line that says why it closed stands beside it", "server", "lab",
    ),
    Message(
        "server_refused", BY_ERROR, r"sbuf_connect failed to connect to (?P<server_name>[^:\s]{1,253}):(?P<server_port>\d{1,5}): (?P<error>.{1,200})",
        ("sbuf_connect failed to connect to ",), "PgBouncer could not connect to the server", "client", "source", unknown_error="connect_failed",
    ),
    Message(
        "started", "started", r"process up: PgBouncer", ("process up: PgBouncer",), "PgBouncer is ready", "unknown", "lab",
    ),
)  # fmt: skip
_TIMES = {"07:40:43.692 UTC": "2026-11-20T07:40:43.692Z", "19:26:43.259 JST": "2026-11-20T10:26:43.259Z"}
_LISTEN = "2026-11-20 15:48:20.649 UTC [18652] WARNING cannot listen on {}:19001: bind(): Address already in use"
SAMPLES = (
    Sample(_LISTEN.format("0.0.0.0"), "not_bound", "port_in_use", "2026-11-20T15:48:20.649Z", {"server_ip": None, "server_port": 19001, "writer": "server"}),
    Sample(_LISTEN.format("[::]"), "not_bound", "port_in_use", None, {"server_ip": None, "server_port": 19001}),
    *(Sample(text, row[0], row[1], next((t for s, t in _TIMES.items() if s in text), None)) for row in _CLOSING for text in row[6]),
    Sample(
        "2026-11-20 07:40:43.686 UTC [11583] LOG C-0x560c35893f90: postgres/postgres@127.0.0.1:38502 login attempt: db=postgres user=postgres tls=no",
        "client_login", "opened", "2026-11-20T07:40:43.686Z",
        {"client_ip": "127.0.0.1", "client_port": 38502, "writer": "server", "session": "C-0x560c35893f90", "user": "postgres", "pid": None},
    ),
    Sample(
        "2026-11-20 19:21:04.529 JST [26100] LOG S-0x55bf357a0f40: shop/shop@10.2.0.2:5432 new connection to server (from 10.2.0.1:42298)",
        "server_connected", "opened", "2026-11-20T10:21:04.529Z",
        {"client_ip": "10.2.0.1", "client_port": 42298, "server_ip": "10.2.0.2", "server_port": 5432, "writer": "client"},
    ),
    Sample(
        "2026-11-20 19:26:43.259 JST [32229] LOG S-0x5559cf002070: shop/shop@10.2.0.2:5432 closing because: server conn crashed? (age=5s)",
        "server_lost", "reset_or_eof", "2026-11-20T10:26:43.259Z",
        {"client_ip": None, "server_ip": "10.2.0.2", "server_port": 5432, "writer": "client", "session": "S-0x5559cf002070"},
    ),
    Sample(
        "2026-11-20 07:41:08.921 UTC [11583] LOG C-0x560c35894450: (nodb)/(nouser)@[2001:db8::7]:41928 closing because: bad packet header: '474554202f'",
        "client_not_postgresql", "protocol_error", None, {"client_ip": "2001:db8::7", "client_port": 41928, "user": None},
    ),
    Sample(
        "2026-11-20 07:40:48.921 UTC [11583] WARNING C-0x560c35893f90: dead/postgres@127.0.0.1:38562 pooler error: query_timeout",
        "told_client", "detail", None, {"severity": "WARNING"},
    ),
    Sample(
        "2024-05-01 12:00:00.123 UTC [815] WARNING sbuf_connect failed to connect to 192.0.2.20:5432: Connection refused",
        "server_refused", "refused", None, {"server_ip": "192.0.2.20", "server_port": 5432, "writer": "client"},
    ),
    Sample(
        "2026-11-20 19:21:04.371 JST [26100] LOG process up: PgBouncer 1.18.0, libevent 2.1.12-stable (epoll), adns: c-ares 1.18.1",
        "started", "started", "2026-11-20T10:21:04.371Z",
    ),
)  # fmt: skip

FORMAT = LogFormat(
    id="pgbouncer",
    title="PgBouncer log",
    reference="https://www.pgbouncer.org/config.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("pgbouncer",),
)
