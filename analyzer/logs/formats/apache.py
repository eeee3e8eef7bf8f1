"""Apache httpd's error log, and the one letter of its access log that tells of a connection.

Lives here: the format. The error log prints the system's error number in front, `(104)`, or one of the portable runtime's own: 70007 a timer,
70008 and 70014 an end of stream, 20014 an end of stream for the proxy. `[client …]` is the client with its port; the backend of a proxied
request stands in the message. In the access log, `%X` at the end of a line is `X` where the connection was gone before the answer was out.
Never here: status codes, which a backend can have answered as well.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, Leg, LogFormat, Message, Sample, Verified, Writer, end

_ERROR_LOG = re.compile(
    r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{6})? \d{4}\] \[(?:\w{0,40}:)?(?P<level>emerg|alert|crit|error|warn|notice|info|debug|trace\d)\] "
    r"(?:\[pid \d{1,10}(?::tid \d{1,20})?\] )?(?:\S{1,80}\(\d{1,6}\): )?"
)
_ACCESS_LOG = re.compile(
    r"(?P<ip>[0-9A-Fa-f.:]{2,45}) \S{1,200} \S{1,200} \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
)
_CLIENT = re.compile(rf"\[(?:client|remote) {end('client')}\] ")
_LEVELS = {"warn": "WARNING", "crit": "CRITICAL", "emerg": "EMERGENCY"}


def head(text: str) -> Head | None:
    """The message begins with the error number, where there is one."""
    found = _ERROR_LOG.match(text)
    if found is None:
        access = _ACCESS_LOG.match(text)
        return Head(body=access.end(), client_ip=access["ip"]) if access else None
    client = _CLIENT.search(text, found.end(), found.end() + 600)
    return Head(
        body=found.end(), exclusive=" AH0" in text[: found.end() + 700], severity=_LEVELS.get(found["level"], found["level"].upper()),
        client_ip=client["client_ip"] if client else None, client_port=int(client["client_port"]) if client else None,
    )  # fmt: skip


_AT = r"(?:\[(?:client|remote) [^\]]{1,80}\] )?"
_SYSTEM = r"\((?P<error>(?:OS )?\d{1,5}\)[^:]{1,300}): "
_EOF, _TIMER = r"\((?:20014|70014|70008)\)[^:]{1,300}: ", r"\(70007\)[^:]{1,300}: "
_BACKEND = r"(?P<server_name>[^:\s]{1,255}|\[[0-9A-Fa-f:.]{2,45}\]):(?P<server_port>\d{1,5})"


def _three(id: str, code: str, words: str, doing: str, verified: Verified, leg: Leg) -> tuple[Message, ...]:
    """What one message means with a timer's number, an end of stream's, and the system's error in front."""
    writer: Writer = "client" if leg == "server" else "server"
    who = "the backend" if leg == "server" else "the client"
    meanings = (
        ("timeout", "local_timeout", _TIMER, f"{doing}, httpd's own timer expired, and it closes"),
        ("end", "unexpected_end", _EOF, f"{doing}, {who} ended the stream: a FIN, not a reset"),
        ("failed", BY_ERROR, _SYSTEM, f"{doing} failed"),
    )
    return tuple(
        Message(
            f"{id}_{name}", event, f"{front}{_AT}{code}: {words}", (f"{code}: ",), proves, writer, verified, leg=leg
        )
        for name, event, front, proves in meanings
    )


