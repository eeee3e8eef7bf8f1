"""logfmt: `time=… level=… msg="…" err="…"`, as logrus, slog, go-kit, Traefik 2 and Heroku write it.

Lives here: the envelope. The message is taken out, and each other text as `name=text` on a line of its own.
"""

from __future__ import annotations

import re

from analyzer.logs.envelope import Envelope, Peeled, Wrapped, name, number

_PAIR = re.compile(r'([A-Za-z_@][\w.@-]{0,60})=(?:"((?:[^"\\]|\\.)*+)"|([^\s"]*+))(?:\s++|$)', re.DOTALL)
_TIMES, _MESSAGES, _LEVELS = ("time", "ts", "timestamp", "t"), ("msg", "message"), ("level", "lvl", "severity")
_ESCAPE = re.compile(r'\\([\\"nrt])')
_PLAIN = {"n": "\n", "r": "\r", "t": "\t"}


def peel(text: str) -> Peeled | None:
    """Take the texts out of a line that is pairs from beginning to end, with a time and a message among them."""
    fields: dict[str, str] = {}
    position = 0
    while pair := _PAIR.match(text, position):
        quoted = pair[2]
        fields.setdefault(
            pair[1], pair[3] if quoted is None else _ESCAPE.sub(lambda code: _PLAIN.get(code[1], code[1]), quoted)
        )
        position = pair.end()
    if position < len(text):
        return None
    time, message, level = (next((key for key in keys if key in fields), None) for keys in (_TIMES, _MESSAGES, _LEVELS))
    if time is None or message is None:
        return None
    more = "\n".join(f"{k}={v}" for k, v in fields.items() if k not in (time, message, level, "pid", "host"))
    return Peeled(
        fields[message], fields[time], name(fields.get("host")), None, number(fields.get("pid")), fields[level].upper() if level else None, more=more
    )  # fmt: skip


ENVELOPE = Envelope(
    id="logfmt",
    title="any program's log as logfmt (logrus, slog, go-kit)",
    reference="https://pkg.go.dev/log/slog#TextHandler",
    peel=peel,
    fields=True,
    samples=(
        Wrapped(
            'time="2024-05-01T12:00:00Z" level=error msg="Error during connection" err="write tcp 10.0.0.2:443->192.0.2.10:51234: write: broken pipe"',
            Peeled(
                "Error during connection", "2024-05-01T12:00:00Z", severity="ERROR",
                more="err=write tcp 10.0.0.2:443->192.0.2.10:51234: write: broken pipe",
            ),
        ),
        Wrapped("ts=1714564800.123 lvl=warn msg=EOF pid=7", Peeled("EOF", "1714564800.123", pid=7, severity="WARN")),
    ),
)  # fmt: skip
