"""What the Linux kernel says of connections and of dying processes, in syslog or the journal.

Lives here: the format. dmesg without `-T` prints seconds since boot, which is no time; in syslog and the journal the envelope has one.
Never here: what firewall rules log (netfilter.py), or its trace (kernel_trace.py).
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, LogFormat, Message, Sample

_HEAD = re.compile(r"(?:\[ {0,6}\d{1,10}\.\d{1,9}\] )?")
_OURS = re.compile(
    r"TCP: |nf_conntrack: |nf_ct_(?:proto_6|tcp): |Out of memory: Killed process |\S{1,32}\[\d{1,10}\]: segfault at |[^\n]{0,60}Link is Down"
)


def head(text: str) -> Head | None:
    """The kernel names no program; its own words do."""
    found = _HEAD.match(text)
    if found is None or not _OURS.match(text, found.end()):
        return None
    return Head(body=found.end(), exclusive=True)


MESSAGES = (
    Message(
        "syn_flood", "rejected",
        r"TCP: (?:request_sock_\w{1,20}: |subflow\w{0,20}: )?[Pp]ossible SYN flooding on port (?:(?P<server_ip>\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:]{2,45}\]):)?(?P<server_port>\d{1,5})\.",
        ("ossible SYN flooding on port",),
        "the queue of connections to this port that wait to be accepted was full: more SYNs are dropped or answered with cookies, and with a reset where "
        "tcp_abort_on_overflow is on; it is said once per listener", "server", "lab",
    ),
    Message(
        "tracking_full", "detail", r"nf_conntrack: (?:nf_conntrack: )?table full, dropping packet", ("table full, dropping packet",),
        "connection tracking on this host was full, and packets of new connections were dropped", "unknown", "third_party",
    ),
    Message(
        "invalid_packet", "detail",
        r"nf_ct_(?:proto_6|tcp): .{1,100}?IN=\S{0,20} OUT=\S{0,20} (?:.{0,100}?)SRC=(?P<source_ip>\S{2,45}) DST=(?P<destination_ip>\S{2,45})"
        r"(?:.{0,200}?SPT=(?P<source_port>\d{1,5}) DPT=(?P<destination_port>\d{1,5}))?",
        ("nf_ct_proto_6: ", "nf_ct_tcp: "), "connection tracking on this host found a packet that does not fit the connection as it knows it", "unknown", "unverified",
    ),
    Message(
        "tcp_memory", "out_of_memory", r"TCP: (?:out of memory -- consider tuning tcp_mem|too many orphaned sockets)",
        ("out of memory -- consider tuning tcp_mem", "too many orphaned sockets"), "the kernel was short of memory for sockets, and ended some with a reset", "server", "third_party",
    ),
    Message(
        "out_of_memory", "out_of_memory", r"Out of memory: Killed process (?P<pid>\d{1,10})", ("Out of memory: Killed process",),
        "memory ran out and the kernel killed this process, whose connections it then closed: with a reset where data was unread", "server", "unverified",
    ),
    Message(
        "segfault", "crash", r"\S{1,32}\[(?P<pid>\d{1,10})\]: segfault at ", ("]: segfault at ",), "this process crashed, and the kernel closed its connections", "server", "unverified",
    ),
    Message(
        "link_down", "unreachable", r".{0,60}?Link is Down", (" Link is Down",), "a network interface of this host lost its link; connections over it then time out", "unknown", "unverified",
    ),
)  # fmt: skip

_K = "May  1 12:00:00 host1 kernel: "
SAMPLES = (
    Sample(
        f"{_K}[  972.964973] TCP: request_sock_TCP: Possible SYN flooding on port 10.2.0.2:1310. Sending cookies.", "syn_flood", "rejected", "2024-05-01T12:00:00Z",
        {"server_ip": "10.2.0.2", "server_port": 1310, "writer": "server"},
    ),
    Sample(f"{_K}[55175.445625] TCP: request_sock_TCPv6: Possible SYN flooding on port 34391. Dropping request.  Check SNMP counters.", "syn_flood", "rejected", None, {"server_ip": None}),
    Sample("Mar 14 03:12:18 dbhost01 kernel: nf_conntrack: nf_conntrack: table full, dropping packet", "tracking_full", "detail", "2024-03-14T03:12:18Z"),
    Sample(
        f"{_K}nf_ct_proto_6: invalid packet ignored in state ESTABLISHED  IN= OUT= SRC=192.0.2.10 DST=192.0.2.20 LEN=40 TOS=0x00 PREC=0x00 TTL=63 ID=0 DF PROTO=TCP SPT=51234 DPT=5432 SEQ=1 ACK=0 WINDOW=0 RES=0x00 RST URGP=0",
        "invalid_packet", "detail", None, {"client_ip": "192.0.2.10", "server_port": 5432},
    ),
    Sample(f"{_K}[4621211.812000] TCP: out of memory -- consider tuning tcp_mem", "tcp_memory", "out_of_memory"),
    Sample(f"{_K}TCP: too many orphaned sockets", "tcp_memory", "out_of_memory"),
    Sample(f"{_K}[12345.678901] Out of memory: Killed process 21643 (postgres) total-vm:123456kB, anon-rss:65432kB", "out_of_memory", "out_of_memory", None, {"pid": 21643}),
    Sample(f"{_K}[12345.678901] postgres[21643]: segfault at 0 ip 000055d0c8a3f2b0 sp 00007ffd error 4 in postgres[55d0c8000000+4a0000]", "segfault", "crash", None, {"pid": 21643}),
    Sample(f"{_K}[12345.678901] e1000e 0000:00:19.0 eth0: NIC Link is Down", "link_down", "unreachable"),
)  # fmt: skip

FORMAT = LogFormat(
    id="kernel",
    title="Linux kernel log (SYN flooding, connection tracking, out of memory, crashes)",
    reference="https://docs.kernel.org/networking/ip-sysctl.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("kernel",),
)
