"""Go programs: what the net and net/http packages and the SQL drivers say of a broken connection. `read tcp a->b` names both ends.

Lives here: the format. Of the two ends the writer's own comes first; which of them is the server is read from their ports.
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, LogFormat, all_samples, end, told, usual_head

_TO = rf"(?:dial tcp )(?:\S{{1,60}}->)?{end('server')}"
TOLD = (
    told("closed", "closed_locally", r"use of closed network connection", ("use of closed network connection",), "the program used a connection that it had closed itself",
         {"read tcp 127.0.0.1:44608->127.0.0.1:9106: use of closed network connection": {"client_port": 44608, "server_port": 9106}}, verified="lab"),
    told("dial_refused", "refused", rf"{_TO}: connect(?:ex)?: (?:connection refused|No connection could be made)", ("connect: connection refused", "connectex: No connection could be made"), "a reset answered the client's SYN",
         {'Get "http://127.0.0.1:9199/x": dial tcp 127.0.0.1:9199: connect: connection refused': {"server_ip": "127.0.0.1", "server_port": 9199, "writer": "client"},
          "dial tcp [2001:db8::2]:5432: connectex: No connection could be made because the target machine actively refused it.": {"server_ip": "2001:db8::2", "server_port": 5432}}, writer="client", verified="lab"),
    told("dial_unreachable", "unreachable", rf"{_TO}: connect: (?:no route to host|network is unreachable)", ("connect: no route to host", "connect: network is unreachable"), "the network said that there is no way to the server",
         {"dial tcp 10.255.255.1:80: connect: no route to host": {"server_ip": "10.255.255.1"}, "dial tcp 10.255.255.1:80: connect: network is unreachable": {}}, writer="client", verified="lab"),
    told("dial_timeout", "timed_out", rf"{_TO}: (?:i/o timeout|connect: (?:connection|operation) timed out)", ("i/o timeout", "connect: connection timed out", "connect: operation timed out"), "no answer came to the client's SYN",
         {"dial tcp 10.255.255.1:80: i/o timeout": {"server_ip": "10.255.255.1", "server_port": 80}, "dial tcp 10.255.255.1:80: connect: connection timed out": {}}, writer="client", verified="lab"),
    told("own_timeout", "local_timeout", r"i/o timeout", ("i/o timeout",), "a deadline that the program had set expired",
         {"read tcp 127.0.0.1:44596->127.0.0.1:9106: i/o timeout": {"client_port": 44596}}, verified="lab"),
    told("deadline", "local_timeout", r"context deadline exceeded|Client\.Timeout exceeded|net/http: timeout awaiting response headers", ("context deadline exceeded", "Client.Timeout exceeded", "timeout awaiting response headers"),
         "the program gave up waiting; it then closes the connection, and a late answer meets a reset",
         {'Get "http://127.0.0.1:9106/x": context deadline exceeded (Client.Timeout exceeded while awaiting headers)': {}, 'Get "http://127.0.0.1:9106/x": net/http: timeout awaiting response headers': {}}, verified="lab"),
    told("cancelled", "local_timeout", r"context canceled|net/http: request canceled", ("context canceled", "net/http: request canceled"),
         "the program gave its request up; it then closes the connection, and a late answer meets a reset",
         {'Get "http://127.0.0.1:9106/x": context canceled': {}, 'Get "http://127.0.0.1:9106/x": net/http: request canceled': {}}, verified="lab"),
    told("tls_handshake", BY_ERROR, rf"http: TLS handshake error from {end('client')}: (?P<error>.{{1,200}})", ("http: TLS handshake error from ",), "the server's TLS handshake with this client failed",
         {"http: TLS handshake error from 192.0.2.10:42014: read tcp 10.0.0.2:443->192.0.2.10:42014: read: connection reset by peer": {"event": "reset_received", "client_ip": "192.0.2.10", "client_port": 42014},
          "http: TLS handshake error from 127.0.0.1:42014: EOF": {"event": "protocol_error", "client_port": 42014},
          "http: TLS handshake error from 192.0.2.10:42014: remote error: tls: unknown certificate": {"event": "protocol_error", "writer": "server"}}, writer="server", verified="lab", unknown_error="protocol_error"),
    told("socket_error", BY_ERROR, r"\b(?:read|write|readfrom|writeto|splice|close|set) tcp[46]? ?\S{9,120}: (?P<error>.{1,300})",
         ("read tcp ", "write tcp ", "readfrom tcp ", "splice tcp ", "read tcp4 ", "write tcp4 ", "read tcp6 ", "write tcp6 "), "a socket of the program failed",
         {"read tcp 10.0.0.1:43040->10.0.0.2:9101: read: connection reset by peer": {"event": "reset_received", "client_ip": "10.0.0.1", "client_port": 43040, "server_ip": "10.0.0.2", "server_port": 9101, "writer": "client"},
          "write tcp 10.0.0.2:9101->10.0.0.1:43040: write: broken pipe": {"event": "broken_pipe", "client_ip": "10.0.0.1", "client_port": 43040, "server_ip": "10.0.0.2", "server_port": 9101, "writer": "server"},
          'Post "http://127.0.0.1:9107/x": readfrom tcp 127.0.0.1:51116->127.0.0.1:9107: write tcp 127.0.0.1:51116->127.0.0.1:9107: write: connection reset by peer': {"event": "reset_received", "client_port": 51116},
          "read tcp 10.0.0.1:43040->10.0.0.2:9101: wsarecv: An existing connection was forcibly closed by the remote host.": {"event": "reset_received"},
          "read tcp 10.0.0.1:44596->10.0.0.2:9106: read: connection timed out": {"event": "timed_out"}}, verified="lab"),
    told("idle_closed", "reset_or_eof", r"http: server closed idle connection|http2: server sent GOAWAY and closed the connection|http2: client connection lost",
         ("http: server closed idle connection", "http2: server sent GOAWAY and closed", "http2: client connection lost"), "the client found a connection gone that it wanted to use again",
         {"http: server closed idle connection": {}, 'http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=""': {}, "http2: client connection lost": {}}, writer="client", verified="unverified"),
    told("driver", "reset_or_eof", r"driver: bad connection|: conn closed\b", ("driver: bad connection", ": conn closed"), "the Go driver, the client, dropped a broken connection",
         {"driver: bad connection": {}, "query failed: conn closed": {}}, writer="client", verified="unverified"),
    told("end", "reset_or_eof", r'(?:(?:Get|Post|Put|Delete|Head|Patch|Options) "[^"]{1,2000}"|http: proxy error): (?:unexpected )?EOF\b|(?:^|: )unexpected EOF\b', ('": EOF', '": unexpected EOF', "proxy error: EOF", "unexpected EOF"),
         "the stream ended early", {'Get "http://127.0.0.1:9104/x": EOF': {}, "http: proxy error: EOF": {}, "copy failed: unexpected EOF": {}, 'Get "http://127.0.0.1:9104/x": unexpected EOF': {}}, verified="lab"),
)  # fmt: skip

FORMAT = LogFormat(
    id="go",
    title="Go: log, slog, zap and others; net, net/http, the SQL drivers",
    reference="https://pkg.go.dev/net#OpError",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024/05/01 12:00:00 ", "2024-05-01T12:00:00Z"),
    head=usual_head,
    anchored=False,
    rank=5,
)
