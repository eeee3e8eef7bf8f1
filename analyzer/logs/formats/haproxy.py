"""HAProxy's log: option tcplog, option httplog, and its lines about connections that never became sessions.

Lives here: the format. A session's line begins with the client's address and the time at which its connection was accepted (for a request:
at which it came); it is written when the session has ended, as many milliseconds later as its last timer says. Two letters tell who ended it
first and in which phase: capitals for an abort or an error, small letters for a timer of HAProxy's. An abort is a FIN or a reset, HAProxy
does not tell which, so no line of it argues for a reset. The server's address is not printed, only its name.
Never here: normal ends of HTTP requests, which say nothing of a connection.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, Leg, LogFormat, Message, Sample, Verified, Writer, end

_DATE = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\]"
_SESSION = re.compile(
    rf"{end('client')} {_DATE} \S{{1,200}} \S{{1,200}}/\S{{1,200}} (?:-?\d{{1,10}}/){{2,4}}\+?(?P<milliseconds>\d{{1,10}}) "
)
_NO_SESSION = re.compile(rf"{end('client')} {_DATE} [^/\s]{{1,100}}/[^:\s]{{1,100}}: ")
_NOTICE = re.compile(r"(?:\[(?:NOTICE|WARNING|ALERT)\] .{0,60}: )?(?=Connect from |Server \S{1,100}/\S{1,100} is )")


def head(text: str) -> Head | None:
    """The message is what follows the timers: status and bytes, the two letters, the counts of connections."""
    found = _SESSION.match(text)
    if found:
        return Head(
            body=found.end(), exclusive=True, elapsed=int(found["milliseconds"]) / 1000,
            client_ip=found["client_ip"], client_port=int(found["client_port"]),
        )  # fmt: skip
    found = _NO_SESSION.match(text)
    if found:
        return Head(
            body=found.end(), exclusive=True, client_ip=found["client_ip"], client_port=int(found["client_port"])
        )
    found = _NOTICE.match(text)
    return Head(body=found.end()) if found else None


_ENDED = "HAProxy itself ended this client's connection"
_FOLDS = "whether by FIN or by reset it does not say"
# (state, leg, event, what it proves, how well it is known). A state that both connections have a part in stands here twice.
_STATES: tuple[tuple[str, Leg, str, str, Verified], ...] = (
    ("CC", "client", "reset_or_eof", f"the client ended its connection while HAProxy was connecting to the server; {_FOLDS}", "docs"),
    ("CD", "client", "reset_or_eof", f"the client ended its connection in the middle of the exchange; {_FOLDS}", "lab"),
    ("CH", "client", "reset_or_eof", f"the client ended its connection while it waited for the answer; {_FOLDS}", "docs"),
    ("CQ", "client", "reset_or_eof", f"the client ended its connection while it stood in HAProxy's queue; {_FOLDS}", "docs"),
    ("CR", "client", "reset_or_eof", f"the client ended its connection before its request was complete; {_FOLDS}", "lab"),
    ("CT", "client", "reset_or_eof", f"the client ended its connection while HAProxy held it in the tarpit; {_FOLDS}", "docs"),
    ("CL", "client", "reset_or_eof", f"the client ended its connection while the last data was on its way to it; {_FOLDS}", "docs"),
    ("cD", "client", "idle_timeout", f"{_ENDED} because it had been silent for longer than `timeout client`", "lab"),
    ("cH", "client", "idle_timeout", f"{_ENDED} because it had been silent for longer than `timeout client`, its request not complete", "docs"),
    ("cR", "client", "local_timeout", f"{_ENDED} because its request took longer than `timeout http-request`", "lab"),
    ("SC", "server", "connect_failed", "the server, or a device before it, turned HAProxy's connection away: a reset or an ICMP message answered its SYN", "lab"),
    ("SC", "client", "closed", f"{_ENDED} because it could not reach the server", "lab"),
    ("SD", "server", "reset_or_eof", f"the server ended HAProxy's connection in the middle of the exchange; {_FOLDS}", "lab"),
    ("SD", "client", "closed", f"{_ENDED} because the server had ended the one behind it", "lab"),
    ("SH", "server", "reset_or_eof", f"the server ended HAProxy's connection before its answer was complete; {_FOLDS}", "lab"),
    ("SH", "client", "closed", f"{_ENDED}, or answered 502 on it, because the server had ended the one behind it", "lab"),
    ("SL", "server", "reset_or_eof", f"the server ended HAProxy's connection while the last data was on its way; {_FOLDS}", "docs"),
    ("SL", "client", "closed", f"{_ENDED} because the server had ended the one behind it", "docs"),
    ("sC", "server", "timed_out", "the server did not answer HAProxy's SYN within `timeout connect`", "docs"),
    ("sC", "client", "local_timeout", f"{_ENDED} because the server could not be reached in time", "docs"),
    ("sD", "server", "idle_timeout", "HAProxy itself ended its connection to the server, which had been silent for longer than `timeout server`", "lab"),
    ("sD", "client", "local_timeout", f"{_ENDED} because the server had been silent for longer than `timeout server`", "lab"),
    ("sH", "server", "local_timeout", "HAProxy itself ended its connection to the server, which had not answered within `timeout server`", "lab"),
    ("sH", "client", "local_timeout", f"{_ENDED}, or answered 504 on it, because the server had not answered within `timeout server`", "lab"),
    ("sQ", "client", "local_timeout", f"{_ENDED} because no server was free within `timeout queue`", "docs"),
    ("PC", "client", "rejected", f"{_ENDED} because a limit of its own sockets was reached", "docs"),
    ("PD", "client", "protocol_error", f"{_ENDED} because a chunked message was malformed", "docs"),
    ("PH", "server", "protocol_error", "HAProxy refused the server's answer as invalid, or because a rule said so", "docs"),
    ("PT", "client", "rejected", f"{_ENDED} after it had held it in the tarpit", "docs"),
    ("PR", "client", "rejected", f"{_ENDED} because a rule refused its request", "docs"),
    ("RC", "client", "rejected", f"{_ENDED} because it was short of ports, sockets or memory", "docs"),
    ("DD", "client", "terminated_by_administrator", f"{_ENDED} because its server was marked down (on-marked-down shutdown-sessions)", "docs"),
    ("DC", "client", "terminated_by_administrator", f"{_ENDED} because its server was marked down while it was connecting", "docs"),
    ("UD", "client", "terminated_by_administrator", f"{_ENDED} because an active server was up again (on-marked-up shutdown-backup-sessions)", "docs"),
    ("KD", "client", "terminated_by_administrator", f"{_ENDED} because an administrator ordered it", "docs"),
    ("ID", "client", "closed", f"{_ENDED} after an internal error of its own", "docs"),
    ("LC", "client", "request", "HAProxy answered this request itself", "docs"),
    ("LR", "client", "request", "HAProxy answered this request itself", "docs"),
    ("LH", "client", "request", "HAProxy answered this request itself", "docs"),
)  # fmt: skip
_WRITERS: dict[Leg, Writer] = {"client": "server", "server": "client"}  # what HAProxy is on each of its connections
_COOKIES = "-NIDVEOU"  # what follows the two letters in an HTTP session's line
_TCP, _HTTP = r"\+?\d{1,20} ", r"-?\d{1,4} \+?\d{1,20} \S{1,200} \S{1,200} "


def _state(state: str, leg: Leg, event: str, proves: str, verified: Verified) -> Message:
    return Message(
        f"{state}_{leg}", event, rf"(?:{_TCP}{state}|{_HTTP}{state}[{_COOKIES}][-NIUPRD]) \d", _literals(state), proves, _WRITERS[leg], verified,
        leg=leg,
    )  # fmt: skip


def _literals(state: str) -> tuple[str, ...]:
    return (*(f" {state} {digit}" for digit in range(10)), *(f" {state}{cookie}" for cookie in _COOKIES))


MESSAGES = (
    Message(
        "PR_bad_request", "protocol_error", rf"400 \+?\d{{1,20}} \S{{1,200}} \S{{1,200}} PR[{_COOKIES}][-NIUPRD] \d",
        tuple(f" PR{cookie}" for cookie in _COOKIES), "what the client sent is not HTTP as HAProxy understands it: it was answered 400", "server", "lab",
    ),
    *(_state(*row) for row in _STATES),
    Message(
        "normal", "closed", r"\+?\d{1,20} -- \d", tuple(f" -- {digit}" for digit in range(10)),
        "this TCP session ended in the normal way, as HAProxy sees it", "server", "lab",
    ),
    Message(
        "tls_closed", "unexpected_end", r"Connection closed during SSL handshake", ("Connection closed during SSL handshake",),
        "the client ended the stream before the TLS handshake was done", "server", "lab",
    ),
    Message(
        "tls_error", "reset_or_eof", r"Connection error during SSL handshake", ("Connection error during SSL handshake",),
        "the client's connection failed during the TLS handshake, usually by a reset; the line does not say so", "server", "source",
    ),
    Message(
        "tls_failure", "protocol_error", r"SSL handshake failure", ("SSL handshake failure",),
        "the TLS handshake with this client failed; a client that resets in the middle of it is logged in the same words", "server", "lab",
    ),
    Message(
        "tls_timeout", "local_timeout", r"Timeout during SSL handshake", ("Timeout during SSL handshake",),
        f"{_ENDED} because the TLS handshake took too long", "server", "source",
    ),
    Message(
        "accepted", "opened", rf"Connect from {end('client')} to {end('server')} \([^/\s]{{1,100}}/\w{{1,10}}\)", ("Connect from ",),
        "HAProxy accepted this connection", "server", "lab",
    ),
    Message(
        "server_down", "detail", r"Server \S{1,100}/\S{1,100} is DOWN", (" is DOWN",),
        "HAProxy's health checks took this server out of service; sessions are ended for that only where on-marked-down says so", "unknown", "source",
    ),
)  # fmt: skip

_LAB = {
    "CD": '127.0.0.1:45622 [20/Nov/2026:07:40:11.345] http s/s1 0/0/0/0/631 200 3132696 - - CD-- 4/4/1/1/0 0/0 "GET /s HTTP/1.1"',
    "cD": "10.1.0.2:49214 [20/Nov/2026:19:30:36.812] database database/primary 1/0/2024 471 cD 1/1/0/0/0 0/0",
    "CR": '127.0.0.1:50086 [20/Nov/2026:07:40:22.972] http http/<NOSRV> -1/-1/-1/-1/301 400 0 - - CR-- 2/2/0/0/0 0/0 "<BADREQ>"',
    "cR": '127.0.0.1:50110 [20/Nov/2026:07:40:23.573] http http/<NOSRV> -1/-1/-1/-1/2000 408 0 - - cR-- 1/1/0/0/0 0/0 "<BADREQ>"',
    "SC": "10.1.0.2:39236 [20/Nov/2026:19:37:17.975] shop shop/one 1/-1/3008 0 SC 1/1/0/0/3 0/0",
    "SD": "10.1.0.2:43640 [20/Nov/2026:19:40:49.702] shop shop/one 1/0/1112 143 SD 1/1/0/0/0 0/0",
    "sD": "127.0.0.1:51520 [20/Nov/2026:07:40:36.475] t5 t5/s1 1/0/1901 0 sD 1/1/0/0/0 0/0",
    "SH": '127.0.0.1:56662 [20/Nov/2026:07:40:05.329] http a/s1 0/0/0/-1/0 502 209 - - SH-- 1/1/0/0/0 0/0 "GET /a HTTP/1.1"',
    "sH": '127.0.0.1:56712 [20/Nov/2026:07:40:07.539] http h/s1 0/0/0/-1/2001 504 198 - - sH-- 1/1/0/0/0 0/0 "GET /h HTTP/1.1"',
    "LR": '10.1.0.2:45174 [20/Nov/2026:19:33:17.937] plain plain/<NOSRV> 0/-1/-1/-1/0 200 77 - - LR-- 1/1/0/0/0 0/0 "GET / HTTP/1.1"',
}
_COMPOSED = "192.0.2.10:51234 [01/May/2024:12:00:00.123] fe bck/srv1 0/0/5007 212 {} 1/1/1/1/0 0/0"
SAMPLES = (
    *(Sample(_LAB.get(row[0], _COMPOSED.format(row[0])), f"{row[0]}_{row[1]}", row[2]) for row in _STATES),
    # written when the session ended, not when it was accepted
    Sample(_LAB["SD"], "SD_server", "reset_or_eof", "2026-11-20T19:40:50.814Z", {"client_ip": None, "server_ip": None, "writer": "client", "resolution": 0.001}),
    Sample(_LAB["SD"], "SD_client", "closed", "2026-11-20T19:40:50.814Z", {"client_ip": "10.1.0.2", "client_port": 43640, "writer": "server", "zone": "unknown"}),
    Sample(_LAB["CD"].replace("127.0.0.1", "2001:db8::10"), "CD_client", "reset_or_eof", "2026-11-20T07:40:11.976Z", {"client_ip": "2001:db8::10", "client_port": 45622}),
    Sample(
        '10.1.0.2:45158 [20/Nov/2026:19:33:17.465] plain plain/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 1/1/0/0/0 0/0 "<BADREQ>"',
        "PR_bad_request", "protocol_error", "2026-11-20T19:33:17.465Z", {"client_ip": "10.1.0.2", "client_port": 45158},
    ),
    Sample(
        "10.1.0.2:39222 [20/Nov/2026:19:37:17.251] shop shop/one 1/0/316 41 -- 2/2/0/0/0 0/0",
        "normal", "closed", "2026-11-20T19:37:17.567Z", {"client_ip": "10.1.0.2", "client_port": 39222},
    ),
    Sample("127.0.0.1:35234 [20/Nov/2026:07:40:32.757] tls/1: Connection closed during SSL handshake", "tls_closed", "unexpected_end", "2026-11-20T07:40:32.757Z"),
    Sample("192.0.2.10:56059 [01/May/2024:12:00:05.380] fe/1: Connection error during SSL handshake", "tls_error", "reset_or_eof"),
    Sample("192.0.2.10:56059 [01/May/2024:12:00:05.380] fe/1: Timeout during SSL handshake", "tls_timeout", "local_timeout"),
    Sample(
        "10.1.0.2:41352 [20/Nov/2026:19:31:26.632] shop/1: SSL handshake failure",
        "tls_failure", "protocol_error", "2026-11-20T19:31:26.632Z", {"client_ip": "10.1.0.2", "client_port": 41352, "writer": "server"},
    ),
    Sample(
        "May  1 12:00:00 lb1 haproxy[14387]: Connect from 127.0.0.1:51262 to 127.0.0.1:9406 (t6/TCP)",
        "accepted", "opened", None, {"client_ip": "127.0.0.1", "client_port": 51262, "server_ip": "127.0.0.1", "server_port": 9406},
    ),
    Sample(
        'May  1 12:00:05 lb1 haproxy[14387]: Server bck/srv1 is DOWN, reason: Layer4 connection problem, info: "Connection refused", check duration: 0ms.',
        "server_down", "detail",
    ),
)  # fmt: skip

FORMAT = LogFormat(
    id="haproxy",
    title="HAProxy log (tcplog, httplog, handshake errors)",
    reference="https://docs.haproxy.org/2.6/configuration.html#8.5",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("haproxy",),
)
