"""Traefik's log: version 3 as its console prints it (zerolog), version 2 as logfmt (logrus).

Lives here: the format. The errors are Go's, with both ends of a connection. In JSON the same words stand in fields.
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, LogFormat, all_samples, told, usual_head

_AT = "DBG github.com/traefik/traefik/v3/pkg/"
TOLD = (
    told("gateway_timeout", "local_timeout", r"504 Gateway Timeout", ("504 Gateway Timeout",), "the upstream did not answer Traefik, here the client, in time",
         {_AT + 'proxy/httputil/proxy.go:121 > 504 Gateway Timeout error="dial tcp 10.0.0.20:8080: i/o timeout"': {"server_ip": "10.0.0.20"}}, writer="client"),
    told("bad_gateway", BY_ERROR, r"502 Bad Gateway'?(?:.{0,60}?error=| caused by: )\"?(?P<error>.{1,300})", ("502 Bad Gateway",), "Traefik, here the client, lost its upstream",
         {_AT + 'proxy/httputil/proxy.go:121 > 502 Bad Gateway error="read tcp 10.0.0.2:41234->10.0.0.20:8080: read: connection reset by peer"': {"event": "reset_received", "client_port": 41234, "server_ip": "10.0.0.20", "server_port": 8080},
          _AT + "proxy/httputil/proxy.go:121 > 502 Bad Gateway error=EOF": {"event": "reset_or_eof"}}, writer="client", unknown_error="reset_or_eof"),
    told("client_left", "reset_or_eof", r"499 Client Closed Request", ("499 Client Closed Request",), "Traefik found its client gone before the answer",
         {_AT + 'proxy/httputil/proxy.go:121 > 499 Client Closed Request error="context canceled"': {"writer": "server"}}, writer="server"),
    told("half_closed", "closed_locally", r"Error while terminating (?:TCP )?connection", ("Error while terminating ",), "Traefik wanted to end a connection that was already closed",
         {_AT + 'tcp/proxy.go:89 > Error while terminating TCP connection error="close tcp 10.0.0.2:443->192.0.2.10:51234: use of closed network connection"': {}}),
    told("tcp", BY_ERROR, r"Error (?:while handling TCP connection|during connection)(?:: |.{0,60}?error=\"?)(?P<error>.{1,300})", ("Error while handling TCP connection", "Error during connection"), "a connection that Traefik relays failed, on one of its two sides",
         {"ERR github.com/traefik/traefik/v3/pkg/tcp/proxy.go:58 > Error while handling TCP connection error=\"readfrom tcp 10.0.0.2:443->192.0.2.10:51234: splice: connection reset by peer\"": {"event": "reset_received", "client_ip": "192.0.2.10", "client_port": 51234, "server_port": 443, "writer": "server"}}, unknown_error="reset_or_eof"),
    told("dial", BY_ERROR, r"Error while (?:dialing|connecting to) backend(?:: |.{0,60}?error=\"?)(?P<error>.{1,300})", ("Error while dialing backend", "Error while connecting to backend"), "Traefik, here the client, could not open a connection to its upstream",
         {'ERR github.com/traefik/traefik/v3/pkg/tcp/proxy.go:39 > Error while dialing backend error="dial tcp 10.0.0.20:5432: connect: connection refused"': {"event": "refused", "server_ip": "10.0.0.20", "server_port": 5432}}, writer="client", unknown_error="connect_failed"),
)  # fmt: skip

FORMAT = LogFormat(
    id="traefik",
    title="Traefik",
    reference="https://doc.traefik.io/traefik/observability/logs/",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01T12:00:00Z ", "2024-05-01T12:00:00Z"),
    head=usual_head,
    anchored=False,
    rank=4,
)
