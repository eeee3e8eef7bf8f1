"""nginx's error log, of its HTTP and its stream proxies.

Lives here: the format. nginx stands between two connections; which call failed, and while doing what, says of which one a line speaks. It
prints the system's error number, so it can tell a reset from an end of stream. An HTTP line names the client's address without its port
and the upstream with both; `*7` is nginx's number of the client's connection. Requests are in the line's text only.
Never here: the process id as an identity, since a worker serves many connections.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Message, Sample, end

_HEAD = re.compile(
    r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?P<level>debug|info|notice|warn|error|crit|alert|emerg)\] (?P<worker>\d{1,10})#\d{1,10}: (?:\*(?P<number>\d{1,20}) )?"
)
_CLIENT = re.compile(r", client: (?P<ip>[0-9A-Fa-f.:]{2,45})(?=,|$)")
_LEVELS = {"warn": "WARNING", "crit": "CRITICAL", "emerg": "EMERGENCY"}


def head(text: str) -> Head | None:
    """The session is the worker and its number of the client's connection."""
    found = _HEAD.match(text)
    if found is None:
        return None
    client = _CLIENT.search(text, found.end())
    return Head(
        body=found.end(), severity=_LEVELS.get(found["level"], found["level"].upper()),
        session=f"{found['worker']}*{found['number']}" if found["number"] else None, client_ip=client["ip"] if client else None,
    )  # fmt: skip


_ERROR = r"\((?P<error>\d{1,5}: [^)]{1,200})\)"
_UPSTREAM = rf'(?=.{{0,8000}}, upstream: "(?:\w{{1,12}}://)?{end("server")}|)'
_READING = r"while (?:reading response header from upstream|reading upstream|proxying and reading from upstream)"
_RECEIVE, _SEND = r"(?:recv|readv|recvmsg|SSL_read)\(\)", r"(?:send|sendmsg|writev|sendfile|sendfile64|SSL_write)\(\)"
_FAILED = ("() failed (",)

