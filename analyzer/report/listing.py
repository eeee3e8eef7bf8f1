"""Tables and knowledge as plain text, for the commands `resets`, `logs`, `causes` and `formats`.

Lives here: aligned columns and wrapped paragraphs. Never here: colours, HTML, or what a diagnosis says (terminal.py, detail.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from analyzer.language import N_, localised, tr
from analyzer.report import wording
from analyzer.report.terminal import padded, wrapped
from analyzer.report.wording import cells, inert
from analyzer.result import stamp
from analyzer.schema import records

WIDTH = 100
EXAMPLE = 6  # lines of an example that are shown


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


def causes_text(pages: Iterable[Mapping[str, Any]], width: int = WIDTH) -> str:
    """Return the list of causes: id and title."""
    known = localised(list(pages))
    names = max(len(p["id"]) for p in known) + 2
    out = [line for p in known for line in _wrapped(p["title"], p["id"].ljust(names), " " * names, width)]
    return "\n".join([*out, "", tr("`pcapreport causes ID` tells one in full.")])


def cause_text(page: Mapping[str, Any], width: int = WIDTH) -> str:
    """Return one cause in full: what it is, what to do, how it looks."""
    page = localised(page)
    out = [*_wrapped(f"{page['id']}: {page['title']}", "", "  ", width), ""]
    if page["harmless"]:
        out += [tr("Nothing is lost by it."), ""]
    for heading, name in (
        (N_("What happens"), "mechanism"),
        (N_("What to change"), "remedy"),
        (N_("How to make sure"), "confirm"),
    ):
        out += [tr(heading), *_wrapped(page[name], "  ", "  ", width), ""]
    looks = tr("How it looks (+ speaks for it, - against it; required: without it, it is something else)")
    out += _wrapped(looks, "", "  ", width)
    for sign in sorted(page["signs"], key=lambda sign: (not sign["needed"], -abs(sign["holds"]))):
        mark = "-" if sign["holds"] < 0 else "+"
        how = tr("required") if sign["needed"] else wording.weight(sign["holds"])
        missing = wording.weight(sign["fails"]) if sign["fails"] < 0 and not sign["needed"] else ""
        against = tr("its absence speaks against it: {weight}", weight=missing) if missing else ""
        told = tr("; ").join(filter(None, (how, against)))
        out += _wrapped(f"{sign['says']} ({told})" if told else sign["says"], f"  {mark} ", "    ", width)
    for heading, pairs in (
        (N_("What looks like it"), list(page["lookalikes"].items())),
        (N_("References"), page["references"]),
    ):
        if pairs:
            out += ["", tr(heading)]
            out += [line for what, why in pairs for line in _wrapped(f"{what}: {why}", "  - ", "    ", width)]
    return "\n".join(out)


def formats_text(pages: Sequence[Mapping[str, Any]]) -> str:
    """Return the list of log formats, and of what is taken off around lines: ids and titles."""
    width = max(len(p["id"]) for p in pages)
    out = []
    for kind, heading in (
        ("format", tr("What a program writes, recognised by content")),
        ("envelope", tr("What a collector puts around it, taken off first")),
    ):
        out += [heading]
        for page in (p for p in pages if p["kind"] == kind):
            out += _wrapped(page["title"], f"  {page['id'].ljust(width)}  ", " " * (width + 4))
        out += [""]
    return "\n".join([*out, tr("`pcapreport formats ID` tells one in full.")])


def format_text(page: Mapping[str, Any]) -> str:
    """Return one log format: what it is, what it understands and how well that is known, with an example of each event."""
    out = [f"{page['id']}: {page['title']}", page["reference"], ""]
    if page["kind"] == "envelope":
        out += [tr("It is taken off, and what is inside is recognised by itself. An example:")]
    else:
        languages = ", ".join(page["languages"])
        out += _wrapped(tr("{n} messages, in: {languages}", n=page["messages"], languages=languages), "", "  ")
        known = ", ".join(f"{count} {_sources()[how]}" for how, count in page["verified"].items())
        out += [
            *_wrapped(tr("Wordings: {known}", known=known), "", "  "),
            "",
            tr("What its messages say and prove, with an example of each"),
        ]
    for said in page["said"]:
        doubt = f" ({_sources()['unverified']})" if said["verified"] == "unverified" else ""
        out += ["", f"  {', '.join(said['events'])}{doubt}"]
        out += [text for _, text in wrapped(f"{said['proves'][0].upper()}{said['proves'][1:]}.", WIDTH, "    ", "    ")]
        out += _example(said["example"])
    out += _example(page["example"]) if page["kind"] == "envelope" else []
    return "\n".join(out)


def _example(text: str) -> list[str]:
    first, *others = text.split("\n")[:EXAMPLE]
    return [f"    | {inert(line)}" for line in (first, *others)]


def _sources() -> dict[str, str]:
    return {
        "lab": tr("reproduced"),
        "source": tr("read in the program's source"),
        "docs": tr("documented"),
        "third_party": tr("seen in others' logs"),
        "unverified": tr("not verified: they weigh less"),
    }


def log_sources_text(sources: pd.DataFrame) -> str:
    """Return what was recognised in each log: format, times and zone, events, and what was not understood."""
    out: list[str] = []
    for row in plain_rows(sources):
        formats = _counted(row["formats"]) or tr("nothing recognised")
        around = tr(" in {envelopes}", envelopes=row["envelopes"]) if row["envelopes"] else ""
        facts = [(tr("format"), formats + around)]
        if row["first"]:
            facts += [(tr("time"), tr("{first} to {last}", first=row["first"], last=row["last"]))]
            facts += [(tr("zone"), _zones(str(row["zones"])))]
        if row["encodings"]:
            facts += [(tr("encoding"), row["encodings"])]
        if row["events"]:
            facts += [(tr("events"), _counted(row["events"]))]
        if row["timeless"]:
            facts += [(tr("no time"), tr("left out: {n:,}", n=row["timeless"]))]
        if row["not_understood"]:
            numbers = ", ".join(map(str, row["not_understood_lines"]))
            known = tr("hold a known text: {n:,}; lines {numbers}", n=row["not_understood"], numbers=numbers)
            facts += [
                (
                    tr("not understood"),
                    known + (" …" if row["not_understood"] > len(row["not_understood_lines"]) else ""),
                )
            ]
        out += [
            tr(
                "{source}: {lines:,} lines, {entries:,} entries recognised",
                source=inert(row["source"]),
                lines=row["lines"],
                entries=row["entries"],
            )
        ]
        width = max(cells(name) for name, _ in facts)
        for name, text in facts:
            out += _wrapped(text, f"  {padded(name, width)}  ", " " * (width + 4))
        out += [""]
    return "\n".join(out)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _zones(zones: str) -> str:
    if zones == "boot":
        return tr(
            "seconds since its machine started, shown as if that had been in 1970: a capture that shows one of its resets tells when"
        )
    if zones == "unknown":
        return tr("not printed: read as UTC, unless a capture or --log-timezone tells it")
    if "unknown" in zones:
        return tr("printed by some; the others are read as UTC, unless a capture or --log-timezone tells it")
    return tr("given") if "given" in zones else tr("printed")


def _wrapped(text: str, first: str, rest: str, width: int = WIDTH) -> list[str]:
    return [line for _, line in wrapped(text, width, rest, first)]
