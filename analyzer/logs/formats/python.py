"""Python programs: the standard library's exceptions, and what requests, urllib3, aiohttp, httpx and asyncpg say of a broken connection.

Lives here: the format. Its words stand anywhere in an entry, mostly at the end of a traceback, which is one entry with the line above it.
Never here: psycopg, which repeats libpq's texts (libpq.py); gunicorn and uWSGI, which have files of their own.
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, LogFormat, all_samples, told, usual_head

_TRACE = (
    'fetch failed\nTraceback (most recent call last):\n  File "/app/client.py", line 11, in fetch\n    s.recv(10)\n'
)
_CLIENT_LOST = "the client found its connection gone"
TOLD = (
    told("closing_transport", "closed_locally", r"Cannot write to closing transport", ("Cannot write to closing transport",),
         "the program wrote to a connection that it was closing itself",
         {"aiohttp.client_exceptions.ClientConnectionResetError: Cannot write to closing transport": {}}),
    told("connection_lost", "reset_or_eof", r"ConnectionResetError: Connection lost", ("ConnectionResetError: Connection lost",),
         "the connection was gone when the program wrote; asyncio has one word for every loss",
         {_TRACE + "ConnectionResetError: Connection lost": {}}),
    told("connect_call", BY_ERROR, r"(?P<error>\[(?:Errno|WinError) \d{2,5}\]) Connect call failed \('(?P<server_ip>[0-9A-Fa-f:.]{2,45})', (?P<server_port>\d{1,5})",
         ("Connect call failed (",), "the client's SYN was not answered with a connection",
         {"ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 9199)": {"event": "refused", "server_ip": "127.0.0.1", "server_port": 9199, "writer": "client"},
          "TimeoutError: [Errno 110] Connect call failed ('10.2.0.2', 5432)": {"event": "timed_out", "server_ip": "10.2.0.2"}},
         writer="client", verified="lab"),
    told("aiohttp_connect", "connect_failed", r"Cannot connect to host (?P<server_name>[^:\s]{1,255}):(?P<server_port>\d{1,5}) ssl:", ("Cannot connect to host ",),
         "aiohttp, the client, could not open a connection",
         {"aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host 127.0.0.1:9199 ssl:default [Connect call failed ('127.0.0.1', 9199)]":
          {"server_ip": "127.0.0.1", "server_port": 9199}}, writer="client", verified="lab"),
    told("urllib3_connect", BY_ERROR, r"\(host='(?P<server_name>[^']{1,255})', port=(?P<server_port>\d{1,5})\).{0,400}?(?P<error>\[(?:Errno|WinError) \d{2,5}\][^\"')]{0,100})",
         ("ConnectionPool(host='", "Connection(host='"), "the client's SYN was not answered with a connection",
         {"requests.exceptions.ConnectionError: HTTPConnectionPool(host='127.0.0.1', port=9199): Max retries exceeded with url: /x (Caused by NewConnectionError(\"HTTPConnection(host='127.0.0.1', port=9199): Failed to establish a new connection: [Errno 111] Connection refused\"))":
          {"event": "refused", "server_ip": "127.0.0.1", "server_port": 9199}}, writer="client", verified="lab"),
    told("urllib3_aborted", BY_ERROR, r"\('Connection aborted\.', (?P<error>(?:ConnectionResetError|BrokenPipeError|ConnectionAbortedError|OSError)\(\d{2,5}, '[^']{0,200}')", ("('Connection aborted.', ",),
         "the client's connection broke before the answer",
         {"requests.exceptions.ConnectionError: ('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))": {"event": "reset_received", "writer": "client"}},
         writer="client", verified="lab"),
    told("urllib3_broken", BY_ERROR, r"Connection broken: (?P<error>ConnectionResetError\(\d{2,5}, '[^']{0,200}')", ("Connection broken: ",),
         "the client's connection broke within the answer",
         {"requests.exceptions.ChunkedEncodingError: (\"Connection broken: ConnectionResetError(104, 'Connection reset by peer')\", ConnectionResetError(104, 'Connection reset by peer'))":
          {"event": "reset_received"}}, writer="client", verified="lab"),
    told("urllib3_retry", BY_ERROR, r"Retrying \(Retry\(.{0,200}\)\) after connection broken by '(?P<error>.{1,200}?)': ", ("after connection broken by '",),
         "the client's connection broke, and it tried again",
         {"Retrying (Retry(total=2, connect=None, read=None, redirect=None, status=None)) after connection broken by 'ConnectionResetError(104, 'Connection reset by peer')': /api":
          {"event": "reset_received"}}, writer="client", verified="unverified", unknown_error="reset_or_eof"),
    told("remote_disconnected", "reset_or_eof", r"Remote end closed connection without response", ("Remote end closed connection without response",),
         "no answer came before the stream ended; the same is said after a reset in the middle of a long request",
         {"requests.exceptions.ConnectionError: ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))": {},
          "http.client.RemoteDisconnected: Remote end closed connection without response": {}}, writer="client", verified="lab"),
    told("aiohttp_payload_reset", "reset_received", r"Response payload is not completed: .{0,300}ConnectionResetError\((?:104|54|10054),", ("Response payload is not completed",),
         "the client's kernel had received a reset within the answer",
         {"aiohttp.client_exceptions.ClientPayloadError: Response payload is not completed: <ContentLengthError: 400, message='Not enough data to satisfy content length header (received 500 of 100000 bytes).'>. ConnectionResetError(104, 'Connection reset by peer')": {}},
         writer="client", verified="lab"),
    told("aiohttp_payload", "reset_or_eof", r"Response payload is not completed", ("Response payload is not completed",), "the answer was cut off",
         {"aiohttp.client_exceptions.ClientPayloadError: Response payload is not completed": {}}, writer="client", verified="lab"),
    told("incomplete_read", "reset_or_eof", r"IncompleteRead\(\d{1,15} bytes read", ("IncompleteRead(",), "the answer was cut off",
         {"http.client.IncompleteRead: IncompleteRead(500 bytes read, 99500 more expected)": {},
          "requests.exceptions.ChunkedEncodingError: ('Connection broken: IncompleteRead(500 bytes read, 99500 more expected)', IncompleteRead(500 bytes read, 99500 more expected))": {}},
         writer="client", verified="lab"),
    told("aiohttp_disconnected", "reset_or_eof", r"ServerDisconnectedError", ("ServerDisconnectedError",), "the stream ended before the answer",
         {"aiohttp.client_exceptions.ServerDisconnectedError: Server disconnected": {}}, writer="client", verified="lab"),
    told("httpx_protocol", "reset_or_eof", r"RemoteProtocolError: (?:Server disconnected without sending a response|peer closed connection without sending complete message body)",
         ("Server disconnected without sending a response", "peer closed connection without sending complete message body"),
         "the stream to the client ended before its answer was complete",
         {"httpx.RemoteProtocolError: Server disconnected without sending a response.": {},
          "httpx.RemoteProtocolError: peer closed connection without sending complete message body (received 500 bytes, expected 100000)": {}}, writer="client", verified="lab"),
    told("httpx_error", BY_ERROR, r"httpx\.(?:ReadError|WriteError|ConnectError): (?P<error>\[(?:Errno|WinError) \d{2,5}\].{0,200})",
         ("httpx.ReadError: ", "httpx.WriteError: ", "httpx.ConnectError: "), _CLIENT_LOST,
         {"httpx.ReadError: [Errno 104] Connection reset by peer": {"event": "reset_received"}, "httpx.ConnectError: [Errno 111] Connection refused": {"event": "refused"}},
         writer="client", verified="lab"),
    told("aiohttp_os_error", BY_ERROR, r"ClientOSError: (?P<error>\[(?:Errno|WinError) \d{2,5}\].{0,200})", ("ClientOSError: ",), _CLIENT_LOST,
         {"aiohttp.client_exceptions.ClientOSError: [Errno 104] Connection reset by peer": {"event": "reset_received"}}, writer="client", verified="lab"),
    told("asyncpg_lost", "reset_or_eof", r"connection was closed in the middle of operation|unexpected connection_lost\(\) call",
         ("connection was closed in the middle of operation", "unexpected connection_lost() call"), "asyncpg, the client, lost the server",
         {"asyncpg.exceptions.ConnectionDoesNotExistError: connection was closed in the middle of operation": {}, "ConnectionError: unexpected connection_lost() call": {}},
         writer="client", verified="lab"),
    told("asyncpg_closed", "closed_locally", r"asyncpg\.\S{0,40}InterfaceError: connection is closed", ("InterfaceError: connection is closed",),
         "the client used a connection that it knew to be closed", {"asyncpg.exceptions._base.InterfaceError: connection is closed": {}}, writer="client", verified="lab"),
    told("driver_closed", "closed_locally", r"psycopg2?\.\S{0,60}: (?:the connection is closed|connection already closed)", ("the connection is closed", "connection already closed"),
         "the client used a connection that it knew to be closed", {"psycopg.OperationalError: the connection is closed": {}, "psycopg2.InterfaceError: connection already closed": {}}, writer="client", verified="lab"),
    told("ssl_end", "unexpected_end", r"ssl\.SSL(?:EOF|ZeroReturn|Syscall)?Error: (?:\[SSL: UNEXPECTED_EOF_WHILE_READING\]|EOF occurred in violation of protocol|TLS/SSL connection has been closed)",
         ("EOF occurred in violation of protocol", "UNEXPECTED_EOF_WHILE_READING", "TLS/SSL connection has been closed"), "the stream ended without the close_notify of TLS",
         {"ssl.SSLEOFError: [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1007)": {}, "ssl.SSLEOFError: EOF occurred in violation of protocol (_ssl.c:1129)": {}},
         verified="unverified"),
    told("own_timeout", "local_timeout", r"(?:TimeoutError|socket\.timeout): timed out", ("TimeoutError: timed out", "socket.timeout: timed out"),
         "the program's own timer expired while it waited", {_TRACE + "TimeoutError: timed out": {}, "socket.timeout: timed out": {}}, verified="third_party"),
    told("socket_error", BY_ERROR, r"(?:ConnectionResetError|BrokenPipeError|ConnectionAbortedError|ConnectionRefusedError|TimeoutError|OSError)(?P<error>(?:: \[(?:Errno|WinError) \d{2,5}\]|\(\d{2,5}, ).{0,200})",
         ("ConnectionResetError", "BrokenPipeError", "ConnectionAbortedError", "ConnectionRefusedError", "TimeoutError: [", "TimeoutError(", "OSError: [", "OSError("),
         "a socket of the program failed",
         {_TRACE + "ConnectionResetError: [Errno 104] Connection reset by peer": {"event": "reset_received"},
          _TRACE + "BrokenPipeError: [Errno 32] Broken pipe": {"event": "broken_pipe"},
          "ConnectionResetError: [WinError 10054] 既存の接続はリモート ホストに強制的に切断されました。": {"event": "reset_received"},
          "BrokenPipeError(32, 'Broken pipe')": {"event": "broken_pipe"},
          "ConnectionAbortedError: [WinError 10053] An established connection was aborted by the software in your host machine": {"event": "aborted_locally"},
          "ConnectionRefusedError: [Errno 111] Connection refused": {"event": "refused"},
          "TimeoutError: [Errno 110] Connection timed out": {"event": "timed_out"},
          "OSError: [Errno 113] No route to host": {"event": "unreachable"}}, verified="lab"),
)  # fmt: skip

FORMAT = LogFormat(
    id="python",
    title="Python: logging and tracebacks; requests, urllib3, aiohttp, httpx, asyncpg",
    reference="https://docs.python.org/3/library/exceptions.html#ConnectionError",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01 12:00:00,123 ERROR app: ", "2024-05-01T12:00:00.123Z"),
    head=usual_head,
    anchored=False,
    rank=5,
)
