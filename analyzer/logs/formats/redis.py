"""Redis' and Valkey's log.

Lives here: the format. Most of what it says of connections stands at level verbose (`-`). It prints the system's error text, so it can
tell a reset from an end of stream, but with that text it names no client.
Never here: the process id as an identity, since one process serves all clients.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Message, Sample, end

_HEAD = re.compile(
    r"\d{1,10}:[XCSM] \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3} (?P<level>[.\-*#]|<\w{1,20}> [.\-*#]) "
)
_LEVELS = {".": "DEBUG", "-": "VERBOSE", "*": "NOTICE", "#": "WARNING"}


def head(text: str) -> Head | None:
    """Redis prints the level as one character."""
    found = _HEAD.match(text)
    return Head(body=found.end(), exclusive=True, severity=_LEVELS[found["level"][-1]]) if found else None


_CLIENT = rf"(?:id=(?P<session>\d{{1,20}}) )?addr={end('client')}(?: laddr={end('server')})?"

MESSAGES = (
    Message("accepted", "opened", rf"Accepted {end('client')}", (" Accepted ",), "the server accepted this connection", "server", "lab"),
    Message("read_failed", BY_ERROR, r"Reading from client: (?P<error>.{1,200})", ("Reading from client: ",), "reading from a client failed", "server", "lab"),
    Message("write_failed", BY_ERROR, r"Error writing to client: (?P<error>.{1,200})", ("Error writing to client: ",), "sending to a client failed", "server", "source"),
    Message(
        "client_closed", "closed", rf"Client closed connection {_CLIENT}", ("Client closed connection ",),
        "the client ended its stream: a FIN, not a reset", "server", "lab",
    ),
    Message("idle", "idle_timeout", r"Closing idle client", ("Closing idle client",), "the server closed a client that sat idle for longer than `timeout`", "server", "lab"),
    Message(
        "output_limit", "closed", rf"Client {_CLIENT}.{{0,2000}}? scheduled to be closed ASAP for overcoming of output buffer limits",
        ("overcoming of output buffer limits",), "the server itself closed this client, which took its answers too slowly (client-output-buffer-limit)",
        "server", "lab",
    ),
    Message(
        "query_limit", "closed", rf"Closing client that reached max query buffer length: {_CLIENT}", ("Closing client that reached max query buffer",),
        "the server itself closed this client, whose query was larger than client-query-buffer-limit", "server", "source",
    ),
    Message(
        "not_redis", "protocol_error", rf"Protocol error \([^)]{{1,200}}\) from client: {_CLIENT}", ("Protocol error (",),
        "what the client sent is not Redis' protocol, and the server closed; unread data turns that into a reset", "server", "lab",
    ),
    Message(
        "http", "protocol_error", rf"Possible SECURITY ATTACK detected\..{{1,400}}?Connection (?:from {end('client')} )?aborted", ("Possible SECURITY ATTACK detected",),
        "somebody sent HTTP to Redis, and the server closed", "server", "lab",
    ),
    Message(
        "replica_lost", "reset_or_eof", r"Connection with replica (?:client id #)?(?P<client_ip>[0-9A-Fa-f.:]{2,45}?)?(?::\d{1,5})? lost", ("Connection with replica ",),
        "this server found a replica's connection gone; whether by FIN or by reset it does not say", "server", "source",
    ),
    Message(
        "master_lost", "reset_or_eof", r"Connection with master lost", ("Connection with master lost",),
        "this replica, here the client, found its connection to the master gone; whether by FIN or by reset it does not say", "client", "source",
    ),
    Message(
        "master_timeout", "local_timeout", r"(?:MASTER timeout: no data nor PING received|Timeout (?:connecting to|receiving bulk data from) (?:the )?MASTER)",
        ("MASTER timeout: ", "Timeout connecting to the MASTER", "Timeout connecting to MASTER", "Timeout receiving bulk data from"),
        "this replica, here the client, gave its silent master up", "client", "source",
    ),
    Message("replica_timeout", "local_timeout", r"Disconnecting timedout replica", ("Disconnecting timedout replica",), "the server gave a silent replica up", "server", "source"),
    Message(
        "not_bound", BY_ERROR, r"(?:Warning: )?Could not create server TCP listening socket \S{1,255}:(?P<server_port>\d{1,5}): bind: (?P<error>.{1,200})",
        ("Could not create server TCP listening socket ",), "the server could not listen on this address", "server", "lab", unknown_error=None,
    ),
    Message("started", "started", r"Ready to accept connections", ("Ready to accept connections",), "the server is ready for connections", "server", "lab"),
    Message(
        "shutdown", "shutdown", r"(?:User requested shutdown|Received SIG(?:TERM|INT) scheduling shutdown|Redis is now ready to exit)",
        ("User requested shutdown", "scheduling shutdown", "Redis is now ready to exit"), "the server is stopping", "server", "lab",
    ),
)  # fmt: skip

_BIND = "18170:M 20 Nov 2026 15:48:01.055 # Warning: Could not create server TCP listening socket *:19001: bind: Address already in use"
_M = "14487:M 20 Nov 2026 07:44:35.190 "
_ID = "id=4 addr=127.0.0.1:34810 laddr=127.0.0.1:9600 fd=8 name= age=0 idle=0 flags=N db=0"
_ENDS = {
    "client_ip": "127.0.0.1",
    "client_port": 34810,
    "server_ip": "127.0.0.1",
    "server_port": 9600,
    "session": "4",
    "pid": None,
}
SAMPLES = (
    Sample(_BIND, "not_bound", "port_in_use", "2026-11-20T15:48:01.055Z", {"server_port": 19001, "client_port": None, "writer": "server"}),
    Sample(
        "14487:M 20 Nov 2026 07:44:34.886 - Accepted 127.0.0.1:34808",
        "accepted", "opened", "2026-11-20T07:44:34.886Z",
        {"client_ip": "127.0.0.1", "client_port": 34808, "severity": "VERBOSE", "zone": "unknown", "resolution": 0.001, "pid": None},
    ),
    Sample("14487:M 20 Nov 2026 07:44:36.090 - Reading from client: Connection reset by peer", "read_failed", "reset_received", "2026-11-20T07:44:36.09Z"),
    Sample("13850:M 20 Nov 2026 07:43:43.456 - Reading from client: Connection timed out", "read_failed", "timed_out"),
    Sample("13850:M 20 Nov 2026 07:43:43.456 - Error writing to client: Broken pipe", "write_failed", "broken_pipe"),
    Sample(
        "12888:M 20 Nov 2026 19:37:05.465 - Client closed connection id=3 addr=10.1.0.2:57068 laddr=10.2.0.2:6379 fd=8 name= age=2 idle=0 flags=N",
        "client_closed", "closed", "2026-11-20T19:37:05.465Z", {"client_port": 57068, "server_ip": "10.2.0.2", "server_port": 6379, "session": "3"},
    ),
    Sample("14487:M 20 Nov 2026 07:44:40.028 - Closing idle client", "idle", "idle_timeout"),
    Sample(f"{_M}# Client {_ID} scheduled to be closed ASAP for overcoming of output buffer limits.", "output_limit", "closed", None, _ENDS),
    Sample(f'{_M}# Closing client that reached max query buffer length: {_ID} (qbuf initial bytes: "x")', "query_limit", "closed", None, _ENDS),
    Sample(f"{_M}- Protocol error (too big inline request) from client: {_ID}", "not_redis", "protocol_error", None, _ENDS),
    Sample(
        f"{_M}# Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to an "
        "attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection aborted.",
        "http", "protocol_error", None, {"client_ip": None, "severity": "WARNING"},
    ),
    Sample(f"{_M}* Connection with replica 192.0.2.30:6380 lost.", "replica_lost", "reset_or_eof", None, {"client_ip": "192.0.2.30", "client_port": None}),
    Sample("13850:S 20 Nov 2026 07:43:43.858 * Connection with master lost.", "master_lost", "reset_or_eof", None, {"writer": "client"}),
    Sample("13850:S 20 Nov 2026 07:43:43.858 # MASTER timeout: no data nor PING received...", "master_timeout", "local_timeout"),
    Sample(f"{_M}# Disconnecting timedout replica (streaming sync): 192.0.2.30:6380", "replica_timeout", "local_timeout"),
    Sample("17635:M 20 Nov 2026 19:41:01.158 * Ready to accept connections", "started", "started", "2026-11-20T19:41:01.158Z"),
    Sample("24598:M 20 Nov 2026 12:42:51.631 # User requested shutdown...", "shutdown", "shutdown"),
)  # fmt: skip

FORMAT = LogFormat(
    id="redis",
    title="Redis and Valkey log",
    reference="https://redis.io/docs/latest/develop/reference/clients/",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("redis", "redis-server", "valkey", "valkey-server"),
)
