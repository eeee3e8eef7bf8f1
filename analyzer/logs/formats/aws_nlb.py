"""The access log of an AWS Network Load Balancer, which it writes for TLS listeners alone.

Lives here: the format. A line says that a connection ended, not how; it names the client with its port. Plain TCP listeners log nothing, and
what the balancer sends on a flow that it has forgotten (idle for 350 s) is a reset that no line tells of.
Never here: what the target answered.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, LogFormat, Message, Sample, end

_HEAD = re.compile(r"tls [12]\.\d \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d \S{1,200} \S{1,100} ")


def head(text: str) -> Head | None:
    """The message begins at the client's address."""
    found = _HEAD.match(text)
    return Head(body=found.end(), exclusive=True) if found else None


_ENDS = rf"{end('client')} {end('server')} (?:-?\d{{1,12}}|-) (?:-?\d{{1,12}}|-) \d{{1,20}} \d{{1,20}} "

MESSAGES = (
    Message(
        "alert", "protocol_error", rf"{_ENDS}(?P<alert>\d{{1,3}}) ", ("tls 2.0 ", "tls 1.0 "), "the client sent a TLS alert, and the connection ended", "server", "unverified"
    ),
    Message(
        "ended", "closed", rf"{_ENDS}- ", ("tls 2.0 ", "tls 1.0 "), "this TLS connection ended; how, the balancer does not log", "server", "unverified"
    ),
)  # fmt: skip

_LINE = "tls 2.0 2024-05-01T12:00:00 net/my-nlb/c6e77e28c25b2234 g3d4b5e8bb8464cd 192.0.2.10:51341 10.0.0.20:443 5 2 98 246 {} arn:aws:acm:us-east-1:123456789012:certificate/2a108f19 - ECDHE-RSA-AES128-SHA tlsv12 - my-nlb.elb.us-east-1.amazonaws.com - - - 2024-05-01T11:59:58"
_ENDS_NAMED = {
    "client_ip": "192.0.2.10",
    "client_port": 51341,
    "server_ip": "10.0.0.20",
    "server_port": 443,
    "zone": "printed",
}
SAMPLES = (
    Sample(_LINE.format("48"), "alert", "protocol_error", "2024-05-01T12:00:00Z", _ENDS_NAMED),
    Sample(_LINE.format("-"), "ended", "closed", "2024-05-01T12:00:00Z", _ENDS_NAMED),
)

FORMAT = LogFormat(
    id="aws_nlb",
    title="AWS Network Load Balancer access log (TLS listeners)",
    reference="https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    utc=True,
)
