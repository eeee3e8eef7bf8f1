"""Tables and knowledge as plain text, for the commands `resets`, `logs`, `causes` and `formats`.

Lives here: aligned columns and wrapped paragraphs. Never here: colours, HTML, or what a diagnosis says (terminal.py, detail.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from analyzer.language import localised, tr
from analyzer.report.terminal import wrapped
from analyzer.report.wording import inert
from analyzer.result import stamp
from analyzer.schema import records

WIDTH = 100


def cell(value: Any) -> Any:
    """Return a table's value as JSON has it: times in RFC 3339, absent as None."""
    return stamp(value) if isinstance(value, pd.Timestamp) else value


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows ready for JSON."""
    return [{name: cell(value) for name, value in record.items()} for record in records(table)]


def table_text(table: pd.DataFrame) -> str:
    """Return a table in aligned columns with a header; absent values are '-', control characters are shown, not obeyed."""
    names = [str(name) for name in table.columns]
    rows = [["-" if v is None or v == "" else inert(str(v)) for v in record.values()] for record in plain_rows(table)]
    widths = [max(len(row[i]) for row in [names, *rows]) for i in range(len(names))]
    lines = [
        "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in [names, *rows]
    ]
    return "\n".join(lines)


def causes_text(pages: Iterable[Mapping[str, Any]]) -> str:
    """Return the list of causes: id and title."""
    known = localised(list(pages))
    width = max(len(p["id"]) for p in known)
    return (
        "\n".join(f"{p['id'].ljust(width)}  {p['title']}" for p in known)
        + "\n\n"
        + tr("`pcapreport causes ID` tells one in full.")
    )


def cause_text(page: Mapping[str, Any]) -> str:
    """Return one cause in full: what it is, how it looks, what to do."""
    page = localised(page)
    out = [f"{page['id']}: {page['title']}", ""]
    out += _paragraph(tr("What happens"), page["mechanism"])
    out += _paragraph(tr("What to change"), page["remedy"])
    out += _paragraph(tr("How to make sure"), page["confirm"])
    out += [tr("How it looks")]
    for sign in page["signs"]:
        weight = tr("required") if sign["needed"] else f"{sign['holds']:+d} dB"
        against = tr(", {weight:+d} dB when not", weight=sign["fails"]) if sign["fails"] else ""
        out += _wrapped(f"{sign['says']} ({weight}{against})", "  - ", "    ")
    if page["lookalikes"]:
        out += ["", tr("What looks like it")]
        for cause, difference in page["lookalikes"].items():
            out += _wrapped(f"{cause}: {difference}", "  - ", "    ")
    out += ["", tr("References")]
    for what, where in page["references"]:
        out += _wrapped(f"{what}: {where}", "  - ", "    ")
    return "\n".join(out)


def formats_text(pages: Sequence[Mapping[str, Any]]) -> str:
    """Return the list of log formats: id, title and how many messages are known."""
    width = max(len(p["id"]) for p in pages)
    return "\n".join(f"{p['id'].ljust(width)}  {p['title']} ({p['messages']} messages)" for p in pages)


def format_text(page: Mapping[str, Any]) -> str:
    """Return one log format: what it is and what it understands, with an example of each event."""
    out = [f"{page['id']}: {page['title']}", "", f"{page['messages']} messages. Events and an example of each:"]
    for event, example in page["examples"]:
        out += [f"  {event}", f"    {inert(example)}"]
    return "\n".join(out)


def _paragraph(heading: str, text: str) -> list[str]:
    return [heading, *_wrapped(text, "  ", "  "), ""]


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return [line for _, line in wrapped(text, WIDTH, rest, first)]
