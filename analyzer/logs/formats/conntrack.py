"""What `conntrack -E -o timestamp` prints: Linux' connection tracking, as it happens.

Lives here: the format. Connection tracking is an onlooker on the path or on an end. A TCP connection that it moves to CLOSE has shown it a
reset, from which end the line does not say. The first pair of addresses is the opener's view; behind address translation the second differs.
Never here: the state of connections at one moment (`conntrack -L`), which has no time.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, LogFormat, Message, Sample

_HEAD = re.compile(r"\[1\d{9}\.\d{1,9} {0,8}\]\s{1,8}(?=\[(?:NEW|UPDATE|DESTROY)\] )")


def head(text: str) -> Head | None:
    """The time is the kernel's, in UTC."""
    found = _HEAD.match(text)
    return Head(body=found.end(), exclusive=True) if found else None


_TCP = r"(?:ipv[46]\s{1,8}\d{1,2}\s{1,8})?tcp\s{1,8}6 "
_TUPLE = r"src=(?P<client_ip>[0-9A-Fa-f.:]{2,45}) dst=(?P<server_ip>[0-9A-Fa-f.:]{2,45}) sport=(?P<client_port>\d{1,5}) dport=(?P<server_port>\d{1,5})\b"

MESSAGES = (
    Message(
        "reset", "reset_seen", rf"\[UPDATE\] {_TCP}\d{{1,10}} CLOSE {_TUPLE}", (" CLOSE src=",),
        "connection tracking on this host saw a reset of this connection; from which end it does not say", "unknown", "lab",
    ),
    Message(
        "refused", "reset_seen", rf"\[DESTROY\] {_TCP}\d{{1,10}} CLOSE {_TUPLE} \[UNREPLIED\]", (" CLOSE src=",),
        "connection tracking on this host saw a reset answer the first SYN of this connection", "unknown", "lab",
    ),
    Message(
        "opened", "opened", rf"\[NEW\] {_TCP}\d{{1,10}} SYN_SENT {_TUPLE}", (" SYN_SENT src=",), "connection tracking on this host saw the first SYN of this connection",
        "unknown", "lab",
    ),
    Message(
        "forgotten", "closed", rf"\[DESTROY\] {_TCP}(?:\d{{1,10}} )?(?:[A-Z_]{{3,12}}\d? )?{_TUPLE}", ("[DESTROY] ",),
        "connection tracking on this host forgot this connection: after its end, or because its timer expired", "unknown", "lab",
    ),
)  # fmt: skip

_TWO = "src=192.0.2.10 dst=192.0.2.20 sport=51234 dport=5432 src=192.0.2.20 dst=192.0.2.10 sport=5432 dport=51234"
_ENDS = {
    "client_ip": "192.0.2.10",
    "client_port": 51234,
    "server_ip": "192.0.2.20",
    "server_port": 5432,
    "writer": "unknown",
    "zone": "printed",
}
SAMPLES = (
    Sample(
        f"[1714564800.123456]\t [UPDATE] tcp      6 10 CLOSE {_TWO} [ASSURED]",
        "reset",
        "reset_seen",
        "2024-05-01T12:00:00.123456Z",
        _ENDS,
    ),
    Sample(
        "[1714564800.123456]\t    [NEW] tcp      6 120 SYN_SENT src=192.0.2.10 dst=192.0.2.20 sport=51234 dport=5432 [UNREPLIED] src=192.0.2.20 dst=192.0.2.10 sport=5432 dport=51234",
        "opened",
        "opened",
        "2024-05-01T12:00:00.123456Z",
        _ENDS,
    ),
    Sample(
        "[1795179713.983670]\t[DESTROY] tcp      6 120 CLOSE src=127.0.0.1 dst=127.0.0.1 sport=34376 dport=5433 [UNREPLIED] src=127.0.0.1 dst=127.0.0.1 sport=5433 dport=34376",
        "refused",
        "reset_seen",
        None,
        {"client_port": 34376, "server_port": 5433},
    ),
    Sample(
        f"[1714564800.123456]\t[DESTROY] tcp      6 {_TWO} [ASSURED]",
        "forgotten",
        "closed",
        "2024-05-01T12:00:00.123456Z",
        _ENDS,
    ),
)

FORMAT = LogFormat(
    id="conntrack",
    title="conntrack -E -o timestamp",
    reference="https://manpages.debian.org/conntrack.8",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
)
