"""syslog lines as they stand in files: RFC 3164 with its short dates, the full dates of newer rsyslog, and journalctl's short forms.

Lives here: the envelope. A short date has no year and no zone. PostgreSQL numbers the pieces of a message (`[5-2] `), and rsyslog writes
control characters as `#011`: both are undone.
"""

from __future__ import annotations

import re

from analyzer.logs.envelope import Envelope, Peeled, Wrapped, number

_LINE = re.compile(
    r"(?:<\d{1,3}>)?(?P<time>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})? [A-Z]{2,5}"
    r"|1\d{9}\.\d{6}) "
    r"(?!(?:TRACE|DEBUG|DBG|INFO|INF|NOTICE|WARN|WARNING|WRN|ERROR|ERR|FATAL|CRITICAL)\b)(?P<host>[^\s:\[\]=\"]{1,255}) "
    r"(?P<program>[^\s:\[\]]{1,64})(?:\[(?P<pid>\d{1,10})\])?:(?: (?P<inside>.*)|$)",
    re.DOTALL,
)
_PIECE = re.compile(r"\[\d{1,10}-(\d{1,6})\] ")
_OCTAL = re.compile(r"#(0[0-3][0-7])")


def peel(text: str) -> Peeled | None:
    """Take the message out of `May  1 12:00:00 host program[pid]: message`; a level is not taken for a host.

    A later piece of a message begins with a tab.
    """
    found = _LINE.match(text)
    if found is None:
        return None
    inside = found["inside"] or ""
    if piece := _PIECE.match(inside):
        inside = ("\t" if int(piece[1]) > 1 else "") + inside[piece.end() :]
    inside = _OCTAL.sub(lambda code: chr(int(code[1], 8)), inside)
    time = f"{found['time']} "  # the blank belongs to the short date's form
    return Peeled(inside, time, found["host"], found["program"], number(found["pid"]))


ENVELOPE = Envelope(
    id="syslog",
    title="syslog files (RFC 3164, or with full dates); journalctl -o short, short-precise, short-iso, short-full, short-unix",
    reference="https://www.rfc-editor.org/rfc/rfc3164",
    peel=peel,
    samples=(
        Wrapped(
            "<134>May  1 12:00:00 db1 postgres[21643]: [5-1] LOG:  could not receive data from client: Connection reset by peer",
            Peeled("LOG:  could not receive data from client: Connection reset by peer", "May  1 12:00:00 ", "db1", "postgres", 21643),
        ),
        Wrapped(
            "May  1 12:00:00 db1 postgres[21643]: [5-2] #011FROM orders",
            Peeled("\t\tFROM orders", "May  1 12:00:00 ", "db1", "postgres", 21643),
        ),
        Wrapped(
            "Nov 20 18:33:26.358123 web1 kernel: RST-OUT: IN= OUT=lo",
            Peeled("RST-OUT: IN= OUT=lo", "Nov 20 18:33:26.358123 ", "web1", "kernel"),
        ),
        Wrapped(
            "2024-05-01T12:00:00.123456+09:00 db1 postgres[21643]: [7-1] LOG:  could not send data to client: Broken pipe",
            Peeled("LOG:  could not send data to client: Broken pipe", "2024-05-01T12:00:00.123456+09:00 ", "db1", "postgres", 21643),
        ),
        Wrapped(
            "2024-05-01T12:00:00+0000 web1 sshd[4711]: Connection reset by 192.0.2.10 port 51234 [preauth]",
            Peeled("Connection reset by 192.0.2.10 port 51234 [preauth]", "2024-05-01T12:00:00+0000 ", "web1", "sshd", 4711),
        ),
        Wrapped(
            "Wed 2024-05-01 12:00:00 UTC web1 app[7]: write: broken pipe",
            Peeled("write: broken pipe", "Wed 2024-05-01 12:00:00 UTC ", "web1", "app", 7),
        ),
        Wrapped(
            "1714564800.123456 web1 app[7]: write: broken pipe",
            Peeled("write: broken pipe", "1714564800.123456 ", "web1", "app", 7),
        ),
    ),
)  # fmt: skip