MESSAGES = (
    *_three("status_line", "AH01102", rf"error reading status line from remote server {_BACKEND}", "reading the backend's status line", "lab", "server"),
    *_three("response", "AH01110", r"(?:Network )?error reading response", "reading the backend's answer", "lab", "server"),
    *_three("request_body", "AH01084", rf"pass request body failed to {_BACKEND}", "sending the request's body to the backend", "lab", "server"),
    *_three("prefetch", "AH01095", r"prefetch request body failed", "reading the request's body from the client", "lab", "client"),
    *_three("tls_write", "AH01993", r"SSL output filter write failed", "sending to the client", "lab", "client"),
    *_three("tls_read", "AH01991", r"SSL input filter read failed", "reading from the client", "source", "client"),
    *_three("ajp", "AH00878", rf"read response failed from {_BACKEND}", "reading the backend's answer", "source", "server"),
    Message(
        "backend_connect", BY_ERROR, rf"{_SYSTEM}{_AT}AH00957: \w{{1,20}}: attempt to connect to {end('server')}", ("AH00957: ",), "httpd could not connect to the backend",
        "client", "lab", unknown_error="connect_failed", leg="server",
    ),
    Message(
        "backend_unreachable", "detail", rf"{_AT}AH01114: HTTP: failed to make connection to backend", ("AH01114: ",),
        "httpd could not connect to the backend; the entry before this one says why", "client", "lab", leg="server",
    ),
    Message(
        "backend_failed", "detail", rf"{_AT}AH00898: .{{1,300}}? returned by ", ("AH00898: ",), "httpd answered the client with an error; the entry before this one says why",
        "client", "lab", leg="server",
    ),
    Message(
        "body_not_passed", "detail", rf"{_AT}AH01097: pass request body failed", ("AH01097: ",), "follows another entry about the same request", "client", "lab", leg="server",
    ),
    Message(
        "request_timeout", "local_timeout", rf"{_AT}AH01382: Request (?:header|body|handshake) read timeout", ("AH01382: ",),
        "httpd's own timer (mod_reqtimeout) expired before the request was there, and it closes", "server", "lab",
    ),
    Message(
        "tls_stopped", "unexpected_end", rf"(?:\(\d{{1,5}}\)[^:]{{1,300}}: )?{_AT}AH02006: SSL handshake stopped", ("AH02006: ",),
        "the client ended its stream during the TLS handshake: a FIN, not a reset", "server", "lab",
    ),
    Message(
        "tls_abortive", "reset_or_eof", rf"{_AT}AH01998: Connection closed to child \d{{1,10}} with abortive shutdown", ("AH01998: ",),
        "the TLS session ended without a close_notify; whether by FIN or by reset it does not say", "server", "lab",
    ),
    Message(
        "tls_failed", "protocol_error", rf"{_AT}AH02008: SSL library error \d{{1,10}} in handshake", ("AH02008: ",), "the TLS handshake with this client failed", "server", "source",
    ),
    Message(
        "plain_http", "protocol_error", rf"{_AT}AH01996: SSL handshake failed: HTTP spoken on HTTPS port", ("AH01996: ",), "the client spoke plain HTTP where TLS was expected", "server", "lab",
    ),
    Message(
        "write_failed", BY_ERROR, rf"{_SYSTEM}{_AT}(?:AH\d{{5}}: )?core_output_filter: writing data to the network", ("core_output_filter: writing data",),
        "sending to this client failed", "server", "source",
    ),
    Message(
        "aborted", "reset_or_eof", r'"(?:[^"\\]|\\.){0,16000}" \d{3} (?:\d{1,20}|-)(?: .{0,4000})? X$', tuple(f"{digit} X\n" for digit in "0123456789-"),
        "the client's connection was gone before the answer was out (%X); whether by FIN or by reset it does not say", "server", "lab",
    ),
)  # fmt: skip

