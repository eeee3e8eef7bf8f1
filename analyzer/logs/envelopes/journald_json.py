"""systemd's journal, written out as JSON: one object a line.

Lives here: the envelope. A message that is no UTF-8, or holds control characters, stands there as a list of its bytes.
"""

from __future__ import annotations

import json
from typing import Any

from analyzer.logs.envelope import Envelope, Peeled, Wrapped, name, number

_PRIORITIES = {
    "0": "EMERGENCY",
    "1": "ALERT",
    "2": "CRITICAL",
    "3": "ERROR",
    "4": "WARNING",
    "5": "NOTICE",
    "6": "INFO",
    "7": "DEBUG",
}


def peel(text: str) -> Peeled | None:
    """Take MESSAGE out; the writer's own time (_SOURCE_REALTIME_TIMESTAMP) goes before the journal's."""
    if not text.startswith("{") or "__REALTIME_TIMESTAMP" not in text or "MESSAGE" not in text:
        return None
    try:
        fields: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return None
    message, time = (
        fields.get("MESSAGE"),
        fields.get("_SOURCE_REALTIME_TIMESTAMP") or fields.get("__REALTIME_TIMESTAMP"),
    )
    if isinstance(message, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in message):
        message = bytes(message)
    if not isinstance(message, (str, bytes)) or not isinstance(time, str):
        return None
    return Peeled(
        message, time, name(fields.get("_HOSTNAME")), name(fields.get("SYSLOG_IDENTIFIER")) or name(fields.get("_COMM")),
        number(fields.get("_PID") or fields.get("SYSLOG_PID")), _PRIORITIES.get(str(fields.get("PRIORITY"))),
    )  # fmt: skip


ENVELOPE = Envelope(
    id="journald_json",
    title="systemd's journal as JSON (journalctl -o json)",
    reference="https://systemd.io/JOURNAL_EXPORT_FORMATS/",
    peel=peel,
    samples=(
        Wrapped(
            '{"__REALTIME_TIMESTAMP":"1714564800123456","_PID":"21643","_HOSTNAME":"db1","SYSLOG_IDENTIFIER":"postgres","PRIORITY":"6",'
            '"MESSAGE":"LOG:  could not send data to client: Broken pipe"}',
            Peeled("LOG:  could not send data to client: Broken pipe", "1714564800123456", "db1", "postgres", 21643, "INFO"),
        ),
        Wrapped(
            '{"__REALTIME_TIMESTAMP" : "1714564800123999", "_SOURCE_REALTIME_TIMESTAMP" : "1714564800123456", "_COMM" : "app", '
            '"MESSAGE" : [27,91,51,49,109,226,130,172]}',
            Peeled(b"\x1b[31m\xe2\x82\xac", "1714564800123456", program="app"),
        ),
    ),
)  # fmt: skip
