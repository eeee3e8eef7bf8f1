"""A Diagnosis as CSV: one row for each connection that ended badly, for a spreadsheet.

Lives here: the columns, and what keeps a cell from being taken for a formula. Never here: a value that the document does not hold.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from analyzer.report import wording
from analyzer.report.story import Item, get
from analyzer.result import Diagnosis

BEGINS = "\ufeff"  # a byte order mark: without it Excel reads UTF-8 as the locale's encoding
# Spreadsheets calculate what begins so; some of them the full-width forms, too, and tabs and line ends are skipped before it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
TEXT = 2000  # characters of a cell

COLUMNS = (
    "id", "kind", "time", "point", "capture", "frame", "stream", "client_ip", "client_port", "server_ip", "server_port", "roles_known",
    "apparent_sender", "reset_by", "confidence", "emitter", "proof", "cause", "cause_confidence", "title", "harmless", "incident", "copies",
    "log_lines", "log_line", "sentence", "next_capture", "next_log", "filter",
)  # fmt: skip


def render(diagnosis: Diagnosis) -> str:
    """Return the rows as CSV (RFC 4180), the byte order mark first."""
    document = diagnosis.document
    incidents = {identity: i["id"] for i in get(document, "incidents", []) for identity in get(i, "endings", [])}
    out = io.StringIO()
    out.write(BEGINS)
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for item in [*get(document, "resets", []), *get(document, "died_in_silence", [])]:
        values = _values(item) | {"incident": incidents.get(item["id"])}
        writer.writerow([cell(values[name]) for name in COLUMNS])
    return out.getvalue()


def cell(value: Any) -> str:
    """Return a value as a cell: numbers as they are, absent ones empty, text in one line and never a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    neutral = "'" if str(value).lstrip().startswith(FORMULA) or str(value).startswith(FORMULA) else ""
    return neutral + wording.inert(wording.cut(value, TEXT))


def _values(item: Item) -> Item:
    lines = get(item, "log_lines", [])
    first = f"{lines[0].get('source')}:{lines[0].get('line')}: {lines[0].get('text')}" if lines else None
    ends = {f"{side}_{part}": get(item, side, {}).get(part) for side in ("client", "server") for part in ("ip", "port")}
    plain = {name: item.get(name) for name in COLUMNS}
    return plain | ends | {"copies": len(get(item, "copies", [])), "log_lines": len(lines), "log_line": first}
