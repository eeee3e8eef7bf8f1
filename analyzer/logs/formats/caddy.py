"""Caddy's log: JSON lines of its loggers `http.log.error`, `http.log.access` and `http.handlers.reverse_proxy`.

Lives here: the format. The message of an error is Go's, with both ends of the connection to the upstream; the request names the client.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Told, all_samples, end, told

_LOGGER = re.compile(r'\{"level":"(?P<level>[a-z]{4,6})","ts":[^,]{1,40},"logger":"http\.')


def head(text: str) -> Head | None:
    """A line of one of Caddy's HTTP loggers."""
    found = _LOGGER.match(text)
    return Head(body=0, exclusive=True, severity=found["level"].upper()) if found else None


_CLIENT = r'(?:"client_ip"|"remote_ip"):"(?P<client_ip>[^"]{2,45})","remote_port":"(?P<client_port>\d{1,5})"'
_REQUEST = '"request":{"remote_ip":"192.0.2.10","remote_port":"51234","client_ip":"192.0.2.10","proto":"HTTP/1.1","method":"GET","host":"example.com","uri":"/"}'
_UPSTREAM = {
    "client_ip": "10.0.0.2",
    "client_port": 41234,
    "server_ip": "10.0.0.20",
    "server_port": 8080,
    "writer": "client",
}


def _error(text: str) -> str:
    return f'{{"level":"error","ts":1714564800.1234567,"logger":"http.log.error","msg":"{text}",{_REQUEST},"duration":0.0012,"status":502}}'


TOLD: tuple[Told, ...] = (
    told("upstream_refused", BY_ERROR, rf'.{{0,200}}"msg":"dial tcp {end("server")}: (?P<error>[^"]{{1,200}})"', ("dial tcp ",), "the SYN of Caddy, here the client, to its upstream was not answered with a connection",
         {_error("dial tcp 10.0.0.20:8080: connect: connection refused"): {"event": "refused", "server_ip": "10.0.0.20", "server_port": 8080, "writer": "client"}}, writer="client"),
    told("upstream_broken", BY_ERROR, rf'.{{0,200}}"msg":"(?:read|write) tcp {end("local")}->{end("remote")}: (?P<error>[^"]{{1,200}})"', ('"msg":"read tcp ', '"msg":"write tcp '), "the connection of Caddy, here the client, to its upstream failed",
         {_error("read tcp 10.0.0.2:41234->10.0.0.20:8080: read: connection reset by peer"): {"event": "reset_received", **_UPSTREAM}}, writer="client", unknown_error="reset_or_eof"),
    told("upstream_end", "reset_or_eof", r'.{0,200}"msg":"(?:EOF|unexpected EOF)"', ('"msg":"EOF"', '"msg":"unexpected EOF"'), "Caddy, here the client, found its upstream gone before the answer",
         {_error("EOF"): {}, _error("unexpected EOF"): {}}, writer="client"),
    told("aborting", "reset_or_eof", r'.{0,200}"msg":"aborting with incomplete response"', ("aborting with incomplete response",), "Caddy, here the client, found its upstream gone within the answer, and cuts its own client off",
         {'{"level":"warn","ts":1714564800.1234567,"logger":"http.handlers.reverse_proxy","msg":"aborting with incomplete response","upstream":"10.0.0.20:8080","duration":0.0012,"request":{"remote_ip":"192.0.2.10"},"error":"reading: unexpected EOF"}': {}}, writer="client"),
    told("client_left", "reset_or_eof", rf'.{{0,400}}?{_CLIENT}.{{0,2000}}"status":499\b', ('"status":499',), "Caddy found its client gone before the answer",
         {f'{{"level":"error","ts":1714564800.1234567,"logger":"http.log.access","msg":"handled request",{_REQUEST},"bytes_read":0,"duration":1.2,"size":0,"status":499}}': {"client_ip": "192.0.2.10", "client_port": 51234, "writer": "server"}}, writer="server"),
)  # fmt: skip

FORMAT = LogFormat(
    id="caddy",
    title="Caddy",
    reference="https://caddyserver.com/docs/logging",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "", "2024-05-01T12:00:00.1234567Z"),
    head=head,
    anchored=True,
)
