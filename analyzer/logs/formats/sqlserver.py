"""SQL Server's ERRORLOG.

Lives here: the format. The file is UTF-16 on Windows, in local time to the hundredth of a second. An error takes two entries, its number
and its text; the text alone is read. It names the client's address and never its port.
Never here: what its clients say (sqlserver_client.py).
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Message, Sample

_HEAD = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d (?:Logon|Server|Backup|(?P<session>spid\d{1,10}s?)) {1,12}(?!Error: \d)"
)
_CLIENT = re.compile(r"\[CLIENT: (?P<ip>[0-9A-Fa-f.:]{2,45})\]")


def head(text: str) -> Head | None:
    """The session is the server's process number (SPID)."""
    found = _HEAD.match(text)
    if found is None:
        return None
    client = _CLIENT.search(text, found.end())
    return Head(body=found.end(), exclusive=True, session=found["session"], client_ip=client["ip"] if client else None)


_CLOSED = "and the server closed"


def _login(id: str, event: str, code: str, proves: str) -> Message:
    return Message(
        id, event, rf"Network error code 0x{code} occurred while establishing a connection", ("occurred while establishing a connection",), proves, "server", "third_party",
    )  # fmt: skip


MESSAGES = (
    Message(
        "read_failed", BY_ERROR, r"A fatal error occurred while reading the input stream from the network\..{0,100}?\(input error: (?P<error>\d{1,5})",
        ("reading the input stream from the network",), "reading from this client failed", "server", "third_party",
    ),
    Message(
        "read_failed_somehow", "reset_or_eof", r"A fatal error occurred while reading the input stream from the network",
        ("reading the input stream from the network",), "reading from this client failed; the line does not say how", "server", "third_party",
    ),
    _login("login_reset", "reset_received", "0*2746", "the client's connection was reset during its login: the server's system had received a reset"),
    _login("login_timed_out", "timed_out", "(?i:0*274c)", "no answer came from the client during its login; nothing says that a reset arrived"),
    _login("login_aborted", "aborted_locally", "0*2745", "the server's own stack gave the connection up during the login; nothing says that a reset arrived"),
    _login("login_failed_somehow", "reset_or_eof", r"[0-9A-Fa-f]{1,8}", "the client's connection failed during its login; how, only the code says"),
    Message(
        "not_tds", "protocol_error",
        r"(?:Length specified in network packet payload did not match number of bytes read|The login packet used to open the connection is structurally invalid)",
        ("Length specified in network packet payload", "The login packet used to open the connection"), f"what the client sent is not SQL Server's protocol, {_CLOSED}",
        "server", "third_party",
    ),
    Message(
        "encryption_required", "protocol_error", r"Encryption is required to connect to this server", ("Encryption is required to connect to this server",),
        f"the client cannot encrypt, which this server demands, {_CLOSED}", "server", "third_party",
    ),
    Message(
        "login_refused", "rejected", r"Login failed for user '(?P<user>[^']{0,128})'", ("Login failed for user '",), "the server refused this login", "server", "third_party",
    ),
    Message(
        "not_bound", "port_in_use", r"Server TCP provider failed to listen on \[ ?'[^']{1,100}' <\w{1,20}> (?P<server_port>\d{1,5})\]\. Tcp port is already in use",
        ("Tcp port is already in use",), "the server could not listen on this port: another socket has it", "server", "third_party",
    ),
    Message(
        "windows_login_refused", "rejected", r"SSPI handshake failed with error code 0x[0-9A-Fa-f]{1,8}", ("SSPI handshake failed with error code",),
        f"Windows authentication failed, {_CLOSED}", "server", "unverified",
    ),
)  # fmt: skip

_L = "2024-05-01 12:00:00.12 Logon       "
_AT = "{} occurred while establishing a connection; the connection has been closed. This may have been caused by client or server login timeout expiration. Time spent during login: total 501 ms, enqueued 0 ms. [CLIENT: 192.0.2.10]"
SAMPLES = (
    Sample(
        "2024-05-01 12:00:00.12 spid11s     Server TCP provider failed to listen on [ 'any' <ipv4> 1433]. Tcp port is already in use.", "not_bound", "port_in_use", None,
        {"server_port": 1433, "writer": "server"},
    ),
    Sample(
        "2024-05-01 12:00:00.12 spid55      A fatal error occurred while reading the input stream from the network. The session will be terminated (input error: 10054, output error: 0).",
        "read_failed", "reset_received", "2024-05-01T12:00:00.12Z", {"session": "spid55", "resolution": 0.01, "zone": "unknown", "writer": "server"},
    ),
    Sample(
        "2024-05-01 12:00:00.12 spid55      A fatal error occurred while reading the input stream from the network. The session will be terminated (input error: 109, output error: 0).",
        "read_failed", "reset_or_eof",
    ),
    Sample("2024-05-01 12:00:00.12 spid55      A fatal error occurred while reading the input stream from the network. The session will be terminated.", "read_failed_somehow", "reset_or_eof"),
    Sample(_L + _AT.format("Network error code 0x2746"), "login_reset", "reset_received", None, {"client_ip": "192.0.2.10", "client_port": None}),
    Sample(_L + _AT.format("Network error code 0x274C"), "login_timed_out", "timed_out"),
    Sample(_L + _AT.format("Network error code 0x2745"), "login_aborted", "aborted_locally"),
    Sample(_L + _AT.format("Network error code 0x40"), "login_failed_somehow", "reset_or_eof"),
    Sample(_L + "Length specified in network packet payload did not match number of bytes read; the connection has been closed. Please contact the vendor of the client library. [CLIENT: 192.0.2.10]", "not_tds", "protocol_error"),
    Sample(_L + "The login packet used to open the connection is structurally invalid; the connection has been closed. Please contact the vendor of the client library. [CLIENT: 192.0.2.10]", "not_tds", "protocol_error"),
    Sample(_L + "Encryption is required to connect to this server but the client library does not support encryption; the connection has been closed. Please upgrade your client library. [CLIENT: 192.0.2.10]", "encryption_required", "protocol_error"),
    Sample(_L + "Login failed for user 'sa'. Reason: Password did not match that for the login provided. [CLIENT: 192.0.2.10]", "login_refused", "rejected", None, {"user": "sa"}),
    Sample(_L + "SSPI handshake failed with error code 0x8009030c, state 14 while establishing a connection with integrated security; the connection has been closed. [CLIENT: 192.0.2.10]", "windows_login_refused", "rejected"),
)  # fmt: skip

FORMAT = LogFormat(
    id="sqlserver",
    title="SQL Server ERRORLOG",
    reference="https://learn.microsoft.com/en-us/sql/tools/configuration-manager/viewing-the-sql-server-error-log",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("sqlservr",),
)
