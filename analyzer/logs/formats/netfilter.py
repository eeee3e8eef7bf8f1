"""What an iptables or nftables LOG rule writes into the kernel's log, ufw's lines among it.

Lives here: the format. A line is a packet that a rule saw: an onlooker's word about both ends, and none about what became of it, since only the
rule's own prefix (DROP, REJECT) may say. TTL, ID and MAC stand in the text.
Never here: which of the two ends is the server; that is read from the ports.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, LogFormat, Message, Sample

_HEAD = re.compile(r"(?:\[ {0,6}\d{1,10}\.\d{1,9}\] )?(?P<prefix>(?!nf_ct_)[^=\n]{0,100}?)IN=\S{0,20} OUT=\S{0,20} ")


def head(text: str) -> Head | None:
    """The message begins at the rule's prefix, which is the administrator's own text."""
    found = _HEAD.match(text)
    return Head(body=found.start("prefix"), exclusive=True) if found else None


_PACKET = (
    r"IN=\S{0,20} OUT=\S{0,20} .{0,200}?SRC=(?P<source_ip>[0-9A-Fa-f.:]{2,45}) DST=(?P<destination_ip>[0-9A-Fa-f.:]{2,45}) .{0,300}?"
    r"PROTO=TCP SPT=(?P<source_port>\d{1,5}) DPT=(?P<destination_port>\d{1,5}) "
)
_STOPPED = r"[^=\n]{0,99}?(?i:drop|reject|block|deny|denied|discard)[^=\n]{0,99}?"
_RST = r".{0,120}?\bRST\b.{0,40}?URGP="

MESSAGES = (
    Message(
        "reset_stopped", "reset_seen", _STOPPED + _PACKET + _RST, ("PROTO=TCP SPT=",),
        "a rule of this host's firewall, whose name speaks of dropping or rejecting, saw a packet with a reset; SRC is the address that it carries", "unknown", "lab",
    ),
    Message(
        "reset", "reset_seen", r"[^=\n]{0,100}?" + _PACKET + _RST, ("PROTO=TCP SPT=",),
        "a rule of this host's firewall saw a packet with a reset; SRC is the address that it carries", "unknown", "lab",
    ),
    Message(
        "stopped", "rejected", _STOPPED + _PACKET, ("PROTO=TCP SPT=",),
        "a rule of this host's firewall, whose name speaks of dropping or rejecting, saw this packet; a rejected one is answered by a reset, a dropped one by nothing",
        "unknown", "source",
    ),
    Message(
        "packet", "detail", r"[^=\n]{0,100}?" + _PACKET, ("PROTO=TCP SPT=",), "a rule of this host's firewall saw this packet; what became of it the line does not say",
        "unknown", "source",
    ),
)  # fmt: skip

_K = "May  1 12:00:00 fw1 kernel: [12345.678901] "
_MAC = "MAC=00:16:3e:aa:bb:cc:00:16:3e:dd:ee:ff:08:00 "
_FLOW = "SRC=192.0.2.10 DST=192.0.2.20 LEN=40 TOS=0x00 PREC=0x00 TTL=63 ID=0 DF PROTO=TCP SPT=51234 DPT=5432 WINDOW={} RES=0x00 {} URGP=0 "
_ENDS = {
    "client_ip": "192.0.2.10",
    "client_port": 51234,
    "server_ip": "192.0.2.20",
    "server_port": 5432,
    "writer": "unknown",
}
SAMPLES = (
    Sample(_K + "FW-DROP: IN=eth0 OUT= " + _MAC + _FLOW.format(0, "RST"), "reset_stopped", "reset_seen", "2024-05-01T12:00:00Z", _ENDS),
    Sample(
        "May  1 12:00:00 host1 kernel: [ 2347.189574] RST-IN: IN=lo OUT= MAC=00:00:00:00:00:00:00:00:00:00:00:00:08:00 SRC=127.0.0.1 DST=127.0.0.1 LEN=52 TOS=0x00 PREC=0x00 TTL=64 "
        "ID=12745 DF PROTO=TCP SPT=1432 DPT=55432 SEQ=1660910601 ACK=3269238113 WINDOW=64 RES=0x00 ACK RST URGP=0 ",
        "reset", "reset_seen", None, {"client_port": 55432, "server_port": 1432},
    ),
    Sample(
        "May  1 12:00:00 host1 kernel: [12345.678901] [UFW BLOCK] IN=eth0 OUT= MAC=00:16:3e:aa:bb:cc " + _FLOW.format(64240, "SYN"),
        "stopped", "rejected", None, _ENDS,
    ),
    Sample(_K + "web: IN=eth0 OUT= " + _MAC + _FLOW.format(64240, "SYN"), "packet", "detail", None, _ENDS),
    Sample(
        "2024-05-01T12:00:00.123456+09:00 fw1 kernel: REJECT IN=eth0 OUT=eth1 " + _FLOW.replace("192.0.2.10", "2001:db8::10").replace("192.0.2.20", "2001:db8::20").format(0, "ACK"),
        "stopped", "rejected", "2024-05-01T03:00:00.123456Z", {"client_ip": "2001:db8::10", "server_ip": "2001:db8::20"},
    ),
)  # fmt: skip

FORMAT = LogFormat(
    id="netfilter",
    title="iptables and nftables LOG, ufw",
    reference="https://manpages.debian.org/iptables-extensions.8",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
)
