"""uWSGI's log.

Lives here: the format. Some of its lines carry no time; then only what collected them can give it.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, all_samples, told

_HEAD = re.compile(r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} - )?")


def head(text: str) -> Head | None:
    """`Fri Nov 20 07:58:47 2026 - `, or nothing."""
    found = _HEAD.match(text)
    return Head(body=found.end()) if found else None


_IP = r"(?P<client_ip>[0-9A-Fa-f:.]{2,45})"
TOLD = (
    told("response", BY_ERROR, rf"uwsgi_response_\w{{1,60}}\(\): (?P<error>.{{1,60}}?) \[[^\]]{{1,80}} line \d{{1,6}}\] during \S{{1,20}} \S{{1,2000}} \({_IP}\)", ("uwsgi_response_",), "writing the answer to this client failed",
         {"uwsgi_response_write_body_do(): Connection reset by peer [core/writer.c line 429] during GET /big (127.0.0.1)": {"event": "reset_received", "client_ip": "127.0.0.1"}, "uwsgi_response_write_body_do(): Broken pipe [core/writer.c line 341] during GET /slow (127.0.0.1)": {"event": "broken_pipe"}}, writer="server", verified="lab"),
    told("sigpipe", "broken_pipe", rf"SIGPIPE: writing to a closed pipe/socket/fd(?: \(probably the client disconnected\))?(?: on request \S{{1,2000}} \(ip {_IP}\))?", ("SIGPIPE: writing to a closed pipe",), "the server wrote to a connection that its client had already closed or reset",
         {"SIGPIPE: writing to a closed pipe/socket/fd (probably the client disconnected) on request /slow (ip 127.0.0.1) !!!": {"client_ip": "127.0.0.1"}}, writer="server", verified="lab"),
    told("body", BY_ERROR, r"\[uwsgi-body-read\] Error reading \d{1,15} bytes\. .{0,200}?message: (?P<error>.{1,100})", ("[uwsgi-body-read] Error reading",), "the client's request was cut off",
         {"[uwsgi-body-read] Error reading 997 bytes. Content-Length: 1000 consumed: 3 left: 997 message: Connection reset by peer": {"event": "reset_received"}, "[uwsgi-body-read] Error reading 997 bytes. Content-Length: 1000 consumed: 3 left: 997 message: Client closed connection": {"event": "unexpected_end"}}, writer="server", verified="lab", unknown_error="unexpected_end"),
    told("request_reset", "reset_received", r"uwsgi_proto_\w{1,20}_parser\(\): Connection reset by peer", ("uwsgi_proto_",), "the server's kernel had received a reset while the request came in", {"uwsgi_proto_http_parser(): Connection reset by peer [proto/http.c line 463]": {}}, writer="server", verified="lab"),
    told("request_end", "unexpected_end", r"uwsgi_proto_\w{1,20}_parser\(\) -> client closed connection", ("uwsgi_proto_",), "the client ended the stream before its request was whole", {"uwsgi_proto_http_parser() -> client closed connection": {}}, writer="server", verified="lab"),
    told("write_error", "reset_or_eof", r"(?:OS|IO)Error: write error", ("OSError: write error", "IOError: write error"), "the application wrote after its client had gone; the line beside it says how", {"OSError: write error": {}, "IOError: write error": {}}, writer="server", verified="lab"),
    told("harakiri", "local_timeout", r"\*{3} HARAKIRI (?:ON WORKER|TRIGGERED)|HARAKIRI (?:triggered by worker|!!!)", ("HARAKIRI ",), "a request took longer than --harakiri: the worker is killed and its connection drops", {"*** HARAKIRI ON WORKER 2 (pid: 32630, try: 1, graceful: yes) ***": {}}, writer="server", verified="lab"),
)  # fmt: skip

FORMAT = LogFormat(
    id="uwsgi",
    title="uWSGI",
    reference="https://uwsgi-docs.readthedocs.io/en/latest/Logging.html",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "Fri Nov 20 07:58:47 2026 - ", "2026-11-20T07:58:47Z"),
    head=head,
    anchored=True,
    programs=("uwsgi",),
)
