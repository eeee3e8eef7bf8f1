"""gunicorn's error log.

Lives here: the format. What a worker met is at level DEBUG; a traceback below a line of its own is Python's (python.py).
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, LogFormat, all_samples, told

_HEAD = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[(?P<pid>\d{1,10})\] \[(?P<level>[A-Z]{4,8})\] ")


def head(text: str) -> Head | None:
    """`[time zone] [process] [LEVEL] `; the process is a worker, which serves one request after the other."""
    found = _HEAD.match(text)
    return Head(body=found.end(), severity=found["level"], pid=int(found["pid"])) if found else None


TOLD = (
    told("reset", "reset_received", r"Ignoring connection reset", ("Ignoring connection reset",), "the server's kernel had received a reset from the client", {"[32391] [DEBUG] Ignoring connection reset": {"pid": 32391, "severity": "DEBUG"}}, writer="server", verified="lab"),
    told("broken_pipe", "broken_pipe", r"Ignoring EPIPE", ("Ignoring EPIPE",), "the server wrote to a connection that its client had already closed or reset", {"[32391] [DEBUG] Ignoring EPIPE": {}}, writer="server", verified="lab"),
    told("premature", "unexpected_end", r"Ignored premature client disconnection", ("Ignored premature client disconnection",), "the client ended the stream in the middle of its request",
         {"[32391] [DEBUG] Ignored premature client disconnection. No more data after: b'GET / HTT'": {"writer": "server"}}, writer="server", verified="lab"),
    told("worker_timeout", "local_timeout", r"WORKER TIMEOUT \(pid:(?P<pid>\d{1,10})\)", ("WORKER TIMEOUT (pid:",), "a request took longer than --timeout: the worker is killed and its connections drop", {"[32387] [CRITICAL] WORKER TIMEOUT (pid:32391)": {"pid": 32391}}, writer="server", verified="lab"),
    told("worker_killed", "crash", r"Worker \(pid:(?P<pid>\d{1,10})\) was sent SIG\w{2,10}!", ("was sent SIG",), "a worker was killed, and its connections with it", {"[32387] [ERROR] Worker (pid:32391) was sent SIGKILL! Perhaps out of memory?": {"pid": 32391}}, writer="server", verified="lab"),
    told("started", "started", r"Listening at: ", ("Listening at: ",), "the server is ready", {"[32387] [INFO] Listening at: http://127.0.0.1:8000 (32387)": {}}, writer="server", verified="lab"),
    told("stopping", "shutdown", r"Handling signal: (?:term|int|quit)", ("Handling signal: ",), "the server was told to stop", {"[32387] [INFO] Handling signal: term": {}}, writer="server", verified="lab"),
)  # fmt: skip

FORMAT = LogFormat(
    id="gunicorn",
    title="gunicorn",
    reference="https://docs.gunicorn.org/en/stable/settings.html#logging",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "[2026-11-20 07:58:30 +0000] ", "2026-11-20T07:58:30Z"),
    head=head,
    anchored=True,
    programs=("gunicorn",),
)
