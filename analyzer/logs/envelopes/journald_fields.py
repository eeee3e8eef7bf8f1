"""systemd's journal as fields, one on a line: `journalctl -o export`, whose records stand apart by an empty line, and `-o verbose`.

Lives here: the envelope. Of an export, fields that are not plain text (a message of several lines) are bytes after their length: not read.
"""

from __future__ import annotations

import re

from analyzer.logs.envelope import Envelope, Peeled, Wrapped, name, number

_VERBOSE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})? \S{1,6}) \[s=")
_FIELD = re.compile(r"(?: {4})?([A-Z_][A-Z0-9_]{0,63})=(.*)")
_PRIORITIES = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")


def peel(text: str) -> Peeled | None:
    """Take MESSAGE out of one record; the writer's own time (_SOURCE_REALTIME_TIMESTAMP) goes before the journal's."""
    first, _, rest = text.partition("\n")
    verbose = _VERBOSE.match(first)
    if verbose is None and not first.startswith("__"):
        return None
    fields: dict[str, str] = {}
    last = ""
    for line in rest.split("\n") if verbose else text.split("\n"):
        found = _FIELD.fullmatch(line)
        if found:
            last = found[1]
            fields.setdefault(last, found[2])
        elif verbose and last:  # a value of several lines is indented
            fields[last] += "\n" + line.strip()
    time = (
        fields.get("_SOURCE_REALTIME_TIMESTAMP")
        or fields.get("__REALTIME_TIMESTAMP")
        or (verbose[1] if verbose else "")
    )
    if "MESSAGE" not in fields or not time:
        return None
    priority = fields.get("PRIORITY", "")
    return Peeled(
        fields["MESSAGE"], time, name(fields.get("_HOSTNAME")), name(fields.get("SYSLOG_IDENTIFIER")) or name(fields.get("_COMM")),
        number(fields.get("_PID") or fields.get("SYSLOG_PID")), _PRIORITIES[int(priority)] if priority in set("01234567") else None,
    )  # fmt: skip


_LOST = "LOG:  could not receive data from client: Connection reset by peer"
ENVELOPE = Envelope(
    id="journald_fields",
    title="systemd's journal as fields (journalctl -o export, -o verbose)",
    reference="https://systemd.io/JOURNAL_EXPORT_FORMATS/",
    peel=peel,
    fields=True,
    samples=(
        Wrapped(
            "__CURSOR=s=739ad463348b4ceca5a9e69c95a3c93f;i=4ece7\n__REALTIME_TIMESTAMP=1714564800123999\n__MONOTONIC_TIMESTAMP=29258180\n_HOSTNAME=db1\nPRIORITY=6\n"
            f"SYSLOG_IDENTIFIER=postgres\nMESSAGE={_LOST}\n_PID=21643\n_SOURCE_REALTIME_TIMESTAMP=1714564800123456",
            Peeled(_LOST, "1714564800123456", "db1", "postgres", 21643, "INFO"),
        ),
        Wrapped(
            "Wed 2024-05-01 21:00:00.123456 JST [s=739ad463348b4ceca5a9e69c95a3c93f;i=4ece7;b=1;m=2;t=3;x=4]\n    _TRANSPORT=stdout\n    PRIORITY=6\n    _HOSTNAME=db1\n"
            f"    _COMM=postgres\n    _PID=21643\n    MESSAGE={_LOST}\n            and more",
            Peeled(f"{_LOST}\nand more", "2024-05-01 21:00:00.123456 JST", "db1", "postgres", 21643, "INFO"),
        ),
    ),
)  # fmt: skip
