"""The access log of an AWS Application Load Balancer.

Lives here: the format, and the status codes that only the balancer itself writes (no status of the target beside them). The time is the end
of the answer, in UTC. Client and target stand with their ports; the balancer's own port towards the target is not logged, nor whether a
connection ended by FIN or by reset.
Never here: codes that a target answered.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, Leg, LogFormat, Message, Sample, Verified, end

_HEAD = re.compile(r"(?:https?|h2|grpcs|wss?) \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z \S{1,200} ")
_CLIENT = re.compile(end("client"))


def head(text: str) -> Head | None:
    """The message begins at the client's address."""
    found = _HEAD.match(text)
    client = _CLIENT.match(text, found.end()) if found else None
    if found is None or client is None:
        return None
    return Head(body=found.end(), exclusive=True, client_ip=client["client_ip"], client_port=int(client["client_port"]))


_TIMES = r"-?\d[\d.]{0,20} -?\d[\d.]{0,20} -?\d[\d.]{0,20}"


def _code(id: str, event: str, code: str, proves: str, leg: Leg, verified: Verified) -> Message:
    target = rf"(?:{end('server')}|-)" if leg == "server" else r"\S{1,100}"
    return Message(
        id, event, rf"\S{{1,100}} {target} {_TIMES} {code} - ", (f" {code} - ",), proves, "client" if leg == "server" else "server", verified, leg=leg
    )  # fmt: skip


MESSAGES = (
    _code("client_gone", "reset_or_eof", "460", "the client ended its connection before the balancer's idle timer expired; whether by FIN or by reset it does not say", "client", "docs"),
    _code("target_gone", "reset_or_eof", "502", "the target refused, ended or reset the balancer's connection before it had answered, or its answer was malformed", "server", "docs"),
    _code("target_silent", "timed_out", "504", "the target did not answer: not to the SYN within 10 s, or not within the idle timer", "server", "docs"),
    _code("no_target", "detail", "503", "no target was registered or healthy; nothing was sent to one", "server", "unverified"),
    _code("request_timeout", "local_timeout", "408", "the request did not come in time, and the balancer closed", "client", "unverified"),
    _code("bad_request", "protocol_error", "400", "what the client sent is not HTTP as the balancer understands it", "client", "unverified"),
    _code("unanswered", "reset_or_eof", "000", "the connection ended before the balancer had answered", "client", "unverified"),
)  # fmt: skip

_LINE = (
    "https 2024-05-01T12:00:00.123456Z app/my-alb/50dc6c495c0c9188 192.0.2.10:51234 10.0.0.20:80 0.000 -1 -1 {} - 132 0 "
    '"GET https://www.example.com:443/app/page HTTP/1.1" "curl/8.4.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 - "Root=1-588fc23e" "www.example.com" "-" 0 '
    '2024-05-01T11:59:59.123000Z "forward" "-" "-" "10.0.0.20:80" "-" "-" "-"'
)
_CLIENT_LEG = {
    "client_ip": "192.0.2.10",
    "client_port": 51234,
    "server_ip": None,
    "zone": "printed",
    "resolution": 1e-06,
}
_TARGET_LEG = {"server_ip": "10.0.0.20", "server_port": 80, "client_ip": None, "writer": "client"}
_TIME = "2024-05-01T12:00:00.123456Z"
SAMPLES = (
    Sample(_LINE.format("460"), "client_gone", "reset_or_eof", _TIME, _CLIENT_LEG),
    Sample(_LINE.format("502"), "target_gone", "reset_or_eof", _TIME, _TARGET_LEG),
    Sample(_LINE.format("504"), "target_silent", "timed_out", _TIME, _TARGET_LEG),
    Sample(_LINE.format("503").replace("10.0.0.20:80 0.000", "- -1"), "no_target", "detail", _TIME, {"server_ip": None}),
    Sample(_LINE.format("408"), "request_timeout", "local_timeout", _TIME, _CLIENT_LEG),
    Sample(_LINE.format("400"), "bad_request", "protocol_error", _TIME, _CLIENT_LEG),
    Sample(_LINE.format("000").replace("192.0.2.10", "2001:db8::10"), "unanswered", "reset_or_eof", _TIME, {"client_ip": "2001:db8::10", "client_port": 51234}),
)  # fmt: skip

FORMAT = LogFormat(
    id="aws_alb",
    title="AWS Application Load Balancer access log",
    reference="https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
)
