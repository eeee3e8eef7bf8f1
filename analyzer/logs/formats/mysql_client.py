"""MySQL's client library, and the drivers that repeat its numbers: mysql, PyMySQL, PDO, Connector/Python.

Lives here: the format. Never here: what the server writes (mysql.py), or the JDBC driver (java.py).
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, LogFormat, all_samples, told, usual_head

TOLD = (
    told("connect", BY_ERROR, r"Can't connect to (?:MySQL )?server on '(?P<server_name>[^':]{1,255})(?::(?P<server_port>\d{1,5}))?'(?P<error> \([^)]{1,200}\))?", ("Can't connect to MySQL server on '", "Can't connect to server on '"), "the client could not open a connection",
         {"pymysql.err.OperationalError: (2003, \"Can't connect to MySQL server on '127.0.0.1' ([Errno 111] Connection refused)\")": {"event": "refused", "server_ip": "127.0.0.1"},
          "ERROR 2003 (HY000): Can't connect to MySQL server on 'db.example' (111)": {"event": "refused"}, "ERROR 2002 (HY000): Can't connect to server on '127.0.0.1' (115)": {"event": "connect_failed"}}, writer="client", verified="lab", unknown_error="connect_failed"),
    told("lost_at", BY_ERROR, r"Lost connection to (?:MySQL )?server at '[^']{1,255}', system error: (?P<error>\d{1,5}\b.{0,100})", ("Lost connection to MySQL server at '", "Lost connection to server at '"), "the client lost the server while connecting; the number is the operating system's",
         {"ERROR 2013 (HY000): Lost connection to MySQL server at 'reading initial communication packet', system error: 104": {"event": "reset_received"}, "mysql.connector.errors.OperationalError: 2055: Lost connection to MySQL server at 'db.example:3306', system error: 104 Connection reset by peer": {"event": "reset_received"}}, writer="client", verified="lab", unknown_error="reset_or_eof"),
    told("lost", BY_ERROR, r"Lost connection to (?:MySQL )?server during query(?P<error> \([^)]{1,200}\)|)", ("Lost connection to MySQL server during query", "Lost connection to server during query"), "the client lost the server in the middle of a query",
         {"pymysql.err.OperationalError: (2013, 'Lost connection to MySQL server during query ([Errno 104] Connection reset by peer)')": {"event": "reset_received"}, "ERROR 2013 (HY000): Lost connection to MySQL server during query": {"event": "reset_or_eof"}}, writer="client", verified="lab", unknown_error="reset_or_eof"),
    told("gone", BY_ERROR, r"(?:MySQL s|S)erver has gone away(?P<error> \(.{1,200}|)", ("erver has gone away",), "the client found the server gone when it sent its next query",
         {"pymysql.err.OperationalError: (2006, \"MySQL server has gone away (ConnectionResetError(104, 'Connection reset by peer'))\")": {"event": "reset_received"}, "ERROR 2006 (HY000): Server has gone away": {"event": "reset_or_eof"},
          "PDOException: SQLSTATE[HY000] [2006] MySQL server has gone away": {"event": "reset_or_eof"}}, writer="client", verified="lab", unknown_error="reset_or_eof"),
    told("inactivity", "idle_timeout", r"The client was disconnected by the server because of inactivity", ("disconnected by the server because of inactivity",), "the server told the client that it had closed the connection because it was idle",
         {"ERROR 4031 (HY000): The client was disconnected by the server because of inactivity. See wait_timeout and interactive_timeout for configuring this behavior.": {}}, writer="client", verified="lab"),
    told("killed", "terminated_by_administrator", r"\b1927\b.{0,60}Connection was killed", ("Connection was killed",), "the server told the client that an administrator had ended the connection", {"ERROR 1927 (70100) at line 1: Connection was killed": {}}, writer="client", verified="lab"),
)  # fmt: skip

FORMAT = LogFormat(
    id="mysql_client",
    title="MySQL and MariaDB clients (mysql, PyMySQL, PDO, Connector/Python)",
    reference="https://dev.mysql.com/doc/mysql-errors/8.4/en/client-error-reference.html",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01 12:00:00,123 ERROR app: ", "2024-05-01T12:00:00.123Z"),
    head=usual_head,
    anchored=False,
    rank=4,
)