_HTTP, _SSL = (
    "[Fri Nov 20 07:44:02.999431 2026] [proxy_http:error] [pid 14012:tid 14044] ",
    "[Fri Nov 20 07:44:31.231504 2026] [ssl:info] [pid 14014:tid 14034] ",
)
_RESET, _PIPE, _PARTIAL = (
    "(104)Connection reset by peer: ",
    "(32)Broken pipe: ",
    "(70008)Partial results are valid but processing is incomplete: ",
)
_INTERNAL, _EXPIRED = (
    "(20014)Internal error (specific information not available): ",
    "(70007)The timeout specified has expired: ",
)
_C = "[client 127.0.0.1:55390] "
_LINE, _RESPONSE, _BODY = (
    "AH01102: error reading status line from remote server 127.0.0.1:9101",
    "AH01110: error reading response",
    "AH01084: pass request body failed to 127.0.0.1:9107 (127.0.0.1)",
)
_PREFETCH, _WRITE, _READ = (
    "AH01095: prefetch request body failed to 127.0.0.1:9109 (127.0.0.1) from 127.0.0.1 ()",
    "AH01993: SSL output filter write failed.",
    "AH01991: SSL input filter read failed.",
)
_AJP = "AH00878: read response failed from 192.0.2.20:8009 (app1:8009)"
_TO, _FROM = (
    {"server_ip": "127.0.0.1", "server_port": 9101, "client_ip": None, "writer": "client"},
    {"client_ip": "127.0.0.1", "client_port": 55390, "server_ip": None, "writer": "server"},
)
SAMPLES = (
    Sample(
        _HTTP + _RESET + _C + _LINE, "status_line_failed", "reset_received", "2026-11-20T07:44:02.999431Z",
        _TO | {"severity": "ERROR", "resolution": 1e-06, "zone": "unknown", "pid": None},
    ),
    Sample(_HTTP + _INTERNAL + _C + _LINE, "status_line_end", "unexpected_end", None, _TO),
    Sample(_HTTP + _EXPIRED + _C + _LINE, "status_line_timeout", "local_timeout", None, _TO),
    Sample(_HTTP + _RESET + _C + _RESPONSE, "response_failed", "reset_received", None, {"client_ip": None}),
    Sample(_HTTP + _RESET + _C + "AH01110: Network error reading response", "response_failed", "reset_received"),
    Sample(_HTTP + _PARTIAL + _C + _RESPONSE, "response_end", "unexpected_end"),
    Sample(_HTTP + _EXPIRED + _C + _RESPONSE, "response_timeout", "local_timeout"),
    Sample(_HTTP + _RESET + _C + _BODY, "request_body_failed", "reset_received", None, {"server_port": 9107}),
    Sample(_HTTP + _PARTIAL + _C + _BODY, "request_body_end", "unexpected_end"),
    Sample(_HTTP + _EXPIRED + _C + _BODY, "request_body_timeout", "local_timeout"),
    Sample(_HTTP + _RESET + _C + _PREFETCH, "prefetch_failed", "reset_received", None, _FROM),
    Sample(_HTTP + _PARTIAL + _C + _PREFETCH, "prefetch_end", "unexpected_end", None, _FROM),
    Sample(_HTTP + _EXPIRED + _C + _PREFETCH, "prefetch_timeout", "local_timeout", None, _FROM),
    Sample(_SSL + _RESET + _C + _WRITE, "tls_write_failed", "reset_received", None, _FROM),
    Sample(_SSL + _PIPE + _C + _WRITE, "tls_write_failed", "broken_pipe", None, _FROM),
    Sample(_SSL + _PARTIAL + _C + _WRITE, "tls_write_end", "unexpected_end"),
    Sample(_SSL + _EXPIRED + _C + _WRITE, "tls_write_timeout", "local_timeout"),
    Sample(_SSL + _EXPIRED + _C + _READ, "tls_read_timeout", "local_timeout"),
    Sample(_SSL + _PARTIAL + _C + _READ, "tls_read_end", "unexpected_end"),
    Sample(_SSL + _RESET + _C + _READ, "tls_read_failed", "reset_received"),
    Sample(_HTTP + _RESET + _C + _AJP, "ajp_failed", "reset_received", None, {"server_ip": "192.0.2.20", "server_port": 8009}),
    Sample(_HTTP + _PARTIAL + _C + _AJP, "ajp_end", "unexpected_end"),
    Sample(_HTTP + _EXPIRED + _C + _AJP, "ajp_timeout", "local_timeout"),
    Sample(
        "[Fri Nov 20 07:44:04.307181 2026] [proxy:error] [pid 14014:tid 14019] (111)Connection refused: AH00957: http: attempt to connect to 127.0.0.1:9199 (127.0.0.1:9199) failed",
        "backend_connect", "refused", "2026-11-20T07:44:04.307181Z", {"server_port": 9199, "client_ip": None, "writer": "client"},
    ),
    Sample(_HTTP + _C + "AH01114: HTTP: failed to make connection to backend: 127.0.0.1", "backend_unreachable", "detail"),
    Sample(_HTTP + _C + "AH00898: Error reading from remote server returned by /a", "backend_failed", "detail"),
    Sample(_HTTP + _C + "AH01097: pass request body failed to 127.0.0.1:9107 (127.0.0.1) from 127.0.0.1 ()", "body_not_passed", "detail"),
    Sample("[Fri Nov 20 07:44:22.944196 2026] [reqtimeout:info] [pid 14014:tid 14029] [client 127.0.0.1:55390] AH01382: Request header read timeout", "request_timeout", "local_timeout", None, _FROM),
    Sample(_SSL + "(70014)End of file found: " + _C + "AH02006: SSL handshake stopped: connection was closed", "tls_stopped", "unexpected_end", None, _FROM),
    Sample(_SSL + _C + "AH01998: Connection closed to child 202 with abortive shutdown (server localhost:9501)", "tls_abortive", "reset_or_eof", None, _FROM),
    Sample(_SSL + _C + "AH02008: SSL library error 1 in handshake (server example.com:443)", "tls_failed", "protocol_error", None, _FROM),
    Sample(_SSL + _C + "AH01996: SSL handshake failed: HTTP spoken on HTTPS port; trying to send HTML error page", "plain_http", "protocol_error", None, _FROM),
    Sample(
        "[Wed May 01 12:00:00.123456 2024] [core:trace1] [pid 21643:tid 21650] core_filters.c(526): (104)Connection reset by peer: [client 192.0.2.10:51234] core_output_filter: writing data to the network",
        "write_failed", "reset_received", "2024-05-01T12:00:00.123456Z", {"client_ip": "192.0.2.10", "client_port": 51234},
    ),
    Sample(
        '127.0.0.1 - - [20/Nov/2026:07:44:08 +0000] "GET /s HTTP/1.1" 200 3016384 X\n', "aborted", "reset_or_eof", "2026-11-20T07:44:08Z",
        {"client_ip": "127.0.0.1", "client_port": None, "zone": "printed"},
    ),
)  # fmt: skip

FORMAT = LogFormat(
    id="apache",
    title="Apache httpd error log (and access log with %X)",
    reference="https://httpd.apache.org/docs/2.4/logs.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("apache2", "httpd"),
)