MESSAGES = (
    # the connection to the upstream, whose client nginx is
    Message(
        "upstream_read", BY_ERROR, rf"{_RECEIVE} failed {_ERROR} {_READING}{_UPSTREAM}", _FAILED,
        "reading from the upstream failed", "client", "lab", leg="server",
    ),
    Message(
        "upstream_write", BY_ERROR, rf"{_SEND} failed {_ERROR} while sending request to upstream{_UPSTREAM}", _FAILED,
        "sending the request to the upstream failed", "client", "source", leg="server",
    ),
    Message(
        "upstream_connect", BY_ERROR, rf"connect\(\) (?:to \S{{1,300}} )?failed {_ERROR}.{{0,100}}? while connecting to upstream{_UPSTREAM}", ("connect() ",),
        "nginx could not connect to the upstream", "client", "lab", unknown_error="connect_failed", leg="server",
    ),
    Message(
        "upstream_ended", "unexpected_end", rf"upstream prematurely closed (?:connection|stream|FastCGI stdout|FastCGI request|request)\b{_UPSTREAM}",
        ("upstream prematurely closed ",), "the upstream ended its stream before its answer was complete: a FIN, not a reset", "client", "lab", leg="server",
    ),
    Message(
        "upstream_timeout", "local_timeout", rf"upstream timed out \(\d{{2,5}}: [^)]{{1,200}}\){_UPSTREAM}", ("upstream timed out (",),
        "nginx's own timer gave the upstream up, and nginx closes that connection; the error number is nginx's own, not the kernel's",
        "client", "lab", leg="server",
    ),
    Message(
        "upstream_tls_reset", BY_ERROR, rf"peer closed connection in SSL handshake {_ERROR} while SSL handshaking to upstream{_UPSTREAM}",
        ("peer closed connection in SSL handshake",), "the upstream ended the TLS handshake", "client", "source", leg="server",
    ),
    Message(
        "upstream_tls_ended", "unexpected_end", rf"peer closed connection in SSL handshake while SSL handshaking to upstream{_UPSTREAM}",
        ("peer closed connection in SSL handshake",), "the upstream ended its stream during the TLS handshake", "client", "lab", leg="server",
    ),
    Message(
        "upstream_tls_failed", "protocol_error", rf"SSL_do_handshake\(\) failed \(SSL: .{{1,400}}?\) while SSL handshaking to upstream{_UPSTREAM}",
        ("SSL_do_handshake() failed (SSL: ",), "the TLS handshake with the upstream failed", "client", "third_party", leg="server",
    ),
    Message(
        "upstream_dropped", "closed", rf"(?:epoll_wait\(\) reported that )?client prematurely closed connection, so upstream connection is closed too{_UPSTREAM}",
        (", so upstream connection is closed too",), "nginx itself closed its connection to the upstream, because the client had gone",
        "client", "lab", leg="server",
    ),
    Message(
        "upstream_out", "detail", rf"(?:no live upstreams while connecting to upstream|upstream server temporarily disabled while ){_UPSTREAM}",
        ("no live upstreams while", "upstream server temporarily disabled"), "nginx leaves this upstream out for a while; nothing was sent to it",
        "client", "lab", leg="server",
    ),
    Message(
        "upstream_accepted", "opened", rf"(?:udp )?proxy {end('client')} connected to {end('server')}", (" connected to ",),
        "nginx opened this connection to the upstream, from this port", "client", "lab", leg="server",
    ),
    Message(
        "upstream_left", "closed", r"upstream disconnected, bytes from/to client:", ("upstream disconnected, bytes",),
        "the upstream ended the session first; whether by FIN or by reset an earlier line may say", "client", "lab", leg="server",
    ),
    Message(
        "not_bound", BY_ERROR, rf"bind\(\) to {end('server')} failed {_ERROR}", ("bind() to ",), "nginx could not listen on this address", "server", "lab", unknown_error=None,
    ),
    # the client's connection, whose server nginx is
    Message(
        "client_read", BY_ERROR, rf"{_RECEIVE} failed {_ERROR}(?! {_READING})", _FAILED, "reading from this client failed", "server", "lab",
    ),
    Message(
        "client_write", BY_ERROR, rf"{_SEND} failed {_ERROR}(?! while sending request to upstream)", _FAILED,
        "sending to this client failed, also where the line says that nginx was reading from the upstream", "server", "lab",
    ),
    Message(
        "client_gone_by_error", BY_ERROR,
        rf"(?:epoll_wait\(\) reported that )?client prematurely closed connection(?:, so upstream connection is closed too)? {_ERROR}",
        ("client prematurely closed connection",), "the client's connection ended before it had its answer", "server", "lab",
    ),
    Message(
        "client_gone", "reset_or_eof", r"(?:epoll_wait\(\) reported that )?client prematurely closed connection", ("client prematurely closed connection",),
        "the client's connection ended before it had its answer; without an error number usually by a FIN", "server", "lab",
    ),
    Message(
        "client_timeout", "local_timeout", r"client timed out \(\d{2,5}: ", ("client timed out (",),
        "nginx's own timer gave this client up, and nginx closes: with a reset where reset_timedout_connection is on", "server", "lab",
    ),
    Message(
        "keepalive_closed_by_error", BY_ERROR, rf"client (?P<client_ip>[0-9A-Fa-f.:]{{2,45}}) closed keepalive connection {_ERROR}",
        (" closed keepalive connection",), "the client's idle connection ended", "server", "lab",
    ),
    Message(
        "keepalive_closed", "closed", r"client (?P<client_ip>[0-9A-Fa-f.:]{2,45}) closed keepalive connection", (" closed keepalive connection",),
        "the client closed its idle connection, as it may", "server", "lab",
    ),
    Message(
        "nothing_asked", "closed", r"client closed connection while (?!.{0,200}upstream)", ("client closed connection while ",),
        "the client closed without having asked for anything, as a health check does", "server", "lab",
    ),
    Message(
        "client_tls_reset", BY_ERROR, rf"peer closed connection in SSL handshake {_ERROR} while SSL handshaking(?! to upstream)",
        ("peer closed connection in SSL handshake",), "the client ended the TLS handshake", "server", "lab",
    ),
    Message(
        "client_tls_ended", "unexpected_end", r"peer closed connection in SSL handshake while SSL handshaking(?! to upstream)",
        ("peer closed connection in SSL handshake",), "the client ended its stream during the TLS handshake", "server", "lab",
    ),
    Message(
        "client_tls_eof", "unexpected_end", r"SSL_do_handshake\(\) failed \(SSL: error:\w{8}:.{0,200}unexpected eof while reading\) while SSL handshaking(?! to upstream)",
        ("unexpected eof while reading) while SSL handshaking",), "the client ended its stream during the TLS handshake, without a close_notify", "server", "third_party",
    ),
    Message(
        "client_tls_failed", "protocol_error", r"SSL_do_handshake\(\) failed \(SSL: .{1,400}?\) while SSL handshaking(?! to upstream)",
        ("SSL_do_handshake() failed (SSL: ",), "the TLS handshake with this client failed", "server", "third_party",
    ),
    Message(
        "plain_http", "protocol_error", r"client sent plain HTTP request to HTTPS port", ("client sent plain HTTP request to HTTPS port",),
        "the client spoke plain HTTP where TLS was expected, and was answered 400", "server", "lab",
    ),
    Message(
        "too_large", "rejected", r"client intended to send too large (?:chunked )?body", ("client intended to send too large",),
        "nginx refused a request body that is larger than client_max_body_size, and did not read it", "server", "lab",
    ),
    Message(
        "limited", "rejected", r"limiting (?:requests, excess|connections by zone)", ("limiting requests, excess", "limiting connections by zone"),
        "nginx refused this request because the client's limit was used up", "server", "lab",
    ),
    Message(
        "client_accepted", "opened", rf"(?:udp )?client {end('client')} connected to {end('server')}", (" connected to ",),
        "nginx accepted this connection", "server", "lab",
    ),
    Message(
        "client_left", "closed", r"client disconnected, bytes from/to client:", ("client disconnected, bytes",),
        "the client ended the session first; whether by FIN or by reset an earlier line may say", "server", "lab",
    ),
    Message(
        "session_idle", "idle_timeout", r"connection timed out \(\d{2,5}: [^)]{1,200}\) while proxying connection", ("connection timed out (",),
        "nginx's own timer ended the session, in which neither side had sent anything for longer than proxy_timeout", "server", "lab",
    ),
)  # fmt: skip

