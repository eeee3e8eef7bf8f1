"""stunnel's log.

Lives here: the format. `LOG5[12]` carries the level and the number of the session. stunnel stands between two connections, and its closing
line says "reset" for any end that was not orderly, so it argues for nothing; the system's error text stands in lines of its own.
Never here: process ids.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Message, Sample, end

_HEAD = re.compile(r"(?P<stamp>\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d )?LOG(?P<level>[0-7])\[(?P<session>[^\]]{1,20})\]: ")
_LEVELS = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")


def head(text: str) -> Head | None:
    """The session is stunnel's own number; its main thread and its timers are none."""
    found = _HEAD.match(text)
    if found is None:
        return None
    session = found["session"]
    return Head(
        body=found.end(), exclusive=True, severity=_LEVELS[int(found["level"])], session=session if session.isdigit() else None
    )  # fmt: skip


MESSAGES = (
    Message(
        "accepted", "opened", rf"Service \[[^\]]{{1,100}}\] accepted connection from {end('client')}", ("] accepted connection from ",),
        "stunnel accepted this connection", "server", "lab",
    ),
    Message(
        "connected", "opened", rf"Service \[[^\]]{{1,100}}\] connected remote server from {end('client')}", ("] connected remote server from ",),
        "stunnel opened this connection to the server behind it", "client", "lab", leg="server",
    ),
    Message(
        "not_connected", BY_ERROR, rf"s_connect: (?:connect )?{end('server')}: (?P<error>.{{1,200}})", ("s_connect: ",), "stunnel could not connect to the server behind it",
        "client", "lab", unknown_error="connect_failed", leg="server",
    ),
    Message(
        "tls_eof", "unexpected_end", r"SSL_accept: \S{1,200} error:[0-9A-F]{8}:.{0,200}unexpected eof while reading", ("unexpected eof while reading",),
        "the client ended its stream during the TLS handshake: a FIN, not a reset", "server", "lab",
    ),
    Message(
        "tls_broken", BY_ERROR, r"SSL_accept: (?P<error>[^():]{1,200}) \(\d{1,5}\)", ("SSL_accept: ",), "the client's connection failed during the TLS handshake", "server", "lab",
    ),
    Message(
        "tls_failed", "protocol_error", r"SSL_(?:accept|connect): (?:\S{1,200}: )?(?:error:)?[0-9A-F]{6,8}:", ("SSL_accept: ", "SSL_connect: "),
        "the TLS handshake failed", "server", "lab",
    ),
    Message(
        "tls_peer_closed", "unexpected_end", r"SSL_(?:accept|connect): Peer suddenly disconnected", ("Peer suddenly disconnected",),
        "the other end was gone before the TLS handshake was done", "unknown", "unverified",
    ),
    Message(
        "read_failed", BY_ERROR, r"(?:readsocket|writesocket|SSL_read|SSL_write|SSL_connect): (?P<error>[^()]{1,200}) \(\d{1,5}\)",
        ("readsocket: ", "writesocket: ", "SSL_read: ", "SSL_write: ", "SSL_connect: "), "reading or writing failed, on one of stunnel's two connections",
        "unknown", "unverified",
    ),
    Message("ended", "closed", r"Connection closed: \d{1,20} byte", ("Connection closed: ",), "this session ended in the normal way", "server", "lab"),
    Message(
        "ended_badly", "closed", r"Connection reset(?:/closed)?: \d{1,20} byte", ("Connection reset: ", "Connection reset/closed: "),
        "this session did not end in the normal way; stunnel says reset for every such end, also where it closes itself", "server", "lab",
    ),
)  # fmt: skip

_L = "2026.11.20 19:33:16 "
SAMPLES = (
    Sample(
        f"{_L}LOG5[0]: Service [shop] accepted connection from 10.1.0.2:55440", "accepted", "opened", "2026-11-20T19:33:16Z",
        {"client_ip": "10.1.0.2", "client_port": 55440, "session": "0", "severity": "NOTICE", "zone": "unknown", "resolution": 1.0, "pid": None},
    ),
    Sample(
        f"{_L}LOG5[0]: Service [shop] connected remote server from 127.0.0.1:37218", "connected", "opened", None,
        {"client_ip": "127.0.0.1", "client_port": 37218, "session": "0 upstream", "writer": "client"},
    ),
    Sample(f"{_L}LOG3[0]: s_connect: connect 127.0.0.1:80: Connection refused (111)", "not_connected", "refused", None, {"server_ip": "127.0.0.1", "server_port": 80}),
    Sample(f"{_L}LOG3[1]: SSL_accept: ../ssl/record/ssl3_record.c:341: error:0A00009C:SSL routines::http request", "tls_failed", "protocol_error", None, {"session": "1"}),
    Sample("2026.11.20 13:06:20 LOG3[1]: SSL_accept: ../ssl/record/rec_layer_s3.c:318: error:0A000126:SSL routines::unexpected eof while reading", "tls_eof", "unexpected_end"),
    Sample("2026.11.20 13:06:21 LOG3[2]: SSL_accept: Connection reset by peer (104)", "tls_broken", "reset_received", "2026-11-20T13:06:21Z", {"session": "2", "writer": "server"}),
    Sample("2026.11.20 13:06:20 LOG5[1]: Connection reset/closed: 0 byte(s) sent to TLS, 0 byte(s) sent to socket", "ended_badly", "closed"),
    Sample(f"{_L}LOG3[1]: SSL_accept: Peer suddenly disconnected", "tls_peer_closed", "unexpected_end"),
    Sample(f"{_L}LOG3[1]: readsocket: Connection reset by peer (104)", "read_failed", "reset_received"),
    Sample(f"{_L}LOG5[0]: Connection closed: 89 byte(s) sent to TLS, 49 byte(s) sent to socket", "ended", "closed"),
    Sample(f"{_L}LOG5[1]: Connection reset: 0 byte(s) sent to TLS, 0 byte(s) sent to socket", "ended_badly", "closed"),
)  # fmt: skip

FORMAT = LogFormat(
    id="stunnel",
    title="stunnel log",
    reference="https://www.stunnel.org/static/stunnel.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("stunnel", "stunnel4"),
)
