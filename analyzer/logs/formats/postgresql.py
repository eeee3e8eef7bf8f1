"""PostgreSQL's server log: stderr with any log_line_prefix, csvlog and jsonlog, in any of its languages.

Lives here: what a prefix can hold, and the format. The messages and their samples are in postgresql.json: for each meaning the
texts in up to sixteen languages, as the server's own message catalogues and real logs have them.
Never here: reading a file, or telling which process belongs to which connection.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from analyzer.logs.log_format import Head, LogFormat, Sample, data_beside, messages_of, samples_of

_DATA: dict[str, Any] = data_beside(__file__)
SEVERITIES: dict[str, str] = _DATA["severities"]
# Entries that explain another one of the same process: they are part of it, and say nothing of their own.
CONTINUED = frozenset({"DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION", "BACKTRACE"})
PREFIX_LIMIT = 1000  # characters in which the severity word must come

_SEVERITY = re.compile(
    rf"(?:^|(?<=[\s\-:\]>,;|)}}]))({'|'.join(sorted(map(re.escape, SEVERITIES), key=len, reverse=True))}) ?[:：]( {{1,2}})(?=\S)"
)
# A level or an exception before the severity: a client's log, in which the server's words are quoted.
_QUOTED = re.compile(r"\b(?:ERROR|WARN|WARNING|INFO|DEBUG|SEVERE|FATAL)\b|\w(?:Exception|Error): |\berror: ")
_SESSION = re.compile(r"(?<![0-9a-f.])([0-9a-f]{8})\.([0-9a-f]{1,8})(?![0-9a-f.])")
_PID = re.compile(r"\[(\d{1,10})\]|\b(?:pid|p|process|pr)[=: ]{1,2}(\d{1,10})\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.:/\-+(,=@])(\d{2,10})(?![\w.:/\-+)=@])")
_REMOTE = re.compile(r"(?<![\w.%-])([0-9A-Za-z.:%_-]{1,100})\((\d{1,5})\)")
_ADDRESS = re.compile(r"(?<![\w.:])(\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40})(?![\w.:(])")
_USER = re.compile(r"\b(?:user|usr|u)=([^,\s]{1,63})", re.IGNORECASE)
_DATABASE = re.compile(r"\b(?:database|db|d)=([^,\s]{1,63})", re.IGNORECASE)
_USER_AT = re.compile(r"(?<![^\s:,|])([^\s@:,=|\[\]]{1,63})@([^\s@:,|\[\]]{1,63})")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?: ?[A-Z]{2,5}\b| ?[+-]\d\d(?::?\d\d)?)?")

_CSV = re.compile(
    r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,]{1,10},(?:"(?P<user>[^"]{0,63})")?,(?:"(?P<database>[^"]{0,63})")?,(?P<pid>\d{1,10}),'
    r'(?:"(?P<client>[^"]{0,300})")?,(?P<session>[0-9a-f]{1,16}\.[0-9a-f]{1,8}),\d{1,10},(?:"[^"]{0,100}"|[^",]{0,100}),'
    r'[^,]{0,40},[^,]{0,40},[^,]{0,20},(?P<severity>[^,"]{1,30}),[0-9A-Z]{5},"?'
)
_JSON = re.compile(
    r'"(pid|remote_host|remote_port|session_id|error_severity|user|dbname)":(?:"([^"]{0,300})"|(\d{1,10}))'
)
_JSON_MESSAGE = re.compile(r'"message":"')


def head(text: str) -> Head | None:
    """What the prefix of an entry says, by the shape of its parts: `[123]` is a process, `6afff7c6.548b` a session (process id in
    hexadecimal after the dot), `10.1.0.2(40112)` a client, `shop@orders` user and database. Names of hosts are not addresses.

    None where no severity word stands before the message, or where another program's log quotes it.
    """
    if text.startswith("{"):
        return _json_head(text)
    word = _SEVERITY.search(text, 0, PREFIX_LIMIT)
    if word is None:
        return _csv_head(text)
    severity = SEVERITIES[word[1]]
    # Two blanks after the severity are this server's own; with one the entry may be anybody's.
    exclusive = len(word[2]) == 2
    prefix = text[: word.start()]
    if _QUOTED.search(prefix):
        return None
    bare = _STAMP.sub(" ", prefix)
    session = _SESSION.search(bare)
    pid = _pid(bare, session)
    ip, port = _client(bare)
    user, database = _USER.search(bare), _DATABASE.search(bare)
    names = None if user or database else _USER_AT.search(bare)
    return Head(
        body=word.end(),
        exclusive=exclusive,
        continued=severity in CONTINUED,
        severity=severity,
        pid=pid,
        session=session[0] if session else None,
        client_ip=ip,
        client_port=port,
        user=user[1] if user else names[1] if names else None,
        database=database[1] if database else names[2] if names else None,
    )


def _csv_head(text: str) -> Head | None:
    """csvlog: time, user, database, process, client, session … severity, SQLSTATE and then the message."""
    row = _CSV.match(text)
    if row is None or row["severity"] not in SEVERITIES:
        return None
    ip, _, port = (row["client"] or "").rpartition(":")
    return Head(
        body=row.end(), exclusive=True, severity=SEVERITIES[row["severity"]], pid=int(row["pid"]), session=row["session"],
        client_ip=_address(ip), client_port=int(port) if _address(ip) else None, user=row["user"], database=row["database"],
    )  # fmt: skip


def _json_head(text: str) -> Head | None:
    """jsonlog (from version 15): absent keys are absent."""
    value = {
        found[1]: found[2] if found[2] is not None else found[3] for found in _JSON.finditer(text[: PREFIX_LIMIT * 4])
    }
    message = _JSON_MESSAGE.search(text, 0, PREFIX_LIMIT * 4)
    if message is None or value.get("error_severity") not in SEVERITIES or not value.get("pid", "").isdigit():
        return None
    ip, port = _address(value.get("remote_host", "")), value.get("remote_port", "")
    return Head(
        body=message.end(), exclusive=True, severity=SEVERITIES[value["error_severity"]], pid=int(value["pid"]), session=value.get("session_id"),
        client_ip=ip, client_port=int(port) if ip and port.isdigit() else None, user=value.get("user"), database=value.get("dbname"),
    )  # fmt: skip


def _pid(prefix: str, session: re.Match[str] | None) -> int | None:
    found = _PID.search(prefix)
    if found:
        return int(found[1] or found[2])
    if session:
        return int(session[2], 16)
    numbers = _NUMBER.findall(prefix)
    return int(numbers[0]) if len(numbers) == 1 else None


def _client(prefix: str) -> tuple[str | None, int | None]:
    found = _REMOTE.search(prefix)
    if found:
        text = found[1]
        for _ in range(3):  # an RDS prefix puts a colon before an address that may itself hold colons
            if ip := _address(text):
                return ip, int(found[2])
            text = text.partition(":")[2]
        return None, None
    alone = _ADDRESS.search(prefix)
    return (_address(alone[1]), None) if alone else (None, None)


@lru_cache(maxsize=4096)
def _address(text: str) -> str | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if address.is_unspecified:  # an RDS prefix without a client is "::@:"
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


_ROW = (
    '2024-05-01 12:00:00.123 UTC,"app","appdb",21643,"192.0.2.10:51234",6631fd40.548b,3,"idle",2024-05-01 11:58:24 UTC,3/0,0,LOG,08006,'
    '"could not receive data from client: Connection reset by peer",,,,,,,,,"psql"'
)
_OF_ROW = {
    "pid": 21643,
    "session": "6631fd40.548b",
    "client_ip": "192.0.2.10",
    "client_port": 51234,
    "user": "app",
    "database": "appdb",
}
SAMPLES = (
    *samples_of(_DATA["messages"]),
    Sample(
        "2026-11-20 18:33:26.867 JST [21652] shop@orders LOG:  unexpected EOF on client connection with an open transaction",
        "end_in_transaction",
        "unexpected_end",
        "2026-11-20T09:33:26.867000000Z",
        {"pid": 21652, "user": "shop", "database": "orders", "zone": "printed", "resolution": 0.001, "severity": "LOG"},
    ),
    Sample(
        "2024-05-01 12:00:00 UTC:2001:db8::5(51234):app@appdb:[21643]:LOG:  could not receive data from client: Connection reset by peer",
        "receive_failed",
        "reset_received",
        "2024-05-01T12:00:00.000000000Z",
        {"pid": 21643, "client_ip": "2001:db8::5", "client_port": 51234, "user": "app", "database": "appdb", "resolution": 1.0},
    ),
    Sample(  # Azure
        "2024-05-01 12:00:00 UTC-6631fd40.548b-LOG:  could not receive data from client: Connection reset by peer",
        "receive_failed",
        "reset_received",
        "2024-05-01T12:00:00.000000000Z",
        {"pid": 0x548B, "session": "6631fd40.548b", "client_ip": None, "resolution": 1.0},
    ),
    Sample(  # Cloud SQL
        "2024-05-01 12:00:00.123 UTC [21643]: [3-1] db=appdb,user=app LOG:  could not receive data from client: Connection reset by peer",
        "receive_failed",
        "reset_received",
        "2024-05-01T12:00:00.123000000Z",
        {"pid": 21643, "user": "app", "database": "appdb"},
    ),
    # csvlog of version 12 and before, of 13 (backend_type), and from 14 (leader_pid, query_id)
    *(
        Sample(f"{_ROW}{columns}", "receive_failed", "reset_received", "2024-05-01T12:00:00.123000000Z", _OF_ROW)
        for columns in ("", ',"client backend"', ',"client backend",,0')
    ),
    Sample(
        "[21643] db=appdb,user=app,host=192.0.2.10(51234) 1714564800.123 LOG:  could not send data to client: Broken pipe",
        "send_failed",
        "broken_pipe",
        "2024-05-01T12:00:00.123000000Z",
        {"pid": 21643, "client_ip": "192.0.2.10", "client_port": 51234, "user": "app", "database": "appdb"},
    ),
    Sample(
        "2026-11-20 07:34:53.100 +09-6afff81d.6353-[local] LOG:  connection received: host=[local]",
        "connection_received",
        "opened",
        "2026-11-19T22:34:53.100000000Z",
        {"pid": 0x6353, "session": "6afff81d.6353", "client_ip": None},
    ),
)  # fmt: skip

FORMAT = LogFormat(
    id="postgresql",
    title="PostgreSQL server log (stderr with any prefix, csvlog, jsonlog)",
    reference="https://www.postgresql.org/docs/current/runtime-config-logging.html",
    messages=messages_of(_DATA["messages"]),
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("postgres", "postgresql"),
)
