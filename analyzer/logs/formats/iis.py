"""IIS: HTTPERR, the log of HTTP.sys, and the W3C log with win32 status.

Lives here: the format. Both are in UTC without saying so. HTTPERR prints both ends with their ports and one word for why the connection or the
request ended; which columns follow the addresses depends on the version, so the word is looked for, not its place. The W3C log names hosts
without ports.
Never here: status codes of the application.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, LogFormat, Message, Sample, Verified

_END = r"(?P<{0}_ip>[0-9A-Fa-f.:]{{2,45}}(?:%\d{{1,10}})?|-) (?P<{0}_port>\d{{1,5}}|-)"
_HTTPERR = re.compile(
    rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {_END.format('client')} {_END.format('server')} \S{{1,20}} \S{{1,40}} \S{{1,8000}} "
)
_W3C = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?P<server>[0-9A-Fa-f.:]{2,45}) [A-Z]{2,20} \S{1,8000} \S{1,8000} (?P<port>\d{1,5}) \S{1,200} (?P<client>[0-9A-Fa-f.:]{2,45}) "
)


def head(text: str) -> Head | None:
    """Both ends, as far as they are printed; `-` is none."""
    found = _HTTPERR.match(text)
    if found:
        client, server = found["client_port"], found["server_port"]
        return Head(
            body=found.end(), exclusive=True, client_ip=found["client_ip"], client_port=int(client) if client.isdigit() else None,
            server_ip=found["server_ip"], server_port=int(server) if server.isdigit() else None,
        )  # fmt: skip
    found = _W3C.match(text)
    if found is None:
        return None
    return Head(body=found.end(), client_ip=found["client"], server_ip=found["server"], server_port=int(found["port"]))


_RESET = "HTTP.sys itself ended this connection, as a rule with a reset,"
_GONE = "the client ended this connection; whether by FIN or by reset it does not say"
# (word, event, what it proves, how well it is known)
_REASONS: tuple[tuple[str, str, str, Verified], ...] = (
    ("Connection_Dropped", "reset_or_eof", f"{_GONE}, and the answer could not be sent", "docs"),
    ("Connection_Dropped_List_Full", "reset_or_eof", _GONE, "unverified"),
    ("Client_Reset", "reset_or_eof", f"{_GONE}, and its request had reached no worker yet", "unverified"),
    ("Connection_Abandoned_By_AppPool", "crash", "the worker process that had this request quit, and HTTP.sys dropped the connection", "docs"),
    ("Connection_Abandoned_By_ReqQueue", "crash", "the program that had this request went away, and HTTP.sys dropped the connection", "third_party"),
    ("Timer_ConnectionIdle", "idle_timeout", f"{_RESET} because it sat idle too long", "docs"),
    ("Timer_HeaderWait", "local_timeout", f"{_RESET} because the request's headers did not come in time", "docs"),
    ("Timer_EntityBody", "local_timeout", f"{_RESET} because the request's body did not come in time", "docs"),
    ("Timer_MinBytesPerSecond", "local_timeout", f"{_RESET} because the client was too slow", "docs"),
    ("Timer_Response", "local_timeout", f"{_RESET} because the answer was not ready in time", "docs"),
    ("Timer_AppPool", "local_timeout", f"{_RESET} because the request waited too long for its application pool", "docs"),
    ("Timer_ReqQueue", "local_timeout", f"{_RESET} because the request waited too long in its queue", "unverified"),
    ("Timer_SslRenegotiation", "local_timeout", f"{_RESET} because a TLS renegotiation took too long", "unverified"),
    ("ConnLimit", "rejected", "the site's limit of connections was reached, and this one was turned away (503)", "docs"),
    ("Connections_Refused", "rejected", "the kernel's memory for connections ran short, and this one was turned away", "unverified"),
    ("QueueFull", "rejected", "the application pool's queue was full, and this request was turned away (503)", "docs"),
    ("AppOffline", "rejected", "the application had failed too often and was taken offline (503)", "docs"),
    ("AppShutdown", "shutdown", "the application pool was stopping (503)", "docs"),
    ("AppPoolTimer", "rejected", "the application pool was too busy for this request (503)", "docs"),
    ("BadRequest", "protocol_error", "what the client sent is not HTTP as HTTP.sys understands it: it was answered 400, and closed", "docs"),
)  # fmt: skip

MESSAGES = (
    *(Message(word, event, rf"(?:\S{{1,100}} ){{1,5}}?{word}(?= |$)", (word,), proves, "server", verified) for word, event, proves, verified in _REASONS),
    Message(
        "W3C_client_gone", "reset_or_eof", r"(?:\S{1,1000}+ ){1,4}?\d{3} \d{1,5} (?:64|1236|1229)(?: |$)", (" 0 64", " 0 1236", " 0 1229"),
        f"{_GONE} (win32 status 64, 1236 or 1229)", "server", "unverified",
    ),
    Message(
        "W3C_reset", "reset_received", r"(?:\S{1,1000}+ ){1,4}?\d{3} \d{1,5} 10054(?: |$)", (" 0 10054",), "the server's system had received a reset (win32 status 10054)", "server", "unverified",
    ),
    Message(
        "W3C_aborted", "aborted_locally", r"(?:\S{1,1000}+ ){1,4}?\d{3} \d{1,5} (?:995|10053)(?: |$)", (" 0 995", " 0 10053"),
        "the server's own side gave the connection up (win32 status 995 or 10053); nothing says that a reset arrived", "server", "unverified",
    ),
    Message(
        "W3C_timed_out", "timed_out", r"(?:\S{1,1000}+ ){1,4}?\d{3} \d{1,5} 121(?: |$)", (" 0 121",), "no answer came in time (win32 status 121)", "server", "unverified",
    ),
)  # fmt: skip

_LINE = "2024-05-01 12:00:00 192.0.2.10 51234 192.0.2.20 80 HTTP/1.1 GET /app - 1 {} DefaultAppPool"
_ENDS = {"client_ip": "192.0.2.10", "client_port": 51234, "server_ip": "192.0.2.20", "server_port": 80}
_TIME = "2024-05-01T12:00:00Z"
_W = "2024-05-01 12:00:00 192.0.2.20 GET /big.bin - 443 - 192.0.2.10 Mozilla/5.0 - 200 0 {} 1532"
SAMPLES = (
    *(Sample(_LINE.format(word), word, event, _TIME, _ENDS | {"zone": "printed"}) for word, event, _, _ in _REASONS),
    Sample(
        "2011-12-08 06:06:19 fe80::1%11 2774 fe80::2%11 2869 HTTP/1.1 NOTIFY /upnp/eventing/gerpeyxyas - - Connection_Abandoned_By_ReqQueue -",
        "Connection_Abandoned_By_ReqQueue", "crash", "2011-12-08T06:06:19Z", {"client_ip": "fe80::1", "client_port": 2774, "server_ip": "fe80::2"},
    ),
    Sample(
        "2011-02-25 11:18:33 119.188.13.68 4010 61.172.251.22 4387 HTTP/1.1 GET /Protect/SessionSvrDispatch.asp?type=89&area=9 503 447434323 AppOffline DefaultAppPool",
        "AppOffline", "rejected", "2011-02-25T11:18:33Z", {"client_port": 4010, "server_port": 4387},
    ),
    Sample(_W.format(64), "W3C_client_gone", "reset_or_eof", _TIME, {"client_ip": "192.0.2.10", "client_port": None, "server_ip": "192.0.2.20", "server_port": 443}),
    Sample(_W.format(10054), "W3C_reset", "reset_received"),
    Sample(_W.format(995), "W3C_aborted", "aborted_locally"),
    Sample(_W.format(121), "W3C_timed_out", "timed_out"),
)  # fmt: skip

FORMAT = LogFormat(
    id="iis",
    title="IIS: HTTPERR (HTTP.sys) and W3C log",
    reference="https://learn.microsoft.com/en-us/troubleshoot/developer/webapps/aspnet/site-behavior-performance/error-logging-http-apis",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    utc=True,
)
