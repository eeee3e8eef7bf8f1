"""From pyshark's layers to messages: the kind of each, and the few details that facts are made of.

Lives here: the names of PostgreSQL's messages (protocol 3.0, chapter "Message Formats"), of TLS records and alerts
(RFC 8446 6, RFC 5246), of HTTP's methods and status, the number of a MySQL error and the first word of a Redis one.
Never here: payload. A message's text is read only for SQL statements, only when asked for, bounded and escaped; and to
tell PgBouncer's reasons apart, of which it is not kept.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from analyzer.dissection.streams import Segment, Stream

WORDS_AT_MOST = 400  # characters, of one packet
STATEMENT_AT_MOST = 300  # characters
KINDS_AT_MOST = 12  # of one packet; what is between the first and the last is counted

CLIENT = {
    "Q": "Query", "P": "Parse", "B": "Bind", "E": "Execute", "D": "Describe", "S": "Sync", "H": "Flush", "C": "Close",
    "X": "Terminate", "d": "CopyData", "c": "CopyDone", "f": "CopyFail", "p": "PasswordMessage", "F": "FunctionCall",
}  # fmt: skip
SERVER = {
    "R": "Authentication", "S": "ParameterStatus", "K": "BackendKeyData", "Z": "ReadyForQuery", "C": "CommandComplete",
    "D": "DataRow", "T": "RowDescription", "E": "ErrorResponse", "N": "NoticeResponse", "1": "ParseComplete",
    "2": "BindComplete", "3": "CloseComplete", "n": "NoData", "s": "PortalSuspended", "t": "ParameterDescription",
    "I": "EmptyQueryResponse", "A": "NotificationResponse", "G": "CopyInResponse", "H": "CopyOutResponse",
    "W": "CopyBothResponse", "d": "CopyData", "c": "CopyDone", "V": "FunctionCallResponse", "v": "NegotiateProtocolVersion",
}  # fmt: skip
UNTYPED = {
    "startup message": "StartupMessage", "ssl request": "SSLRequest", "cancel request": "CancelRequest",
    "gss encrypt request": "GSSENCRequest",
}  # fmt: skip
SSL_ANSWERS = {b"S": "SSLAnswer (yes)", b"N": "SSLAnswer (no)", b"G": "GSSENCAnswer (yes)"}
STATUS = {"I": "idle", "T": "in transaction", "E": "in failed transaction"}
SEVERITIES = ("ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "DEBUG", "INFO", "LOG")

RECORDS = {20: "ChangeCipherSpec", 21: "Alert", 22: "Handshake", 23: "ApplicationData", 24: "Heartbeat"}
HANDSHAKES = {
    0: "HelloRequest", 1: "ClientHello", 2: "ServerHello", 4: "NewSessionTicket", 5: "EndOfEarlyData",
    8: "EncryptedExtensions", 11: "Certificate", 12: "ServerKeyExchange", 13: "CertificateRequest",
    14: "ServerHelloDone", 15: "CertificateVerify", 16: "ClientKeyExchange", 20: "Finished", 22: "CertificateStatus",
    24: "KeyUpdate",
}  # fmt: skip
ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
    30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate",
    43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
    47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
    60: "export_restriction", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
    86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation", 109: "missing_extension",
    110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
    113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_psk_identity",
    116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip
FRAMES = {
    0: "DATA", 1: "HEADERS", 2: "PRIORITY", 3: "RST_STREAM", 4: "SETTINGS", 5: "PUSH_PROMISE", 6: "PING", 7: "GOAWAY",
    8: "WINDOW_UPDATE", 9: "CONTINUATION",
}  # fmt: skip

# Errors with which a MySQL or MariaDB server ends a connection (their lists of server errors) -> what they announce.
MYSQL_GOODBYES = {
    1053: "shutdown", 1927: "terminated", 4031: "idle_timeout",
    1040: "error", 1042: "error", 1043: "error", 1045: "error", 1129: "error", 1130: "error", 1152: "error", 1153: "error", 1156: "error",
    1157: "error", 1158: "error", 1160: "error", 1203: "error",
}  # fmt: skip

READABLE = {"pgsql", "http", "http2", "mysql", "resp"}  # tshark's layers of which messages are read

# Protocols that are only named: tshark's layer -> application.
OTHERS = {
    "tds": "tds", "tns": "oracle", "drda": "db2", "mongo": "mongodb", "cql": "cassandra",
    "memcache": "memcache", "kafka": "kafka", "amqp": "amqp", "mqtt": "mqtt", "ldap": "ldap", "ssh": "ssh",
    "smtp": "smtp", "imap": "imap", "pop": "pop", "ftp": "ftp", "telnet": "telnet", "smb": "smb", "smb2": "smb", "dns": "dns",
    "sip": "sip", "rtsp": "rtsp", "websocket": "websocket", "http2": "http2",
}  # fmt: skip


@dataclass(frozen=True)
class Message:
    """One message of the application: its protocol, its kind as shown, and what facts need of it."""

    protocol: str
    kind: str  # "" for a protocol that is only named
    type: str = ""  # the kind without details
    status: str = ""  # ReadyForQuery's letter
    severity: str = ""
    code: str = ""  # SQLSTATE, alert, HTTP status
    reason: str = ""  # what PgBouncer's words, a MySQL or a Redis error announce
    pid: int | None = None
    waits: bool = False  # Authentication: the client has to answer
    sealed: bool = False  # encrypted from here on
    opened: bool = False  # was encrypted, and read with the user's keys
    closes: bool = False  # HTTP: Connection: close
    length: int | None = None  # HTTP: Content-Length, -1 chunked; TLS: of a record
    version: int = 0  # TLS: what the ServerHello settled on
    statement: str = ""


def _raw(layer: Any, name: str) -> bytes:
    """The first value of a field as bytes; empty where the layer has none."""
    field = layer.get_field(name)
    try:
        return bytes.fromhex(field.raw_value) if field is not None and field.raw_value else b""
    except ValueError:
        return b""


def _text(layer: Any, name: str) -> str:
    return _raw(layer, name).rstrip(b"\0").decode("utf-8", "replace")


def _number(value: Any) -> int | None:
    try:
        return int(str(value), 0)
    except ValueError:
        return None


def _escaped(text: str, most: int) -> str:
    """The text in one printable line: control and invisible characters as escapes, at most `most` characters."""
    out = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:most])
    return out if len(text) <= most and len(out) <= most else out[: most - 1] + "…"


def _postgresql(layer: Any, statements: bool) -> list[Message]:
    letter = _raw(layer, "pgsql.type").decode("latin-1")
    from_client = str(layer.get_field("pgsql.frontend")) not in ("0", "False")
    if not letter:
        untyped = UNTYPED.get(str(layer.get_field("pgsql.type") or "").lower())
        return [Message("postgresql", untyped, untyped)] if untyped and from_client else []
    kind = (CLIENT if from_client else SERVER).get(letter)
    if kind is None:
        return []
    if kind == "ReadyForQuery":
        status = _raw(layer, "pgsql.status").decode("latin-1")
        if status not in STATUS or not status:
            return []
        return [Message("postgresql", f"{kind} ({STATUS[status]})", kind, status=status)]
    if kind in ("ErrorResponse", "NoticeResponse"):
        # V is never translated (since 9.6); without it, what is not English stays unnamed
        spoken = _raw(layer, "pgsql.text") or _raw(layer, "pgsql.severity")
        severity = spoken[1:].rstrip(b"\0").decode("utf-8", "replace")
        severity = severity if severity in SEVERITIES else ""
        code = _raw(layer, "pgsql.code")[1:].rstrip(b"\0").decode("latin-1")
        code = code if re.fullmatch(r"[0-9A-Z]{5}", code) else ""
        said = " ".join(filter(None, (kind, severity, code)))
        return [Message("postgresql", said, kind, severity=severity, code=code, reason=_reason(code, layer))]
    if kind == "BackendKeyData":
        pid = _number(layer.get_field("pgsql.pid"))
        return [Message("postgresql", kind, kind, pid=pid)]
    if kind == "Authentication":
        asks = _number(layer.get_field("pgsql.authtype"))
        return [Message("postgresql", kind, kind, waits=asks not in (0, 12))]  # ok, SASL final
    statement = ""
    if statements and kind in ("Query", "Parse"):
        statement = _escaped(_text(layer, "pgsql.query"), STATEMENT_AT_MOST)
    return [Message("postgresql", f"{kind}: {statement}" if statement else kind, kind, statement=statement)]


def _reason(code: str, layer: Any) -> str:
    """What PgBouncer means, which says everything under 08P01."""
    if code != "08P01":
        return ""
    said = _raw(layer, "pgsql.message")[1:].rstrip(b"\0").decode("utf-8", "replace").lower().replace("_", " ")
    if said in ("client idle timeout", "idle transaction timeout"):
        return "idle_timeout"
    return "shutdown" if "shutting down" in said else ""


def _at(field: Any) -> int:
    return int(field.pos) if str(field.pos).isdigit() else 0


def _tls(layer: Any) -> list[Message]:
    """The records of one layer in their order, each with what is readable in it."""
    parts: list[tuple[int, int, str, int | None]] = []
    names = ("tls.record.content_type", "tls.record.opaque_type", "tls.handshake.type", "tls.alert_message.desc", "tls.record.length",
             "tls.handshake.extensions.supported_version")  # fmt: skip
    for rank, name in enumerate(names):
        found = layer.get_field(name)
        for field in found.all_fields if found is not None else ():
            parts.append((_at(field), rank, name.rsplit(".", 1)[1], _number(field.show)))
    out: list[Message] = []
    for _, _, name, value in sorted(parts, key=lambda part: part[:2]):
        if name in ("content_type", "opaque_type") and value in RECORDS:
            kind = f"TLS {RECORDS[value]}"
            out.append(Message("tls", kind, RECORDS[value], sealed=value in (20, 23)))
        elif name == "type" and value is not None:
            kind = HANDSHAKES.get(value, "Handshake")
            if out and out[-1].kind == "TLS Handshake":
                out.pop()
            out.append(Message("tls", f"TLS {kind}", kind))
        elif name == "desc" and value is not None:
            alert = ALERTS.get(value, f"alert_{value}")
            if out and out[-1].kind == "TLS Alert":
                out.pop()
            out.append(Message("tls", f"TLS Alert: {alert}", "Alert", code=alert))
        elif name == "length" and out and out[-1].length is None:
            out[-1] = replace(out[-1], length=value)
        elif name == "supported_version" and out and out[-1].type == "ServerHello":
            out[-1] = replace(out[-1], version=value or 0)
    return [m if m.kind != "TLS Alert" else Message("tls", "TLS Alert (encrypted)", "Alert") for m in out]


def _http(layer: Any) -> list[Message]:
    closes = re.search(r"\bclose\b", _text(layer, "http.connection").lower()) is not None
    method, status = _text(layer, "http.request.method"), _number(layer.get_field("http.response.code"))
    length = _number(layer.get_field("http.content_length_header"))
    if "chunked" in _text(layer, "http.transfer_encoding").lower():
        length = -1
    if method and re.fullmatch(r"[A-Z][A-Z_-]{1,19}", method):
        return [Message("http", f"HTTP {method}", "request", code=method, closes=closes, length=length)]
    if status is None or not 100 <= status <= 999:
        return []
    return [Message("http", f"HTTP {status}", "response", code=str(status), closes=closes, length=length)]


def _mysql(layer: Any) -> list[Message]:
    """A server's error packet, and the number of the connection in its greeting; of everything else only the protocol is named."""
    code = _number(layer.get_field("mysql.error_code"))
    if code is None:
        return [Message("mysql", "", pid=_number(layer.get_field("mysql.thread_id")))]
    return [Message("mysql", f"MySQL error {code}", "error", code=str(code), reason=MYSQL_GOODBYES.get(code, ""))]