_E = "2026/11/20 {} 11143#11143: "
_UP = ', client: 127.0.0.1, server: lab, request: "GET /a HTTP/1.1", upstream: "http://127.0.0.1:9101/", host: "lab"'
_DOWN = ', client: 127.0.0.1, server: lab, request: "GET /ok HTTP/1.1", host: "lab"'
_TCP = ', client: 127.0.0.1, server: 127.0.0.1:9302, upstream: "127.0.0.1:9102", bytes from/to client:5/0, bytes from/to upstream:0/5'
_SERVER = {"server_ip": "127.0.0.1", "server_port": 9101, "client_ip": None, "writer": "client"}
_HERE = {"client_ip": "127.0.0.1", "client_port": None, "server_ip": None, "writer": "server"}
_TOO = (
    _E.format("07:39:35 [info]")
    + "*20 epoll_wait() reported that client prematurely closed connection, so upstream connection is closed too (104: Connection reset by peer) while sending request to upstream"
    + _UP
)
SAMPLES = (
    Sample(
        "2026/11/20 15:47:59 [emerg] 18137#18137: bind() to 0.0.0.0:19001 failed (98: Address already in use)", "not_bound", "port_in_use", "2026-11-20T15:47:59Z",
        {"server_ip": None, "server_port": 19001, "client_port": None, "writer": "server"},
    ),
    Sample("2026/11/20 15:47:59 [emerg] 18137#18137: bind() to [::]:19001 failed (98: Address already in use)", "not_bound", "port_in_use", None, {"server_port": 19001}),
    Sample(
        _E.format("07:39:29 [error]") + "*1 recv() failed (104: Connection reset by peer) while reading response header from upstream" + _UP,
        "upstream_read", "reset_received", "2026-11-20T07:39:29Z", _SERVER | {"severity": "ERROR", "resolution": 1.0, "zone": "unknown", "pid": None},
    ),
    Sample(
        "2024/05/01 12:00:00 [error] 5533#5533: *72 readv() failed (104: Connection reset by peer) while reading upstream, client: 192.0.2.10, "
        'server: example.com, request: "GET /x HTTP/1.1", upstream: "http://[2001:db8::20]:8080/x", host: "example.com"',
        "upstream_read", "reset_received", "2024-05-01T12:00:00Z", {"server_ip": "2001:db8::20", "server_port": 8080},
    ),
    Sample(
        _E.format("07:39:58 [error]") + "*54 recv() failed (104: Connection reset by peer) while proxying and reading from upstream" + _TCP,
        "upstream_read", "reset_received", None, {"server_port": 9102, "client_ip": None},
    ),
    Sample(
        "2024/05/01 12:00:00 [error] 5533#5533: *72 writev() failed (32: Broken pipe) while sending request to upstream, client: 192.0.2.10, "
        'server: example.com, request: "POST /up HTTP/1.1", upstream: "http://192.0.2.20:8080/up", host: "example.com"',
        "upstream_write", "broken_pipe", None, {"server_ip": "192.0.2.20", "server_port": 8080},
    ),
    Sample(_E.format("07:39:30 [error]") + "*11 connect() failed (111: Connection refused) while connecting to upstream" + _UP, "upstream_connect", "refused", None, _SERVER),
    Sample(_E.format("07:39:30 [error]") + "*11 connect() failed (113: No route to host) while connecting to upstream" + _UP, "upstream_connect", "unreachable"),
    Sample(_E.format("07:39:30 [error]") + "*7 upstream prematurely closed connection while reading response header from upstream" + _UP, "upstream_ended", "unexpected_end", None, _SERVER),
    Sample(_E.format("07:39:33 [error]") + "*18 upstream timed out (110: Connection timed out) while reading response header from upstream" + _UP, "upstream_timeout", "local_timeout", None, _SERVER),
    Sample(_E.format("07:39:31 [error]") + "*16 peer closed connection in SSL handshake (104: Connection reset by peer) while SSL handshaking to upstream" + _UP, "upstream_tls_reset", "reset_received", None, _SERVER),
    Sample(_E.format("07:39:31 [error]") + "*16 peer closed connection in SSL handshake while SSL handshaking to upstream" + _UP, "upstream_tls_ended", "unexpected_end", None, _SERVER),
    Sample(_E.format("07:39:31 [error]") + "*16 SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number) while SSL handshaking to upstream" + _UP, "upstream_tls_failed", "protocol_error", None, _SERVER),
    Sample(_TOO, "upstream_dropped", "closed", None, _SERVER),
    Sample(_TOO, "client_gone_by_error", "reset_received", None, _HERE),
    Sample(_E.format("07:39:31 [warn]") + "*13 upstream server temporarily disabled while connecting to upstream" + _UP, "upstream_out", "detail"),
    Sample(_E.format("07:39:31 [error]") + "*13 no live upstreams while connecting to upstream" + _UP, "upstream_out", "detail"),
    Sample(
        _E.format("07:39:58 [info]") + "*54 proxy 127.0.0.1:52012 connected to 127.0.0.1:9102",
        "upstream_accepted", "opened", None, {"client_port": 52012, "server_port": 9102, "session": "11143*54 upstream", "writer": "client"},
    ),
    Sample(_E.format("07:39:58 [info]") + "*54 upstream disconnected, bytes from/to client:5/0, bytes from/to upstream:0/5", "upstream_left", "closed"),
    Sample(
        '2026/11/20 07:39:47 [info] 11143#11143: *34 recv() failed (104: Connection reset by peer) while reading client request line, client: 127.0.0.1, server: lab, request: "GET / HT"',
        "client_read", "reset_received", "2026-11-20T07:39:47Z", _HERE,
    ),
    Sample(_E.format("07:39:52 [info]") + "*40 recv() failed (104: Connection reset by peer)" + _DOWN, "client_read", "reset_received", None, _HERE),
    Sample(_E.format("07:40:00 [info]") + "*58 recv() failed (104: Connection reset by peer) while proxying and reading from client" + _TCP, "client_read", "reset_received", None, _HERE),
    Sample(_E.format("07:39:36 [info]") + "*24 writev() failed (104: Connection reset by peer) while reading upstream" + _UP, "client_write", "reset_received", None, _HERE),
    Sample(_E.format("07:39:36 [info]") + "*26 writev() failed (32: Broken pipe) while reading upstream" + _UP, "client_write", "broken_pipe", None, _HERE),
    Sample(_E.format("07:39:30 [info]") + "*5 epoll_wait() reported that client prematurely closed connection while sending response to client" + _DOWN, "client_gone", "reset_or_eof", None, _HERE),
    Sample(_E.format("07:39:40 [info]") + "*30 client timed out (110: Connection timed out) while sending response to client" + _DOWN, "client_timeout", "local_timeout", None, _HERE),
    Sample(_E.format("07:39:56 [info]") + "*45 client 127.0.0.1 closed keepalive connection (104: Connection reset by peer)", "keepalive_closed_by_error", "reset_received", None, _HERE),
    Sample(_E.format("07:39:29 [info]") + "*1 client 127.0.0.1 closed keepalive connection", "keepalive_closed", "closed", None, _HERE),
    Sample(_E.format("07:39:50 [info]") + "*38 client closed connection while waiting for request, client: 127.0.0.1, server: 127.0.0.1:9300", "nothing_asked", "closed", None, _HERE),
    Sample(_E.format("07:39:56 [info]") + "*47 peer closed connection in SSL handshake (104: Connection reset by peer) while SSL handshaking, client: 127.0.0.1, server: 127.0.0.1:9301", "client_tls_reset", "reset_received", None, _HERE),
    Sample(_E.format("07:39:57 [info]") + "*48 peer closed connection in SSL handshake while SSL handshaking, client: 127.0.0.1, server: 127.0.0.1:9301", "client_tls_ended", "unexpected_end", None, _HERE),
    Sample("2024/05/01 12:00:00 [crit] 5533#5533: *14 SSL_do_handshake() failed (SSL: error:0A000126:SSL routines::unexpected eof while reading) while SSL handshaking, client: 192.0.2.10, server: 0.0.0.0:443", "client_tls_eof", "unexpected_end", None, {"severity": "CRITICAL"}),
    Sample("2024/05/01 12:00:00 [info] 5533#5533: *14 SSL_do_handshake() failed (SSL: error:0A000416:SSL routines::ssl/tls alert certificate unknown:SSL alert number 46) while SSL handshaking, client: 192.0.2.10, server: 0.0.0.0:443", "client_tls_failed", "protocol_error"),
    Sample('2026/11/20 07:39:57 [info] 11143#11143: *49 client sent plain HTTP request to HTTPS port while reading client request headers, client: 127.0.0.1, server: labs, request: "GET / HTTP/1.0"', "plain_http", "protocol_error", None, _HERE),
    Sample('2026/11/20 18:45:36 [error] 532#532: *2 client intended to send too large body: 1000000 bytes, client: 10.1.0.2, server: , request: "POST /upload HTTP/1.1", host: "files"', "too_large", "rejected", None, {"client_ip": "10.1.0.2"}),
    Sample('2026/11/20 19:40:14 [error] 16514#16514: *22 limiting requests, excess: 5.320 by zone "shop", client: 10.1.0.2, server: , request: "GET /orders HTTP/1.1", host: "shop"', "limited", "rejected", None, {"client_ip": "10.1.0.2"}),
    Sample(
        _E.format("07:39:58 [info]") + "*54 client 127.0.0.1:48882 connected to 127.0.0.1:9302",
        "client_accepted", "opened", None, {"client_port": 48882, "server_port": 9302, "session": "11143*54", "writer": "server"},
    ),
    Sample(_E.format("07:40:00 [info]") + "*58 client disconnected, bytes from/to client:5/2000045, bytes from/to upstream:2000045/5", "client_left", "closed"),
    Sample(_E.format("07:40:01 [info]") + "*60 connection timed out (110: Connection timed out) while proxying connection" + _TCP, "session_idle", "idle_timeout", None, _HERE),
)  # fmt: skip

FORMAT = LogFormat(
    id="nginx_error",
    title="nginx error log",
    reference="https://nginx.org/en/docs/ngx_core_module.html#error_log",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("nginx",),
)
