"""Node programs: what its net, http and tls modules, fetch and the SQL drivers say of a broken connection.

Lives here: the format. Node sets the code ECONNRESET also where the stream ended with a FIN ("socket hang up", "aborted"): those words are
asked for before the code, and never argue for a reset.
"""

from __future__ import annotations

from analyzer.logs.log_format import LogFormat, all_samples, end, told, usual_head

_CODE = " {\n  errno: -104,\n  code: 'ECONNRESET',\n  syscall: 'read'\n}"
TOLD = (
    told("hang_up", "reset_or_eof", r"socket hang up", ("socket hang up",), "Node found the stream ended, or aborted it itself; its code ECONNRESET is set either way",
         {"Error: socket hang up\n    at Socket.socketOnEnd (node:_http_client:528:25) {\n  code: 'ECONNRESET'\n}": {}}, verified="lab"),
    told("aborted", "reset_or_eof", r"\bError: aborted\b|\bECONNRESET aborted\b", ("Error: aborted", "ECONNRESET aborted"), "Node found the response cut off; its code ECONNRESET is set for a FIN too",
         {"Error: aborted\n    at connResetException (node:internal/errors:787:14) {\n  code: 'ECONNRESET'\n}": {}, "write failed: ECONNRESET aborted": {}}, verified="lab"),
    told("tls_end", "reset_or_eof", r"socket disconnected before secure TLS connection", ("socket disconnected before secure TLS",), "Node found the stream ended during the TLS handshake; its code ECONNRESET is set for a FIN too",
         {"Error: Client network socket disconnected before secure TLS connection was established {\n  code: 'ECONNRESET',": {}}, verified="lab"),
    told("other_side", "reset_or_eof", r"SocketError: other side closed", ("other side closed",), "Node's fetch found the stream ended",
         {"TypeError: fetch failed\n  [cause]: SocketError: other side closed\n    socket: {\n      localAddress: '127.0.0.1',\n      localPort: 38938,\n      remoteAddress: '127.0.0.1',\n      remotePort: 9104,":
          {"client_ip": "127.0.0.1", "client_port": 38938, "server_port": 9104, "writer": "client"}}, verified="lab"),
    told("ended", "closed_locally", r"This socket has been ended by the other party|ERR_STREAM_WRITE_AFTER_END|ERR_STREAM_DESTROYED", ("This socket has been ended by the other party", "ERR_STREAM_WRITE_AFTER_END", "ERR_STREAM_DESTROYED"),
         "the program wrote to a connection that Node had already taken down",
         {"Error: This socket has been ended by the other party": {}, "Error [ERR_STREAM_WRITE_AFTER_END]: write after end": {}, "Error [ERR_STREAM_DESTROYED]: Cannot call write after a stream was destroyed": {}}, verified="unverified"),
    told("refused", "refused", rf"connect ECONNREFUSED {end('server')}", ("connect ECONNREFUSED ",), "a reset answered the client's SYN",
         {"Error: connect ECONNREFUSED 127.0.0.1:9199\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16) {\n  errno: -111,\n  code: 'ECONNREFUSED'": {"server_ip": "127.0.0.1", "server_port": 9199},
          "Error: connect ECONNREFUSED ::1:9199": {"server_ip": "::1", "server_port": 9199}}, writer="client", verified="lab"),
    told("connect_reset", "reset_received", rf"connect ECONNRESET {end('server')}", ("connect ECONNRESET ",), "the client's kernel had received a reset as soon as the connection stood",
         {"Error: connect ECONNRESET 127.0.0.1:9101\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16)": {"server_ip": "127.0.0.1", "server_port": 9101}}, writer="client", verified="lab"),
    told("connect_timeout", "timed_out", rf"connect ETIMEDOUT {end('server')}", ("connect ETIMEDOUT ",), "no answer came to the client's SYN",
         {"Error: connect ETIMEDOUT 192.0.2.20:443": {"server_ip": "192.0.2.20", "server_port": 443}}, writer="client", verified="unverified"),
    told("own_timeout", "local_timeout", r"\bESOCKETTIMEDOUT\b|UND_ERR_(?:HEADERS|BODY|CONNECT)_TIMEOUT", ("ESOCKETTIMEDOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "UND_ERR_CONNECT_TIMEOUT"), "the program's own timer expired while it waited",
         {"Error: ESOCKETTIMEDOUT": {}, "TypeError: fetch failed {\n  code: 'UND_ERR_HEADERS_TIMEOUT'": {}}, verified="lab"),
    told("pg_lost", "reset_or_eof", r"Connection terminated unexpectedly|Client has encountered a connection error and is not queryable", ("Connection terminated unexpectedly", "Client has encountered a connection error and"), "node-postgres, the client, lost the server",
         {"Error: Connection terminated unexpectedly\n    at Connection.<anonymous> (/app/node_modules/pg/lib/client.js:132:73)": {}, "Error: Client has encountered a connection error and is not queryable": {}}, writer="client", verified="unverified"),
    told("mysql_lost", "reset_or_eof", r"Connection lost: The server closed the connection|PROTOCOL_CONNECTION_LOST", ("Connection lost: The server closed the connection", "PROTOCOL_CONNECTION_LOST"), "the MySQL driver, the client, found the stream ended",
         {"Error: Connection lost: The server closed the connection.\n  code: 'PROTOCOL_CONNECTION_LOST'": {}}, writer="client", verified="third_party"),
    told("reset", "reset_received", r"Error: (?:read|write) ECONNRESET\b", ("Error: read ECONNRESET", "Error: write ECONNRESET"), "the writer's kernel had received a reset",
         {"Error: read ECONNRESET\n    at TCP.onStreamRead (node:internal/stream_base_commons:218:20)" + _CODE: {}, "TypeError: fetch failed\n  [cause]: Error: read ECONNRESET": {}}, verified="lab"),
    told("broken_pipe", "broken_pipe", r"Error: write EPIPE\b", ("Error: write EPIPE",), "the writer wrote to a connection that was already closed or reset",
         {"Error: write EPIPE\n    at afterWriteDispatched (node:internal/stream_base_commons:160:15) {\n  errno: -32,\n  code: 'EPIPE',\n  syscall: 'write'\n}": {}}, verified="unverified"),
)  # fmt: skip

FORMAT = LogFormat(
    id="node",
    title="Node: errors with their stacks; fetch, node-postgres, mysql2",
    reference="https://nodejs.org/api/errors.html#common-system-errors",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01 12:00:00,123 ERROR app: ", "2024-05-01T12:00:00.123Z"),
    head=usual_head,
    anchored=False,
    rank=5,
)
