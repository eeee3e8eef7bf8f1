"""Pgpool-II's log.

Lives here: the format, with its default prefix ("%m: %a pid %p: "), which prints no zone. Pgpool stands between a client (its frontend) and
PostgreSQL servers (its backends); one process serves one client at a time, so the process id ties lines to the address that "connecting
host=…" named. Its error entries are followed by a DETAIL entry with the system's own words.
Never here: PostgreSQL's log, whose prefix and severities look alike.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Message, Sample

_HEAD = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?: .{0,100}? ?pid (?P<pid>\d{1,10}): (?P<severity>DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT): {1,2}"
)


def head(text: str) -> Head | None:
    """DETAIL entries say something of their own here: the address of a client, the error of a connection."""
    found = _HEAD.match(text)
    if found is None:
        return None
    return Head(body=found.end(), exclusive=True, severity=found["severity"], pid=int(found["pid"]))


_AT = r"host=(?P<client_ip>[0-9A-Fa-f.:]{2,45}|\S{1,255})(?: port=(?P<client_port>\d{1,5}))?"

MESSAGES = (
    Message("connecting", "opened", rf"connecting {_AT}", ("connecting host=",), "Pgpool accepted this client's connection", "server", "lab"),
    Message(
        "disconnected", "closed", rf"frontend disconnection: session time: \d{{1,6}}:\d\d:\d\d\.\d{{3}} user=(?P<user>\S{{0,63}}) database=(?P<database>\S{{0,63}}) {_AT}",
        ("frontend disconnection: session time",), "the session of this client ended; it does not say how", "server", "lab",
    ),
    Message(
        "client_read", "reset_or_eof", r"unable to read data from frontend", ("unable to read data from frontend",),
        "Pgpool found its client gone; whether by FIN or by reset the DETAIL entry after it says", "server", "lab",
    ),
    Message(
        "client_write", BY_ERROR, r'write on frontend failed with error :"(?P<error>[^"]{1,300})"', ("write on frontend failed with error",),
        "sending to this client failed", "server", "source",
    ),
    Message("client_flush", "broken_pipe", r"unable to flush data to frontend", ("unable to flush data to frontend",), "Pgpool could not send to this client any more", "server", "source"),
    Message("client_end", "unexpected_end", r"EOF encountered with frontend", ("EOF encountered with frontend",), "the client ended its stream: a FIN, not a reset", "server", "lab"),
    Message(
        "backend_read", "reset_or_eof", r"unable to read data from DB node \d{1,4}", ("unable to read data from DB node",),
        "Pgpool found its connection to a server gone; whether by FIN or by reset the DETAIL entry after it says", "client", "lab", leg="server",
    ),
    Message(
        "read_error", BY_ERROR, r'socket read failed with error "(?P<error>[^"]{1,300})"', ("socket read failed with error",),
        "reading failed, from the end that the entry before this one names", "unknown", "lab", leg="server",
    ),
    Message(
        "backend_end", "unexpected_end", r"EOF encountered with backend", ("EOF encountered with backend",), "a server ended Pgpool's connection to it: a FIN, not a reset",
        "client", "lab", leg="server",
    ),
    Message(
        "backend_write", BY_ERROR, r'write on backend \d{1,4} failed with error :"(?P<error>[^"]{1,300})"', ("write on backend ",), "sending to a server failed",
        "client", "lab", leg="server",
    ),
    Message(
        "backend_flush", "broken_pipe", r"unable to (?:flush|write) data to backend", ("unable to flush data to backend", "unable to write data to backend"),
        "Pgpool could not send to a server any more", "client", "source", leg="server",
    ),
    Message(
        "backend_no_answer", "timed_out", r'failed to connect to PostgreSQL server on "(?P<server_name>[^":]{1,255}):(?P<server_port>\d{1,5})", timed out',
        ("failed to connect to PostgreSQL server on",), "a server did not answer Pgpool in time", "client", "source", leg="server",
    ),
    Message(
        "backend_connect", "connect_failed", r'failed to connect to PostgreSQL server on "(?P<server_name>[^":]{1,255}):(?P<server_port>\d{1,5})"',
        ("failed to connect to PostgreSQL server on",), "Pgpool could not connect to a server; whether it was refused or nobody answered it does not say",
        "client", "lab", leg="server",
    ),
    Message(
        "client_idle_limit", "idle_timeout", r"child connection forced to terminate due to client_idle_limit", ("forced to terminate due to client_idle_limit",),
        "Pgpool ended this client's connection because it sat idle for longer than client_idle_limit", "server", "lab",
    ),
    Message("started", "started", r"pgpool-II successfully started", ("pgpool-II successfully started",), "Pgpool is ready", "unknown", "lab"),
    Message(
        "ended_for_recovery", "terminated_by_administrator", r"connection terminated due to online recovery", ("connection terminated due to online recovery",),
        "Pgpool ended this client's connection because an online recovery began", "server", "source",
    ),
    Message(
        "idle", "idle_timeout", r"terminating connection due to idle(?:-in-transaction)? session timeout",
        ("terminating connection due to idle session", "terminating connection due to idle-in-transaction session"),
        "this client's session was ended because it sat idle too long", "server", "source",
    ),
)  # fmt: skip

_P = "2024-05-01 12:00:00.123: psql pid 4711: "
SAMPLES = (
    Sample(
        f"{_P}DETAIL:  connecting host=192.0.2.10 port=51234", "connecting", "opened", "2024-05-01T12:00:00.123Z",
        {"client_ip": "192.0.2.10", "client_port": 51234, "pid": 4711, "severity": "DETAIL", "zone": "unknown", "writer": "server"},
    ),
    Sample(
        f"{_P}LOG:  frontend disconnection: session time: 0:00:01.023 user=app database=appdb host=192.0.2.10 port=51234",
        "disconnected", "closed", None, {"client_port": 51234, "user": "app", "database": "appdb"},
    ),
    Sample(f"{_P}ERROR:  unable to read data from frontend", "client_read", "reset_or_eof", None, {"pid": 4711}),
    Sample(f'{_P}WARNING:  write on frontend failed with error :"Broken pipe"', "client_write", "broken_pipe"),
    Sample(f"{_P}ERROR:  unable to flush data to frontend", "client_flush", "broken_pipe"),
    Sample(f"{_P}DETAIL:  EOF encountered with frontend", "client_end", "unexpected_end"),
    Sample(f"{_P}ERROR:  unable to read data from DB node 1", "backend_read", "reset_or_eof", None, {"writer": "client", "pid": None}),
    Sample(f'{_P}DETAIL:  socket read failed with error "Connection reset by peer"', "read_error", "reset_received"),
    Sample(f"{_P}DETAIL:  EOF encountered with backend", "backend_end", "unexpected_end"),
    Sample(f'{_P}WARNING:  write on backend 0 failed with error :"Broken pipe"', "backend_write", "broken_pipe"),
    Sample(f"{_P}ERROR:  unable to flush data to backend", "backend_flush", "broken_pipe"),
    Sample(f'{_P}LOG:  failed to connect to PostgreSQL server on "192.0.2.20:5432", timed out', "backend_no_answer", "timed_out", None, {"server_port": 5432}),
    Sample(
        f'{_P}LOG:  failed to connect to PostgreSQL server on "192.0.2.20:5432" using INET socket',
        "backend_connect", "connect_failed", None, {"server_ip": "192.0.2.20", "server_port": 5432, "writer": "client", "pid": None},
    ),
    Sample(
        '2026-11-20 13:42:39.752: [unknown] pid 27345: LOG:  failed to connect to PostgreSQL server on "127.0.0.1:7532", getsockopt() failed',
        "backend_connect", "connect_failed", "2026-11-20T13:42:39.752Z", {"server_ip": "127.0.0.1", "server_port": 7532},
    ),
    Sample(
        "2026-11-20 13:42:36.784: [unknown] pid 27342: DETAIL:  child connection forced to terminate due to client_idle_limit:3 is reached",
        "client_idle_limit", "idle_timeout", None, {"pid": 27342, "writer": "server"},
    ),
    Sample("2026-11-20 13:42:27.673: main pid 27333: LOG:  pgpool-II successfully started. version 4.3.5 (tamahomeboshi)", "started", "started"),
    Sample(f"{_P}FATAL:  connection terminated due to online recovery", "ended_for_recovery", "terminated_by_administrator"),
    Sample(f"{_P}FATAL:  terminating connection due to idle session timeout", "idle", "idle_timeout"),
)  # fmt: skip

FORMAT = LogFormat(
    id="pgpool",
    title="Pgpool-II log",
    reference="https://www.pgpool.net/docs/latest/en/html/runtime-config-logging.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("pgpool", "pgpool2"),
)