def _redis(layer: Any) -> list[Message]:
    """An error reply by its first word; after a protocol error Redis closes (networking.c, CLIENT_CLOSE_AFTER_REPLY)."""
    said = _text(layer, "resp.error").removeprefix("-")
    code = re.match(r"[A-Z]{2,20}\b", said)
    if code is None:
        return [Message("redis", "")]
    fatal = said.startswith("ERR Protocol error")
    kind = "Redis ERR Protocol error" if fatal else f"Redis {code[0]}"
    return [Message("redis", kind, "error", code=code[0], reason="error" if fatal else "")]


def _http2(layer: Any) -> list[Message]:
    found = layer.get_field("http2.type")
    kinds = [FRAMES.get(_number(field.show) or 0) for field in found.all_fields] if found is not None else []
    return [Message("http2", f"HTTP/2 {kind}", kind) for kind in kinds if kind]


def messages_of(layers: Sequence[Any], stream: Stream, segment: Segment, *, statements: bool) -> list[Message]:
    """The messages that end in one packet, in their order."""
    out: list[Message] = []
    under = False  # TLS came before, so what follows was decrypted
    for layer in layers:
        name = layer.layer_name.lower()
        if under and name in READABLE:
            out = [message for message in out if message.type != "ApplicationData"]
        before = len(out)
        if name == "pgsql":
            out += _postgresql(layer, statements)
        elif name == "tls":
            out += _tls(layer)
        elif name == "http":
            out += _http(layer)
        elif name == "http2":
            out += _http2(layer)
        elif name == "mysql":
            out += _mysql(layer)
        elif name == "resp":
            out += _redis(layer)
        elif name in OTHERS and not stream.protocol:
            out.append(Message(OTHERS[name], ""))
        if under:
            out[before:] = [
                message if message.protocol == "tls" else replace(message, opened=True) for message in out[before:]
            ]
        under = under or name == "tls"
    first = not segment.from_client and segment.seq == 0 and segment.length == 1
    if not out and first and stream.protocol == "postgresql" and segment.payload in SSL_ANSWERS:
        out.append(Message("postgresql", SSL_ANSWERS[segment.payload], "SSLAnswer", sealed=segment.payload == b"G"))
    return out


def wording(messages: Sequence[Message]) -> str:
    """The messages of one packet in one line: repeated kinds counted, the middle of a long list left out."""
    counted = [(kind, len(list(same))) for kind, same in itertools.groupby(m.kind for m in messages if m.kind)]
    shown = [kind if count == 1 else f"{kind} ×{count}" for kind, count in counted]
    if len(shown) > KINDS_AT_MOST:
        half = KINDS_AT_MOST // 2
        shown = [*shown[:half], f"… {len(shown) - 2 * half} more …", *shown[-half:]]
    text = ", ".join(shown)
    return text if len(text) <= WORDS_AT_MOST else text[: WORDS_AT_MOST - 1] + "…"
