""".NET programs: what sockets, HttpClient, Kestrel and Npgsql say of a broken connection. Windows prints the system's text in its own language.

Lives here: the format. An inner exception (`--->`) often says what the first line leaves open, so the sharpest words are asked for first.
Never here: SqlClient (sqlclient.py).
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, LogFormat, all_samples, end, told, usual_head

TOLD = (
    told("connect_refused", BY_ERROR, rf"SocketException(?: \([0-9A-Fx]{{1,12}}\))?: (?P<error>Connection refused) {end('server')}", ("SocketException",), "the client's SYN was not answered with a connection",
         {"System.Net.Sockets.SocketException (111): Connection refused 127.0.0.1:9199": {"event": "refused", "server_ip": "127.0.0.1", "server_port": 9199}}, writer="client", verified="third_party"),
    told("transport", BY_ERROR, r"(?:Unable to (?:read data from|write data to) the transport connection|転送接続(?:からデータを読み取れません|にデータを書き込めません)): ?(?P<error>.{1,300})",
         ("Unable to read data from the transport connection", "Unable to write data to the transport connection", "転送接続からデータを読み取れません", "転送接続にデータを書き込めません"), "a socket of the program failed",
         {"System.IO.IOException: Unable to read data from the transport connection: Connection reset by peer.\n ---> System.Net.Sockets.SocketException (104): Connection reset by peer": {"event": "reset_received"},
          "System.IO.IOException: Unable to read data from the transport connection: An existing connection was forcibly closed by the remote host..": {"event": "reset_received"},
          "System.IO.IOException: Unable to write data to the transport connection: Broken pipe.": {"event": "broken_pipe"},
          "System.IO.IOException: 転送接続からデータを読み取れません: 既存の接続はリモート ホストに強制的に切断されました。。": {"event": "reset_received"}}, verified="third_party"),
    told("socket_error", BY_ERROR, r"SocketException(?P<error>(?: \((?:0x80004005|\d{1,5})\))?: .{1,300})", ("System.Net.Sockets.SocketException",), "a socket of the program failed",
         {"System.Net.Sockets.SocketException (104): Connection reset by peer": {"event": "reset_received"},
          "System.Net.Sockets.SocketException (10054): 远程主机关闭了连接": {"event": "reset_received"},
          "System.Net.Sockets.SocketException (0x80004005): An existing connection was forcibly closed by the remote host": {"event": "reset_received"},
          "Npgsql.NpgsqlException (0x80004005): Failed to connect to 192.0.2.20:5432\n ---> System.Net.Sockets.SocketException (111): Connection refused": {"event": "refused", "server_ip": "192.0.2.20", "server_port": 5432}}, verified="third_party"),
    told("http_refused", "refused", r"HttpRequestException: Connection refused \((?P<server_name>[^:)]{1,255}):(?P<server_port>\d{1,5})\)", ("HttpRequestException: Connection refused (",), "a reset answered the client's SYN",
         {"System.Net.Http.HttpRequestException: Connection refused (192.0.2.20:443)": {"server_ip": "192.0.2.20", "server_port": 443}}, writer="client", verified="third_party"),
    told("response_ended", "reset_or_eof", r"The response ended prematurely", ("The response ended prematurely",), "the stream to the client ended before its answer was complete",
         {"System.Net.Http.HttpRequestException: An error occurred while sending the request.\n ---> System.Net.Http.HttpIOException: The response ended prematurely. (ResponseEnded)": {}}, writer="client", verified="third_party"),
    told("kestrel_reset", "reset_received", r'Connection id "[^"]{1,60}" reset\b', ('Connection id "',), "the server's kernel had received a reset from this client",
         {'Microsoft.AspNetCore.Server.Kestrel.Connections[19]\n      Connection id "0HN3ABCDEF012" reset.': {}}, writer="server", verified="unverified"),
    told("kestrel_disconnected", "reset_or_eof", r"ConnectionResetException: The client has disconnected|The client reset the request stream|Unexpected end of request content", ("ConnectionResetException: The client has disconnected", "The client reset the request stream", "Unexpected end of request content"),
         "the server found its client gone", {"Microsoft.AspNetCore.Server.Kestrel.Core.BadHttpRequestException: Unexpected end of request content.": {}, "Microsoft.AspNetCore.Connections.ConnectionResetException: The client has disconnected": {}, "System.IO.IOException: The client reset the request stream.": {}}, writer="server", verified="unverified"),
    told("npgsql_end", "unexpected_end", r"Npgsql\.NpgsqlException .{0,200}EndOfStreamException", ("Npgsql.NpgsqlException",), "the stream to the client, Npgsql, ended in the middle of something",
         {"Npgsql.NpgsqlException (0x80004005): Exception while reading from stream\n ---> System.IO.EndOfStreamException: Attempted to read past the end of the stream.": {}}, writer="client"),
    told("npgsql_timeout", "local_timeout", r"Npgsql\.NpgsqlException .{0,200}(?:TimeoutException|The operation has timed out)", ("Npgsql.NpgsqlException",), "a timer of Npgsql, the client, expired",
         {"Npgsql.NpgsqlException (0x80004005): Exception while reading from stream\n ---> System.TimeoutException: Timeout during reading attempt": {}}, writer="client"),
    told("npgsql_lost", "reset_or_eof", r"Npgsql\.NpgsqlException \(0x[0-9A-F]{8}\): Exception while (?:reading from|writing to) stream", ("Npgsql.NpgsqlException",), "Npgsql, the client, lost the server",
         {"Npgsql.NpgsqlException (0x80004005): Exception while writing to stream": {}}, writer="client"),
    told("npgsql_connect", "connect_failed", r"Failed to connect to (?P<server_name>[^:\s]{1,255}):(?P<server_port>\d{1,5})", ("Npgsql.NpgsqlException",), "Npgsql, the client, could not open a connection",
         {"Npgsql.NpgsqlException (0x80004005): Failed to connect to 192.0.2.20:5432": {"server_ip": "192.0.2.20", "server_port": 5432}}, writer="client"),
)  # fmt: skip

FORMAT = LogFormat(
    id="dotnet",
    title=".NET: exceptions under any logger; HttpClient, Kestrel, Npgsql",
    reference="https://learn.microsoft.com/dotnet/api/system.net.sockets.socketerror",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01 12:00:00.123 [ERR] ", "2024-05-01T12:00:00.123Z"),
    head=usual_head,
    anchored=False,
    rank=5,
)
