"""OpenSSH: sshd and ssh. sshd tells a reset from an end of stream, and names its client with the port.

Lives here: the format. Its lines carry no time of their own: syslog or the journal gives it, with the process id of this connection.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, all_samples, told

_HEAD = re.compile(r"(?:(?P<level>error|fatal|debug\d): )?(?:ssh_dispatch_run_fatal: )?")
_LEVELS = {"error": "ERROR", "fatal": "FATAL"}


def head(text: str) -> Head | None:
    """A level may stand before the message."""
    found = _HEAD.match(text)
    return Head(body=found.end(), severity=_LEVELS.get(found["level"] or "")) if found else None


_CLIENT = r"(?P<client_ip>[0-9A-Fa-f:.]{2,45}) port (?P<client_port>\d{1,5})"
_WHO = r"(?:(?:authenticating |invalid )?user (?P<user>\S{0,63}) )?"
_END = {
    "client_ip": "192.0.2.10",
    "client_port": 51234,
    "pid": 21643,
    "host": "host1",
    "program": "sshd",
    "writer": "server",
}
TOLD = (
    told("reset", "reset_received", rf"Connection reset by {_WHO}{_CLIENT}", ("Connection reset by ",), "the server's kernel had received a reset from this client",
         {"Connection reset by 192.0.2.10 port 51234 [preauth]": _END, "Connection reset by authenticating user root 192.0.2.10 port 51234 [preauth]": _END | {"user": "root"}}, writer="server"),
    told("closed", "closed", rf"Connection closed by {_WHO}{_CLIENT}", ("Connection closed by ",), "the client ended the connection with a FIN",
         {"Connection closed by 192.0.2.10 port 51234 [preauth]": _END, "Connection closed by invalid user admin 192.0.2.10 port 51234 [preauth]": _END | {"user": "admin"}}, writer="server"),
    told("timed_out", "local_timeout", rf"Connection (?:from|to) {_WHO}{_CLIENT} timed out", ("Connection from ", "Connection to "), "sshd gave the connection up because nothing came from this client",
         {"Connection from 192.0.2.10 port 51234 timed out": _END}, writer="server"),
    told("read_error", BY_ERROR, rf"Read error from remote host (?:(?P<user>\S{{1,63}}) )?{_CLIENT}: (?P<error>.{{1,200}})", ("Read error from remote host ",), "reading from this client failed",
         {"Read error from remote host 192.0.2.10 port 51234: Connection reset by peer": _END | {"event": "reset_received"}, "Read error from remote host app 192.0.2.10 port 51234: Connection timed out": _END | {"event": "timed_out", "user": "app"}}, writer="server", unknown_error="reset_or_eof"),
    told("not_responding", "local_timeout", rf"Timeout, client not responding from {_WHO}{_CLIENT}", ("Timeout, client not responding from ",), "sshd ended the connection because the client answered none of its probes (ClientAliveCountMax)",
         {"Timeout, client not responding from user app 192.0.2.10 port 51234": _END | {"user": "app"}}, writer="server"),
    told("login_grace", "local_timeout", r"Timeout before authentication for (?:connection from )?(?P<client_ip>[0-9A-Fa-f:.]{2,45})(?: port (?P<client_port>\d{1,5})| to (?P<server_ip>[0-9A-Fa-f:.]{2,45}))?", ("Timeout before authentication for ",), "sshd ended the connection because nobody had logged in in time (LoginGraceTime)",
         {"Timeout before authentication for connection from 192.0.2.10 to 192.0.2.20, pid = 21650": {"client_ip": "192.0.2.10", "server_ip": "192.0.2.20"}, "fatal: Timeout before authentication for 192.0.2.10 port 51234": _END | {"severity": "FATAL"}}, writer="server"),
    told("said_goodbye", "closed", rf"(?:Received disconnect|Disconnected) from {_WHO}{_CLIENT}", ("Received disconnect from ", "Disconnected from "), "the client ended its SSH session in order",
         {"Received disconnect from 192.0.2.10 port 51234:11: disconnected by user": _END, "Disconnected from user app 192.0.2.10 port 51234": _END | {"user": "app"}}, writer="server"),
    told("connection_from", "opened", rf"Connection from {_CLIENT} on (?P<server_ip>[0-9A-Fa-f:.]{{2,45}}) port (?P<server_port>\d{{1,5}})", ("Connection from ",), "a client connected to this process",
         {'Connection from 192.0.2.10 port 51234 on 192.0.2.20 port 22 rdomain ""': _END | {"server_ip": "192.0.2.20", "server_port": 22}}, writer="server"),
    told("accepted", "authenticated", rf"Accepted \S{{1,40}} for (?P<user>\S{{1,63}}) from {_CLIENT} ssh2", ("Accepted ",), "this client logged in",
         {"Accepted publickey for app from 192.0.2.10 port 51234 ssh2: ED25519 SHA256:abc": _END | {"user": "app"}}, writer="server"),
    told("no_common_algorithm", "protocol_error", rf"Unable to negotiate with {_CLIENT}: ", ("Unable to negotiate with ",), "sshd ended the connection because it had no algorithm in common with this client",
         {"Unable to negotiate with 192.0.2.10 port 51234: no matching host key type found. Their offer: ssh-rsa [preauth]": _END}, writer="server"),
    told("turned_away", "rejected", r"drop connection #\d{1,6} from \[(?P<client_ip>[^\]]{2,45})\]:(?P<client_port>\d{1,5}) on \[(?P<server_ip>[^\]]{2,45})\]:(?P<server_port>\d{1,5}) (?:past MaxStartups|penalty)", ("drop connection #",), "sshd closed a connection at once because it had too many, or had seen this client fail too often",
         {"drop connection #10 from [192.0.2.10]:51234 on [192.0.2.20]:22 past MaxStartups": {"client_ip": "192.0.2.10", "client_port": 51234, "server_port": 22}}, writer="server", verified="unverified"),
    told("before_banner", BY_ERROR, r"kex_exchange_identification: (?:read: )?(?P<error>.{1,200})", ("kex_exchange_identification: ",), "the connection was cut before the peer had named its version",
         {"error: kex_exchange_identification: read: Connection reset by peer": {"event": "reset_received", "severity": "ERROR"}, "error: kex_exchange_identification: Connection closed by remote host": {"event": "unexpected_end"}}, unknown_error="unexpected_end"),
    told("session_dead", BY_ERROR, r"client_loop: send disconnect: (?P<error>.{1,100})", ("client_loop: send disconnect: ",), "ssh, the client, found its session dead",
         {"client_loop: send disconnect: Broken pipe": {"event": "broken_pipe", "writer": "client"}}, writer="client"),
    told("packet_write", BY_ERROR, r"packet_write_wait: Connection to (?P<server_name>\S{1,255}) port (?P<server_port>\d{1,5}): (?P<error>.{1,100})", ("packet_write_wait: Connection to ",), "ssh, the client, found its session dead",
         {"packet_write_wait: Connection to 192.0.2.20 port 22: Broken pipe": {"event": "broken_pipe", "server_ip": "192.0.2.20", "server_port": 22}}, writer="client"),
    told("read_from_remote", BY_ERROR, r"Read from remote host (?P<server_name>[^:\s]{1,255}): (?P<error>.{1,100})", ("Read from remote host ",), "reading from the server failed",
         {"Read from remote host 192.0.2.20: Connection reset by peer": {"event": "reset_received", "writer": "client"}}, writer="client"),
    told("closed_by_server", "unexpected_end", r"Connection to (?P<server_name>\S{1,255}) closed by remote host", ("closed by remote host.",), "the server ended the connection while ssh, the client, still used it",
         {"Connection to 192.0.2.20 closed by remote host.": {"writer": "client"}}, writer="client"),
    told("server_silent", "local_timeout", r"Timeout, server (?P<server_name>\S{1,255}) not responding", ("Timeout, server ",), "ssh, the client, gave the connection up because the server answered none of its probes (ServerAliveCountMax)",
         {"Timeout, server 192.0.2.20 not responding.": {"writer": "client"}}, writer="client"),
)  # fmt: skip

FORMAT = LogFormat(
    id="openssh",
    title="OpenSSH: sshd, ssh",
    reference="https://man.openbsd.org/sshd_config#LogLevel",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "May  1 12:00:00 host1 sshd[21643]: ", "2024-05-01T12:00:00Z"),
    head=head,
    anchored=True,
    programs=("sshd", "sshd-session", "sshd-auth", "ssh"),
)
