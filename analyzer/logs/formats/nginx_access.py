"""nginx's access log: combined, and formats of one's own that begin in the same way.

Lives here: the format, and the codes that only nginx itself writes. 502, 503 and 504 may be an upstream's own answer, so they are told as
requests alone. The time is the end of the request. The usual format names the client's address without its port; with
`$remote_addr:$remote_port` in front it names the connection.
Never here: requests that were answered.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, LogFormat, Message, Sample

_HEAD = re.compile(
    r"(?:(?P<ip4>\d{1,3}(?:\.\d{1,3}){3})|\[(?P<bracketed>[0-9A-Fa-f:.]{2,45})\]|(?P<ip6>[0-9A-Fa-f:.]{2,45}))(?(ip6)|(?::(?P<port>\d{1,5}))?) "
    r'(?:\S{1,200} \S{1,200} )?\[(?:\d\d/[A-Z][a-z]{2}/\d{4}:|\d{4}-\d\d-\d\dT)\d\d:\d\d:\d\d(?:\.\d{1,9})?[^\]"]{0,10}\] '
)
_REQUEST = r'"(?:[^"\\]|\\.){0,16000}"'


def head(text: str) -> Head | None:
    """The client's address, with its port where the format has it."""
    found = _HEAD.match(text)
    if found is None:
        return None
    ip = found["ip4"] or found["bracketed"] or found["ip6"]
    return Head(body=found.end(), client_ip=ip, client_port=int(found["port"]) if found["port"] else None)


MESSAGES = (
    Message(
        "client_gone", "reset_or_eof", rf"{_REQUEST} 499 \d", ('" 499 ',),
        "the client ended its connection before nginx had answered; whether by FIN or by reset the error log may say", "server", "lab",
    ),
    Message(
        "closed_unanswered", "rejected", rf"{_REQUEST} 444 \d", ('" 444 ',),
        "nginx closed this connection without an answer, as it is configured to (status 444): with a reset where reset_timedout_connection is on",
        "server", "lab",
    ),
    Message(
        "gateway_error", "request", rf"{_REQUEST} 50[234] \d", ('" 502 ', '" 503 ', '" 504 '),
        "this request was answered with a gateway's error, by this server or by the one behind it: the error log says what happened", "server", "lab",
    ),
    Message(
        "request_timeout", "local_timeout", rf"{_REQUEST} 408 \d", ('" 408 ',), "the request did not come in time, and the server closed", "server", "lab",
    ),
)  # fmt: skip
SAMPLES = (
    Sample(
        '127.0.0.1 - - [20/Nov/2026:07:39:30 +0000] "GET /c HTTP/1.1" 499 0 "-" "-"',
        "client_gone", "reset_or_eof", "2026-11-20T07:39:30Z", {"client_ip": "127.0.0.1", "client_port": None, "zone": "printed", "writer": "server"},
    ),
    Sample(
        '10.1.0.2:54136 [2026-11-20T19:26:12+09:00] "GET /report HTTP/1.1" 499 0 10.2.0.2:8080',
        "client_gone", "reset_or_eof", "2026-11-20T10:26:12Z", {"client_ip": "10.1.0.2", "client_port": 54136},
    ),
    Sample(
        '10.1.0.2:58698 [2026-11-20T19:40:14+09:00] "GET /orders HTTP/1.1" 444 0 -',
        "closed_unanswered", "rejected", "2026-11-20T10:40:14Z", {"client_ip": "10.1.0.2", "client_port": 58698},
    ),
    Sample(
        '10.1.0.2:54126 [2026-11-20T19:26:05+09:00] "GET /report HTTP/1.1" 502 157 10.2.0.2:8080',
        "gateway_error", "request", "2026-11-20T10:26:05Z", {"client_ip": "10.1.0.2", "client_port": 54126, "server_ip": None},
    ),
    Sample(
        '2001:db8::5 - shop [20/Nov/2026:07:39:49 +0000] "GET / HT" 408 0 "-" "-"',
        "request_timeout", "local_timeout", None, {"client_ip": "2001:db8::5", "client_port": None, "user": None},
    ),
)  # fmt: skip

FORMAT = LogFormat(
    id="nginx_access",
    title="nginx access log (combined, or one that begins like it)",
    reference="https://nginx.org/en/docs/http/ngx_http_log_module.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("nginx",),
)
