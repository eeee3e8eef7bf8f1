"""A program's log as JSON, one object a line: pino, zap, slog, zerolog, structlog, Serilog, logstash-logback, GELF, cloud exports.

Lives here: the envelope. What the program says stands in its message and in fields such as `error` or `stack_trace`: all texts are taken out,
the message as the line, each of the others as `name=text` on a line of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.logs.envelope import Envelope, Peeled, Wrapped, name, number

_TIMES = (
    "@timestamp",
    "timestamp",
    "ts",
    "time",
    "asctime",
    "@t",
    "eventTime",
    "datetime",
    "t",
    "Timestamp",
    "TimeGenerated",
)
_MESSAGES = (
    "message",
    "msg",
    "@m",
    "@mt",
    "short_message",
    "@message",
    "textPayload",
    "log",
    "event",
    "body",
    "Message",
    "properties.message",
    "Message_s",
)
_LEVELS = ("level", "severity", "levelname", "lvl", "log.level", "@l", "LogLevel")
_HOSTS = ("host", "hostname", "host.name", "Host")
_PROGRAMS = ("service", "app", "application", "service.name", "program", "container_name")
_PIDS = ("pid", "process", "process.pid", "process_id", "PID")
_DEPTH, _TEXTS = 5, 200  # levels of nesting and number of texts that are looked at
_NUMBERED = {"10": "TRACE", "20": "DEBUG", "30": "INFO", "40": "WARNING", "50": "ERROR", "60": "FATAL"}  # pino, bunyan


def _texts(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, str(value)
    elif depth < _DEPTH and isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif depth < _DEPTH and isinstance(value, list):
        for inner in value:
            yield from _texts(inner, path, depth + 1)


def _first(fields: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((key for key in names if key in fields), None)


def peel(text: str) -> Peeled | None:
    """Take the texts out of one JSON object that has a time and a message."""
    if not text.startswith("{"):
        return None
    try:
        parsed = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return None
    fields: dict[str, str] = {}
    for key, value in _texts(parsed, "", 0):
        fields[key] = f"{fields[key]}\n{value}" if key in fields else value
        if len(fields) == _TEXTS:
            break
    time, message = _first(fields, _TIMES), _first(fields, _MESSAGES)
    if time is None or message is None:
        return None
    level, host, program, pid = (_first(fields, names) for names in (_LEVELS, _HOSTS, _PROGRAMS, _PIDS))
    severity = fields[level].upper() if level else None
    taken = {time, message, level, host, program, pid}
    more = "\n".join(f"{key}={value}" for key, value in fields.items() if key not in taken)
    return Peeled(
        fields[message], fields[time], name(fields[host]) if host else None, name(fields[program]) if program else None,
        number(fields[pid]) if pid else None, _NUMBERED.get(severity, severity) if severity else None, more=more,
    )  # fmt: skip


ENVELOPE = Envelope(
    id="json_lines",
    title="any program's log as JSON lines",
    reference="https://jsonlines.org/",
    peel=peel,
    fields=True,
    samples=(
        Wrapped(  # Azure Monitor
            '{"time":"2024-05-01T12:00:05.123Z","category":"PostgreSQLLogs","properties":{"processId":21643,"message":"2024-05-01 12:00:05 UTC-6631fd40.548b-LOG:  x"}}',
            Peeled("2024-05-01 12:00:05 UTC-6631fd40.548b-LOG:  x", "2024-05-01T12:00:05.123Z", more="category=PostgreSQLLogs\nproperties.processId=21643"),
        ),
        Wrapped(
            '{"level":"error","ts":1714564800.1234567,"msg":"request failed","pid":7,"error":"read tcp 10.0.0.1:43040->10.0.0.2:9101: read: connection reset by peer"}',
            Peeled(
                "request failed", "1714564800.1234567", pid=7, severity="ERROR",
                more="error=read tcp 10.0.0.1:43040->10.0.0.2:9101: read: connection reset by peer",
            ),
        ),
        Wrapped(
            '{"@timestamp":"2024-05-01T12:00:00.123Z","host":{"name":"web1"},"message":"failed","error":{"stack_trace":"java.io.IOException: Broken pipe\\n\\tat x"}}',
            Peeled("failed", "2024-05-01T12:00:00.123Z", "web1", more="error.stack_trace=java.io.IOException: Broken pipe\n\tat x"),
        ),
        Wrapped(
            '{"level":50,"time":1714564800123,"pid":7,"hostname":"web1","err":{"code":"ECONNRESET"},"msg":"read ECONNRESET"}',
            Peeled("read ECONNRESET", "1714564800123", "web1", pid=7, severity="ERROR", more="err.code=ECONNRESET"),
        ),
    ),
)  # fmt: skip
