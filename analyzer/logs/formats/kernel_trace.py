"""The Linux kernel's own trace of resets: tcp_send_reset and tcp_receive_reset, from trace_pipe, perf script, or a script of bpftrace that
prints a time of day, the event's name, and the fields as trace_pipe has them.

Lives here: the format. This is the strongest word that a log can have: the kernel says that it sent a reset, or that one reached a socket of
its own, and since Linux 6.10 why it sent it. Of tcp_send_reset `src` is this host; of tcp_receive_reset `saddr` is, the other way round than
in the packet. Its clock counts from the machine's start; the trace of `pcapreport capture-command` has a stamp of the wall clock in front.
Never here: which of the two ends is the server; that is read from the ports.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, LogFormat, Message, Sample, end

_STAMP = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S{0,16} \s{0,24}"
# comm-pid [cpu] flags time: event: (trace_pipe), or comm pid [cpu] time: tcp:event: (perf script); before it, a stamp that a shell put there
_HEAD = re.compile(
    rf"(?:{_STAMP}(?:\S{{1,8}} )?(?=(?:tcp:)?tcp_\w{{1,40}}: ))|(?:{_STAMP})?"
    r"\S[^\[\n]{0,60}?[- ]\d{1,10}(?:/\d{1,10})?\s{1,12}(?:\([^)]{1,12}\) )?\[\d{3}\]\s{1,4}(?:\S{4,6}\s{1,4})?\d{1,10}\.\d{6,9}:\s{1,8}(?=(?:tcp:)?tcp_\w{1,40}: )"
)


def head(text: str) -> Head | None:
    """The process that happened to run is no identity: a reset is often sent while another one runs."""
    found = _HEAD.match(text)
    return Head(body=found.end(), exclusive=True) if found else None


_NEW = rf"(?:tcp:)?tcp_send_reset: (?:skbaddr=\S{{1,24}} skaddr=\S{{1,24}} )?(?:family=\S{{1,12}} )?src={end('local')} dest={end('remote')}(?: state=\S{{1,20}})?"
_OLD = (  # IPv4 stands there twice, the second time as IPv6 writes it
    r"(?:family=\S{1,12} )?sport=(?P<local_port>\d{1,5}) dport=(?P<remote_port>\d{1,5}) saddr=\S{7,15} daddr=\S{7,15} "
    r"saddrv6=(?P<local_ip>[0-9A-Fa-f.:]{2,45}) daddrv6=(?P<remote_ip>[0-9A-Fa-f.:]{2,45})"
)
_SENT = "this host's own kernel sent a reset of this connection"
# Why, as Linux 6.10 and later say it -> what that means.
_REASONS = {
    "NO_SOCKET": "no socket was there for the packet that it answers",
    "TCP_TIMEWAIT_SOCKET": "data came for a connection that this host had closed before",
    "TCP_ABORT_ON_CLOSE": "the program closed while data was unread",
    "TCP_ABORT_ON_LINGER": "the connection was left to linger, and something came",
    "TCP_ABORT_ON_DATA": "data came after this host had closed",
    "TCP_ABORT_ON_MEMORY": "there was no memory for it",
    "TCP_STATE": "the program aborted it (SO_LINGER 0, or a socket that was destroyed)",
    "TCP_KEEPALIVE_TIMEOUT": "nothing answered its keepalive probes",
    "TCP_DISCONNECT_WITH_DATA": "the program disconnected while data was unsent",
    "TCP_FLAGS": "a listening socket, or one that was still opening, got a packet that can be no part of a handshake with it",
    "TCP_INVALID_ACK_SEQUENCE": "during the handshake something was acknowledged that had never been sent",
    "INVALID_SYN": "a SYN came for a connection whose handshake was under way",
}


def _because(reason: str, proves: str) -> Message:
    return Message(
        f"sent_{reason.lower()}",
        "reset_sent",
        rf"{_NEW} reason=(?P<reason>{reason})\b",
        (f"reason={reason}",),
        f"{_SENT}: {proves}",
        "unknown",
        "lab",
    )


MESSAGES = (
    *(_because(reason, proves) for reason, proves in _REASONS.items()),
    Message("sent", "reset_sent", _NEW, ("tcp_send_reset: ",), f"{_SENT}; its reason is in the line where the kernel gives one", "unknown", "lab"),
    Message("sent_before_6_10", "reset_sent", rf"(?:tcp:)?tcp_send_reset: {_OLD}", ("tcp_send_reset: ",), f"{_SENT}; kernels before 6.10 say nothing of resets for closed ports", "unknown", "source"),
    Message("received", "reset_received", rf"(?:tcp:)?tcp_receive_reset: {_OLD}", ("tcp_receive_reset: ",), "a reset reached this host's socket; whose address it carries is no proof of who sent it", "unknown", "lab"),
)  # fmt: skip

_ENDS = {"client_ip": "127.0.0.1", "client_port": 55432, "server_ip": "127.0.0.1", "server_port": 32984, "zone": "boot"}
_OPEN = {"client_ip": "10.0.0.1", "client_port": 33000, "server_ip": "10.0.0.2", "server_port": 5432}
SAMPLES = (
    Sample(
        "         python3-872     [001] .....  2349.827373: tcp_send_reset: skbaddr=0000000000000000 skaddr=00000000b8a4990e src=127.0.0.1:33006 dest=127.0.0.1:55432 state=TCP_CLOSE reason=TCP_ABORT_ON_CLOSE",
        "sent_tcp_abort_on_close", "reset_sent", "1970-01-01T00:39:09.827373Z",
        {"client_port": 55432, "server_port": 33006, "writer": "server", "zone": "boot", "resolution": 1e-06, "pid": None},
    ),
    Sample(
        "         python3-872     [001] ..s2.  2347.216268: tcp_receive_reset: family=AF_INET sport=55432 dport=32984 saddr=127.0.0.1 daddr=127.0.0.1 saddrv6=::ffff:127.0.0.1 daddrv6=::ffff:127.0.0.1 sock_cookie=100f",
        "received", "reset_received", "1970-01-01T00:39:07.216268Z", _ENDS | {"writer": "client"},
    ),
    Sample(
        "          <idle>-0     [001] ..s.  2347.216298: tcp_send_reset: family=AF_INET sport=5432 dport=51234 saddr=192.0.2.20 daddr=192.0.2.10 saddrv6=::ffff:192.0.2.20 daddrv6=::ffff:192.0.2.10 state=TCP_CLOSE",
        "sent_before_6_10", "reset_sent", None, {"client_ip": "192.0.2.10", "client_port": 51234, "server_ip": "192.0.2.20", "server_port": 5432, "writer": "server"},
    ),
    Sample(
        "         python3 25527 [001]  4342.087068:    tcp:tcp_send_reset: skbaddr=(nil) skaddr=0xffff8881994db780 src=10.0.0.1:33000 dest=10.0.0.2:5432 state=0x7 reason=NOT_SPECIFIED",
        "sent", "reset_sent", "1970-01-01T01:12:22.087068Z", _OPEN | {"writer": "client"},
    ),
    Sample(
        "         python3-872     [001] .N...  2347.216298: tcp_send_reset: skbaddr=0000000000000000 skaddr=00000000b8a4990e src=[2001:db8::1]:33000 dest=[2001:db8::2]:5432 state=TCP_CLOSE reason=TCP_STATE",
        "sent_tcp_state", "reset_sent", None, {"client_ip": "2001:db8::1", "client_port": 33000, "server_ip": "2001:db8::2", "server_port": 5432},
    ),
    Sample(  # as `pcapreport capture-command` has it written
        "2024-05-01 21:00:00+0900          python3-872     [001] .N...  2347.216298: tcp_send_reset: skbaddr=0000000000000000 skaddr=00000000b8a4990e src=10.0.0.1:33000 dest=10.0.0.2:5432 state=TCP_CLOSE reason=TCP_STATE",
        "sent_tcp_state", "reset_sent", "2024-05-01T12:00:00Z", _OPEN | {"zone": "printed", "resolution": 1.0, "writer": "client"},
    ),
    Sample(  # bpftrace, by a script of somebody's own
        "2024-05-01 21:00:00.123456+0900 tcp_send_reset: src=10.0.0.1:33000 dest=10.0.0.2:5432 reason=TCP_STATE",
        "sent_tcp_state", "reset_sent", "2024-05-01T12:00:00.123456Z", _OPEN | {"zone": "printed", "resolution": 1e-06, "writer": "client"},
    ),
    *(
        Sample(
            f"         python3-872     [001] ..s1.  2350.327649: tcp_send_reset: skbaddr=00000000de2c9d8c skaddr=0000000000000000 src=10.0.0.1:33000 dest=10.0.0.2:5432 state=UNKNOWN reason={reason}",
            f"sent_{reason.lower()}", "reset_sent", "1970-01-01T00:39:10.327649Z", _OPEN,
        )
        for reason in _REASONS
    ),
)  # fmt: skip

FORMAT = LogFormat(
    id="kernel_trace",
    title="Linux kernel trace of resets (trace_pipe, perf script, bpftrace)",
    reference="https://docs.kernel.org/trace/events.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
)
