"""MongoDB's server log: JSON since 4.4, text before.

Lives here: the format. A line names the client with its port; the session is `conn157`. "Connection ended" is printed for every end, so it
argues for nothing; the system's error text stands only in the lines about a failed receive or send, which recent versions print at debug
level 2.
Never here: what its drivers say.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Message, Sample, end

_HEAD = re.compile(
    r'\{"t":\{"\$date":"[^"]{10,40}"\},\s{0,4}"s":"(?P<severity>[A-Z]\d?)",\s{0,4}"c":"[^"]{1,20}",\s{0,6}(?="id":\d)'
)
_CONTEXT = re.compile(r'"ctx":"(?P<session>conn\d{1,20})"')
_NUMBER = re.compile(r'"connectionId":(?P<number>\d{1,20})')
_REMOTE = re.compile(rf'"remote":"{end("client")}"')
_TEXT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4} (?P<severity>[A-Z]\d?) {1,2}[A-Z]{1,12} {1,4}\[(?P<context>[^\]]{1,60})\] "
)
_SEVERITIES = {"F": "FATAL", "E": "ERROR", "W": "WARNING", "I": "INFO", "D": "DEBUG"}


def head(text: str) -> Head | None:
    """Client and session stand in the JSON's attributes; the listener's lines name the connection by number."""
    old = _TEXT.match(text)
    if old:
        context = old["context"]
        return Head(
            body=old.end(), exclusive=True, severity=_SEVERITIES.get(old["severity"][0]), session=context if context.startswith("conn") else None
        )  # fmt: skip
    found = _HEAD.match(text)
    if found is None:
        return None
    context_, number, remote = _CONTEXT.search(text, 0, 4000), _NUMBER.search(text), _REMOTE.search(text)
    session = f"conn{number['number']}" if number else context_["session"] if context_ else None
    return Head(
        body=found.end(), exclusive=True, severity=_SEVERITIES.get(found["severity"][0]), session=session,
        client_ip=remote["client_ip"] if remote else None, client_port=int(remote["client_port"]) if remote else None,
    )  # fmt: skip


_ERROR = r'.{0,4000}?"(?:error|errmsg)":"(?P<error>[^"]{1,400})"'
_STATUS = (
    r"(?:HostUnreachable|NetworkInterfaceExceededTimeLimit|InterruptedAtShutdown|ConnectionPoolExpired|SocketException)"
)

MESSAGES = (
    Message("accepted", "opened", r'"id":22943,', ('"id":22943,',), "the server accepted this connection", "server", "third_party"),
    Message(
        "ended", "closed", r'"id":22944,', ('"id":22944,',), "this connection ended; the same is printed for every end, a FIN as well as a reset",
        "server", "third_party",
    ),
    Message(
        "ended_by_peer", "unexpected_end", r'"id":(?:22986|22988|22989),.{0,4000}?Connection closed by peer', ("Connection closed by peer",),
        "the client ended its stream: a FIN, not a reset", "server", "source",
    ),
    Message("receive_failed", BY_ERROR, rf'"id":(?:22986|22988),{_ERROR}', ('"id":22986,', '"id":22988,'), "receiving from this client failed", "server", "source"),
    Message("send_failed", BY_ERROR, rf'"id":22989,{_ERROR}', ('"id":22989,',), "sending to this client failed", "server", "source"),
    Message(
        "too_many", "rejected", r'"id":22942,', ('"id":22942,',), "the server turned this client away because maxIncomingConnections was reached",
        "server", "source",
    ),
    Message(
        "status_closed", "unexpected_end", rf'"id":\d{{1,10}},.{{0,4000}}?{_STATUS}: Connection closed by peer', (": Connection closed by peer",),
        "the other end of a connection of this server ended the stream: a FIN, not a reset", "unknown", "third_party",
    ),
    Message(
        "status", BY_ERROR, rf'"id":\d{{1,10}},.{{0,4000}}?{_STATUS}: (?P<error>[^",}}]{{1,400}})',
        ("HostUnreachable: ", "NetworkInterfaceExceededTimeLimit: ", "InterruptedAtShutdown: ", "ConnectionPoolExpired: ", "SocketException: "),
        "a connection of this server failed, to a client or to another member", "unknown", "third_party", unknown_error=None,
    ),
    Message(
        "text_ended", "closed", rf"end connection {end('client')} \(\d{{1,10}} connections? now open\)", ("end connection ",),
        "this connection ended; the same is printed for every end, a FIN as well as a reset", "server", "third_party",
    ),
    Message(
        "text_not_accepted", "reset_or_eof", r"Error accepting new connection SocketException: ", ("Error accepting new connection ",),
        "the client was gone before the server had accepted its connection", "server", "third_party",
    ),
    Message(
        "text_failed", BY_ERROR, r"SocketException handling request, closing client connection: (?P<error>.{1,400})", ("SocketException handling request",),
        "reading from or sending to this client failed", "server", "third_party",
    ),
)  # fmt: skip

_T = '{{"t":{{"$date":"2024-05-01T12:00:00.123+00:00"}},"s":"{}",  "c":"NETWORK",  "id":{},   "ctx":"{}","msg":"{}","attr":{}}}'
_CLIENT = {"client_ip": "192.0.2.10", "client_port": 35990, "session": "conn157", "writer": "server"}
SAMPLES = (
    Sample(
        '{"t":{"$date":"2022-03-03T15:15:17.632+00:00"},"s":"I",  "c":"NETWORK",  "id":22943,   "ctx":"listener","msg":"Connection accepted",'
        '"attr":{"remote":"127.0.0.1:36072","connectionId":158,"connectionCount":1}}',
        "accepted", "opened", "2022-03-03T15:15:17.632Z",
        {"client_ip": "127.0.0.1", "client_port": 36072, "session": "conn158", "severity": "INFO", "zone": "printed"},
    ),
    Sample(
        '{"t":{"$date":"2022-03-03T15:15:07.681+01:00"},"s":"I",  "c":"NETWORK",  "id":22944,   "ctx":"conn157","msg":"Connection ended",'
        '"attr":{"remote":"[2001:db8::5]:35990","connectionId":157,"connectionCount":0}}',
        "ended", "closed", "2022-03-03T14:15:07.681Z", {"client_ip": "2001:db8::5", "client_port": 35990, "session": "conn157"},
    ),
    Sample(
        _T.format("I", 22988, "conn157", "Error receiving request from client. Ending connection from remote",
                  '{"error":{"code":6,"codeName":"HostUnreachable","errmsg":"Connection reset by peer"},"remote":"192.0.2.10:35990","connectionId":157}'),
        "receive_failed", "reset_received", "2024-05-01T12:00:00.123Z", _CLIENT,
    ),
    Sample(
        _T.format("D2", 22986, "conn157", "Session from remote encountered a network error during SourceMessage",
                  '{"remote":"192.0.2.10:35990","error":{"code":6,"codeName":"HostUnreachable","errmsg":"Connection closed by peer"}}'),
        "ended_by_peer", "unexpected_end", None, _CLIENT,
    ),
    Sample(
        _T.format("I", 22989, "conn157", "Error sending response to client. Ending connection from remote",
                  '{"error":"HostUnreachable: Broken pipe","remote":"192.0.2.10:35990","connectionId":157}'),
        "send_failed", "broken_pipe", None, _CLIENT,
    ),
    Sample(
        _T.format("I", 22942, "listener", "Connection refused because there are too many open connections", '{"remote":"192.0.2.10:35990","connectionCount":819}'),
        "too_many", "rejected", None, {"client_port": 35990, "session": None},
    ),
    Sample(
        '{"t":{"$date":"2024-01-16T22:05:13.913+00:00"},"s":"D1", "c":"ASSERT",   "id":23074,   "ctx":"conn605","msg":"User assertion",'
        '"attr":{"error":"HostUnreachable: Connection closed by peer","file":"src/mongo/transport/service_state_machine.cpp","line":299}}',
        "status_closed", "unexpected_end", None, {"session": "conn605"},
    ),
    Sample(
        _T.format("D1", 23074, "conn605", "User assertion", '{"error":"HostUnreachable: Connection reset by peer","line":299}'),
        "status", "reset_received", None, {"session": "conn605", "writer": "unknown"},
    ),
    Sample(
        "2017-11-28T09:34:51.445+0000 I NETWORK  [conn22] end connection 192.168.66.36:42522 (4 connections now open)",
        "text_ended", "closed", "2017-11-28T09:34:51.445Z", {"client_ip": "192.168.66.36", "client_port": 42522, "session": "conn22"},
    ),
    Sample(
        "2019-10-10T14:48:56.457+0000 W  NETWORK  [listener] Error accepting new connection SocketException: remote_endpoint: Transport endpoint is not connected",
        "text_not_accepted", "reset_or_eof", "2019-10-10T14:48:56.457Z", {"severity": "WARNING"},
    ),
    Sample(
        "2019-10-10T14:48:56.457+0000 I  NETWORK  [conn7] SocketException handling request, closing client connection: Connection reset by peer",
        "text_failed", "reset_received",
    ),
)  # fmt: skip

FORMAT = LogFormat(
    id="mongodb",
    title="MongoDB server log (JSON since 4.4, text before)",
    reference="https://www.mongodb.com/docs/manual/reference/log-messages/",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("mongod", "mongos"),
)
