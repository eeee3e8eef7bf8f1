"""Windows Firewall: pfirewall.log. It sees packets pass; it says which way a reset went through this host.

Lives here: the format. Its times are local, and say so only in the file's head.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, LogFormat, all_samples, told

_HEAD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?=(?:DROP|ALLOW|OPEN|CLOSE|OPEN-INBOUND) TCP )")


def head(text: str) -> Head | None:
    """The time, before the action."""
    found = _HEAD.match(text)
    return Head(body=found.end(), exclusive=True) if found else None


_ENDS = r"(?P<source_ip>[0-9A-Fa-f:.%]{2,60}) (?P<destination_ip>[0-9A-Fa-f:.%]{2,60}) (?P<source_port>\d{1,5}) (?P<destination_port>\d{1,5})"
_REST = r" \S{1,12} (?P<reset>[SAFPU]*R[SAFPU]*) \S{1,12} \S{1,12} \S{1,12} \S{1,5} \S{1,5} \S{1,5} "
_NAMED = {"client_ip": "192.0.2.10", "client_port": 51234, "server_ip": "192.0.2.20", "server_port": 5432}
TOLD = (
    told("reset_dropped", "reset_seen", rf"DROP TCP {_ENDS}{_REST}", ("DROP TCP ",), "the firewall of this host stopped a reset", {"DROP TCP 192.0.2.10 192.0.2.20 51234 5432 40 R 2461835779 0 0 - - - RECEIVE": _NAMED}, verified="unverified"),
    told("reset_passed", "reset_seen", rf"ALLOW TCP {_ENDS}{_REST}", ("ALLOW TCP ",), "the firewall of this host let a reset pass", {"ALLOW TCP 192.0.2.10 192.0.2.20 51234 5432 40 RA 2461835779 0 0 - - - RECEIVE": _NAMED}, verified="unverified"),
    told("dropped", "rejected", rf"DROP TCP {_ENDS} ", ("DROP TCP ",), "the firewall of this host stopped a packet without answering it: its sender sees silence", {"DROP TCP 192.168.10.106 192.229.221.95 65457 80 0 - 0 0 0 - - - SEND 1360": {"client_port": 65457, "server_port": 80}}, verified="third_party"),
)  # fmt: skip

FORMAT = LogFormat(
    id="windows_firewall",
    title="Windows Firewall (pfirewall.log)",
    reference="https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/configure-logging",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01 12:00:00 ", "2024-05-01T12:00:00Z"),
    head=head,
    anchored=True,
)
