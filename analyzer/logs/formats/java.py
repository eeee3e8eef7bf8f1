"""Java programs: what the JDK, Tomcat, the JDBC drivers and HikariCP say of a broken connection, under any logging framework.

Lives here: the format. Its words stand anywhere in an entry, which reaches through its stack trace: `Caused by:` at the end often says what
the first line leaves open, so the sharpest words are asked for first.
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, LogFormat, all_samples, told, usual_head

_SERVER_GONE = "the client lost the server; this text does not tell how"
_SENDING = {
    "en": "An I/O error occurred while sending to the backend", "ja": "バックエンドへの送信中に、入出力エラーが起こりました", "zh_CN": "传送数据至后端时发生 I/O 错误",
    "fr": "Une erreur d'entrée/sortie a eu lieu lors d'envoi vers le serveur", "es": "Un error de E/S ha ocurrido mientras se enviaba al backend",
    "ru": "Ошибка ввода/вывода при отправке бэкенду", "pt_BR": "Um erro de E/S ocorreu ao enviar para o processo servidor",
}  # fmt: skip
_ATTEMPT = {
    "en": "The connection attempt failed.", "ja": "接続試行は失敗しました。", "zh_CN": "尝试连线已失败。", "de": "Der Verbindungsversuch schlug fehl.",
    "fr": "La tentative de connexion a échoué.", "es": "El intento de conexión falló.", "ru": "Не удалось подключиться.", "pt_BR": "A tentativa de conexão falhou.",
}  # fmt: skip
_CLOSED = {
    "en": "This connection has been closed", "ja": "このコネクションは既にクローズされています", "zh_CN": "Connection 已经被关闭", "de": "Die Verbindung wurde geschlossen",
    "fr": "La connexion a été fermée", "ru": "Соединение закрыто", "pt_BR": "Conexão foi fechada",
}  # fmt: skip
_DRIVER = "org.postgresql.util.PSQLException: "
TOLD = (
    told("closed", "closed_locally", r"SocketException: Socket (?:is )?closed|nio\.channels\.(?:ClosedChannelException|AsynchronousCloseException)|java\.io\.IOException: Stream closed",
         ("SocketException: Socket closed", "SocketException: Socket is closed", "ClosedChannelException", "AsynchronousCloseException", "java.io.IOException: Stream closed"),
         "the program used a connection that it had closed itself",
         {"java.net.SocketException: Socket closed": {}, "java.net.SocketException: Socket is closed": {}, "java.nio.channels.ClosedChannelException": {}, "java.io.IOException: Stream closed\n\tat x": {}},
         verified="lab"),
    told("client_abort_reset", BY_ERROR, r"ClientAbortException: java\.io\.IOException: (?P<error>.{1,200})", ("ClientAbortException: java.io.IOException: ",),
         "Tomcat could not write its answer to the client",
         {"org.apache.catalina.connector.ClientAbortException: java.io.IOException: Connection reset by peer\n\tat org.apache.catalina.connector.OutputBuffer.realWriteBytes(OutputBuffer.java:353)": {"event": "reset_received"},
          "Servlet.service() for servlet [app] in context with path [] threw exception\n org.apache.catalina.connector.ClientAbortException: java.io.IOException: Broken pipe\n\tat x": {"event": "broken_pipe", "writer": "server"}},
         writer="server"),
    told("client_abort", "reset_or_eof", r"ClientAbortException", ("ClientAbortException",), "Tomcat found its client gone; whether by FIN or by reset, or that its own timer expired, the text leaves open",
         {"org.apache.catalina.connector.ClientAbortException: java.io.EOFException": {}, "org.apache.catalina.connector.ClientAbortException: java.net.SocketTimeoutException": {}}, writer="server"),
    told("standard_host", BY_ERROR, r"Remote Client Aborted Request, IOException: \[(?P<error>[^\]]{0,200})\]", ("Remote Client Aborted Request",), "Tomcat could not write its answer to the client",
         {"Remote Client Aborted Request, IOException: [Broken pipe]": {"event": "broken_pipe"}}, writer="server", unknown_error="reset_or_eof"),
    told("spring_unusable", BY_ERROR, r"AsyncRequestNotUsableException: (?P<error>.{1,300})", ("AsyncRequestNotUsableException: ",), "Spring could not write its answer to the client",
         {"org.springframework.web.context.request.async.AsyncRequestNotUsableException: ServletOutputStream failed to write: java.io.IOException: Broken pipe": {"event": "broken_pipe"}},
         writer="server", unknown_error="reset_or_eof"),
    told("own_timeout", "local_timeout", r"SocketTimeoutException: (?:Read timed out|timeout|\d{1,9} milliseconds timeout on connection)",
         ("SocketTimeoutException: Read timed out", "SocketTimeoutException: timeout", "milliseconds timeout on connection"), "the program's own timer expired while it waited for data; closing then may send a reset",
         {"java.net.SocketTimeoutException: Read timed out": {}, "java.net.SocketTimeoutException: timeout": {}}, verified="lab"),
    told("connect_timeout", "timed_out", r"(?:SocketTimeoutException: [Cc]onnect timed out|ConnectException: Connection timed out)",
         ("SocketTimeoutException: connect timed out", "SocketTimeoutException: Connect timed out", "ConnectException: Connection timed out"), "no answer came to the client's SYN in time",
         {"java.net.SocketTimeoutException: connect timed out": {}, "java.net.ConnectException: Connection timed out: connect": {}, _DRIVER + "The connection attempt failed.\nCaused by: java.net.SocketTimeoutException: Connect timed out": {}},
         writer="client", verified="lab"),
    told("pgjdbc_refused", "refused", r"Connection to (?P<server_name>[^:\s]{1,255}):(?P<server_port>\d{1,5}) refused\. Check that the hostname", (" refused. Check that the hostname",), "a reset answered the client's SYN",
         {_DRIVER + "Connection to 192.0.2.20:5432 refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections.": {"server_ip": "192.0.2.20", "server_port": 5432}},
         writer="client"),
    told("refused", "refused", r"ConnectException: Connection refused", ("ConnectException: Connection refused",), "a reset answered the client's SYN",
         {"java.net.ConnectException: Connection refused\n\tat java.base/sun.nio.ch.Net.connect0(Native Method)": {}, "java.net.ConnectException: Connection refused: no further information": {}}, writer="client", verified="lab"),
    told("unreachable", "unreachable", r"java\.net\.(?:NoRouteToHostException|SocketException): (?:No route to host|Network is unreachable)", ("NoRouteToHostException: ", "SocketException: Network is unreachable", "SocketException: No route to host"),
         "the network said that there is no way to the peer", {"java.net.NoRouteToHostException: No route to host": {}, "java.net.SocketException: Network is unreachable": {}}, verified="unverified"),
    told("oracle", BY_ERROR, r"java\.sql\.SQL(?:Recoverable)?Exception: (?:ORA-\d{1,5}: )?(?P<error>(?:IO|I/O) Error: .{1,200}|No more data to read from socket|Closed Connection)",
         ("SQLRecoverableException: ", "java.sql.SQLException: "), "Oracle's driver, the client, lost the server",
         {"java.sql.SQLRecoverableException: IO Error: Connection reset by peer": {"event": "reset_received"}, "java.sql.SQLRecoverableException: No more data to read from socket": {"event": "reset_or_eof"}},
         writer="client", verified="unverified", unknown_error="reset_or_eof"),
    told("sqlserver_reset", "reset_received", r"SQLServerException: Connection reset", ("SQLServerException: Connection reset",), "the kernel of the client, Microsoft's driver, had received a reset",
         {"com.microsoft.sqlserver.jdbc.SQLServerException: Connection reset ClientConnectionId:3f6b0c2a-7d4e-4c1f-9a52-1d2e3f4a5b6c": {}}, writer="client", verified="unverified"),
    told("sqlserver_closed", "reset_or_eof", r"SQLServerException: (?:The connection is closed\.|SQL Server did not return a response)", ("SQLServerException: The connection is closed.", "SQL Server did not return a response"),
         "Microsoft's driver, the client, lost the server", {"com.microsoft.sqlserver.jdbc.SQLServerException: SQL Server did not return a response. The connection has been closed.": {}},
         writer="client", verified="unverified"),
    told("sqlserver_connect", "connect_failed", r"SQLServerException: The TCP/IP connection to the host (?P<server_name>[^,\s]{1,255}), port (?P<server_port>\d{1,5}) has failed", ("SQLServerException: The TCP/IP connection to the host ",),
         "Microsoft's driver, the client, could not open a connection",
         {'com.microsoft.sqlserver.jdbc.SQLServerException: The TCP/IP connection to the host 192.0.2.20, port 1433 has failed. Error: "connect timed out."': {"server_ip": "192.0.2.20", "server_port": 1433}},
         writer="client", verified="unverified"),
    told("reset", "reset_received", r"(?:SocketException|SSLException): Connection reset\b(?! by peer)", ("SocketException: Connection reset", "SSLException: Connection reset"), "the writer's kernel had received a reset",
         {"java.net.SocketException: Connection reset\n\tat java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:328)": {},
          _DRIVER + "An I/O error occurred while sending to the backend.\n\tat org.postgresql.core.v3.QueryExecutorImpl.execute(QueryExecutorImpl.java:395)\nCaused by: java.net.SocketException: Connection reset\n\tat x": {}}, verified="lab"),
    told("socket_error", BY_ERROR, r"java\.(?:net\.SocketException|io\.IOException): (?P<error>.{1,200})", ("java.net.SocketException: ", "java.io.IOException: "), "a socket of the program failed",
         {"java.io.IOException: Connection reset by peer\n\tat java.base/sun.nio.ch.FileDispatcherImpl.read0(Native Method)": {"event": "reset_received"},
          "java.net.SocketException: Broken pipe (Write failed)": {"event": "broken_pipe"},
          "java.io.IOException: 既存の接続はリモート ホストに強制的に切断されました。": {"event": "reset_received"},
          "java.net.SocketException: Connection reset by peer: socket write error": {"event": "reset_received"},
          "java.net.SocketException: Software caused connection abort: socket write error": {"event": "aborted_locally"}}, verified="lab"),
    told("end", "reset_or_eof",
         r"Unexpected end of file from server|header parser received no bytes|NoHttpResponseException: .{0,255}failed to respond|java\.io\.EOFException|fixed content-length: \d{1,15}, bytes received|IOException: Premature EOF|unexpected end of stream on |Premature end of Content-Length delimited message body",
         ("Unexpected end of file from server", "header parser received no bytes", " failed to respond", "java.io.EOFException", "fixed content-length: ", "IOException: Premature EOF", "unexpected end of stream on ", "Premature end of Content-Length"),
         "no complete answer came; Java says the same of a FIN and of a reset",
         {"java.net.SocketException: Unexpected end of file from server": {}, "java.io.IOException: HTTP/1.1 header parser received no bytes": {},
          "org.apache.http.NoHttpResponseException: db.example:443 failed to respond": {}, _DRIVER + "An I/O error occurred while sending to the backend.\nCaused by: java.io.EOFException": {},
          "java.io.IOException: fixed content-length: 100000, bytes received: 500": {}, "java.io.IOException: Premature EOF": {}, "java.io.IOException: unexpected end of stream on com.squareup.okhttp.Address@1": {},
          "org.apache.http.ConnectionClosedException: Premature end of Content-Length delimited message body": {}}, writer="client", verified="lab"),
    told("tls_end", "reset_or_eof", r"SSLHandshakeException: Remote host (?:terminated|closed connection during) (?:the )?handshake|closing inbound before receiving peer's close_notify",
         ("Remote host terminated the handshake", "Remote host closed connection during handshake", "closing inbound before receiving peer's close_notify"), "the stream ended where TLS had not; Java says the same of a FIN and of a reset in a handshake",
         {"javax.net.ssl.SSLHandshakeException: Remote host terminated the handshake\n\tat java.base/sun.security.ssl.SSLSocketImpl.handleEOF(SSLSocketImpl.java:1719)": {}, "javax.net.ssl.SSLException: closing inbound before receiving peer's close_notify": {},
          "javax.net.ssl.SSLHandshakeException: Remote host closed connection during handshake": {}}, verified="lab"),
    told("mysql_lost", "reset_or_eof", r"CommunicationsException: Communications link failure", ("Communications link failure",), "MySQL's driver, the client, lost the server; its last cause says how",
         {"com.mysql.cj.jdbc.exceptions.CommunicationsException: Communications link failure\n\nThe last packet successfully received from the server was 28,801,234 milliseconds ago.": {}}, writer="client", verified="unverified"),
    told("hikari_broken", "reset_or_eof", r"marked as broken because of SQLSTATE\(08", ("marked as broken because of SQLSTATE(08",), "the pool, on the client's side, dropped a broken connection",
         {"HikariPool-1 - Connection org.postgresql.jdbc.PgConnection@1a2b3c4d marked as broken because of SQLSTATE(08006), ErrorCode(0)": {}}, writer="client"),
    told("hikari_dead", "reset_or_eof", r"Failed to validate connection \S{1,200} \(", ("Failed to validate connection ",), "the pool, on the client's side, found that a connection which it had kept was dead",
         {"HikariPool-1 - Failed to validate connection org.postgresql.jdbc.PgConnection@1a2b3c4d (This connection has been closed.). Possibly consider using a shorter maxLifetime value.": {}}, writer="client"),
    told("hikari_exhausted", "local_timeout", r"Connection is not available, request timed out after \d{1,9}ms", ("Connection is not available, request timed out",), "the pool had no free connection in time; nothing says that one broke",
         {"HikariPool-1 - Connection is not available, request timed out after 30000ms (total=10, active=10, idle=0, waiting=3)": {}}, writer="client"),
    *(told("pgjdbc_lost", "reset_or_eof", text.replace("'", "'{1,2}"), (text.partition("'")[0],), _SERVER_GONE, {_DRIVER + text + ".": {}}, writer="client", language=language) for language, text in _SENDING.items()),
    *(told("pgjdbc_attempt", "connect_failed", text, (text,), "PostgreSQL's driver, the client, could not open a connection; its last cause says why", {_DRIVER + text: {}}, writer="client", language=language)
      for language, text in _ATTEMPT.items()),
    *(told("pgjdbc_closed", "closed_locally", rf"PSQLException: {text}", (f"PSQLException: {text}",), "the client used a connection that its driver knew to be closed", {_DRIVER + text + ".": {}}, writer="client", language=language)
      for language, text in _CLOSED.items()),
)  # fmt: skip

FORMAT = LogFormat(
    id="java",
    title="Java: stack traces under log4j, logback, java.util.logging; Tomcat, HikariCP, the JDBC drivers",
    reference="https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/net/SocketException.html",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(
        TOLD, "2024-05-01 12:00:00,123 ERROR [http-nio-8080-exec-7] app.Main - ", "2024-05-01T12:00:00.123Z"
    ),
    head=usual_head,
    anchored=False,
    rank=5,
)
