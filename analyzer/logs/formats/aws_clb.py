"""The access log of an AWS Classic Load Balancer.

Lives here: the format. The time is when the balancer got the request, in UTC; the three times behind the addresses tell how long it took. For
a TCP listener both status codes are `-`. Whether a connection ended by FIN or by reset is not logged.
Never here: codes that a backend answered.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, LogFormat, Message, Sample, end

_HEAD = re.compile(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z \S{{1,200}} (?={end('client')} )")
_TIMES = re.compile(r"\S{1,100} (?:\S{1,100}) (-?\d[\d.]{0,20}) (-?\d[\d.]{0,20}) (-?\d[\d.]{0,20}) ")


def head(text: str) -> Head | None:
    """The message begins at the client's address; -1 is a time that could not be measured."""
    found = _HEAD.match(text)
    times = _TIMES.match(text, found.end()) if found else None
    if found is None or times is None:
        return None
    took = [float(time) for time in times.groups() if not time.startswith("-") and time.count(".") < 2]
    return Head(
        body=found.end(), exclusive=True, elapsed=sum(took), client_ip=found["client_ip"], client_port=int(found["client_port"])
    )  # fmt: skip


_CLIENT = r"\S{1,100} "
_TIME3 = r"-?\d[\d.]{0,20} -?\d[\d.]{0,20} -?\d[\d.]{0,20}"
_BACKEND = rf"(?:{end('server')}|-)"

MESSAGES = (
    Message(
        "backend_silent", "timed_out", rf"{_CLIENT}{_BACKEND} {_TIME3} 504 (?:0|-) ", (" 504 0 ", " 504 - "), "the backend did not answer the balancer in time",
        "client", "docs", leg="server",
    ),
    Message(
        "backend_gone", "reset_or_eof", rf"{_CLIENT}{_BACKEND} {_TIME3} 502 (?:0|-) ", (" 502 0 ", " 502 - "),
        "the backend ended the balancer's connection, or its answer was malformed; whether by FIN or by reset it does not say", "client", "docs", leg="server",
    ),
    Message(
        "no_backend", "detail", rf"{_CLIENT}{_BACKEND} {_TIME3} 503 (?:0|-) ", (" 503 0 ", " 503 - "), "no backend was registered or healthy; nothing was sent to one",
        "client", "docs", leg="server",
    ),
    Message(
        "tcp", "closed", rf'{_CLIENT}\S{{1,100}} {_TIME3} - - \d{{1,20}} \d{{1,20}} "- - - "', ('"- - - "',),
        "a connection to a TCP listener ended; how, the balancer does not log", "server", "docs",
    ),
)  # fmt: skip

SAMPLES = (
    Sample(
        '2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 - -1 -1 -1 504 0 0 0 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -',
        "backend_silent", "timed_out", "2015-05-13T23:39:43.945958Z", {"client_ip": None, "server_ip": None, "writer": "client"},
    ),
    Sample(
        '2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 -1 502 0 0 0 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -',
        "backend_gone", "reset_or_eof", "2015-05-13T23:39:43.947079Z", {"server_ip": "10.0.0.1", "server_port": 80, "client_ip": None},
    ),
    Sample(
        '2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 - -1 -1 -1 503 0 0 0 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -',
        "no_backend", "detail",
    ),
    Sample(
        '2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.001069 0.000028 0.000041 - - 82 305 "- - - " "-" - -',
        "tcp", "closed", "2015-05-13T23:39:43.947096Z", {"client_ip": "192.168.131.39", "client_port": 2817, "server_ip": None},
    ),
)  # fmt: skip

FORMAT = LogFormat(
    id="aws_clb",
    title="AWS Classic Load Balancer access log",
    reference="https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
)
