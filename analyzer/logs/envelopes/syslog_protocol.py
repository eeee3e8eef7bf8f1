"""syslog as RFC 5424 describes it, with structured data, as it goes over the wire and as some collectors keep it.

Lives here: the envelope.
"""

from __future__ import annotations

import re

from analyzer.logs.envelope import Envelope, Peeled, Wrapped, name, number

_LINE = re.compile(
    r"(?:\d{1,6} )?<\d{1,3}>1 (?P<time>\S{1,40}) (?P<host>\S{1,255}) (?P<program>\S{1,48}) (?P<pid>\S{1,128}) \S{1,32} "
    r'(?:-|(?:\[(?:[^"\]]|"(?:[^"\\]|\\.)*+")*+\])++)(?: (?:\ufeff)?(?P<inside>.*))?',
    re.DOTALL,
)


def peel(text: str) -> Peeled | None:
    """Take the message out of `<134>1 time host program pid id [data] message`; `-` stands for nothing."""
    found = _LINE.match(text)
    if found is None:
        return None
    time = "" if found["time"] == "-" else found["time"]
    return Peeled(found["inside"] or "", time, name(found["host"]), name(found["program"]), number(found["pid"]))


ENVELOPE = Envelope(
    id="syslog_protocol",
    title="syslog, RFC 5424",
    reference="https://www.rfc-editor.org/rfc/rfc5424",
    peel=peel,
    samples=(
        Wrapped(
            "<134>1 2024-05-01T12:00:00.123456+09:00 db1 postgres 21643 - - LOG:  unexpected EOF on client connection",
            Peeled("LOG:  unexpected EOF on client connection", "2024-05-01T12:00:00.123456+09:00", "db1", "postgres", 21643),
        ),
        Wrapped(
            '<11>1 2024-05-01T03:00:00Z web1 app - ID47 [origin ip="10.1.0.2" note="a \\"b\\" ]"][x@1 y="z"] \ufeffwrite: broken pipe',
            Peeled("write: broken pipe", "2024-05-01T03:00:00Z", "web1", "app"),
        ),
    ),
)  # fmt: skip
