"""The verdict as a plain-text block: for a terminal, and for pasting into a ticket.

Lives here: what the block says, line by line, and its colours on a terminal. Never here: HTML, or a choice of what is told
(story.py). The block has no control characters and no punctuation that a cp932 or cp936 console lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from analyzer.report import story, wording
from analyzer.report.story import Chapter, Item, Story, get
from analyzer.report.wording import known
from analyzer.result import Diagnosis

if TYPE_CHECKING:
    from rich.console import Console

Line = tuple[str, str]  # style, text

NARROWEST = 40
LABEL = 12  # width of the column of labels
TOP = 3  # signs for and against
LOG_LINES = 4
TEXT_LINES = 3  # of one log line
NOTICES = 5
STYLES = {"title": "bold", "client": "bold blue", "server": "bold magenta", "middlebox": "bold yellow", "undetermined": "bold",
          "quiet": "dim", "for": "green", "against": "red", "log": "cyan", "plain": ""}  # fmt: skip


def verdict_text(diagnosis: Diagnosis, width: int = 80) -> str:
    """Return the verdict as a block of plain text, no line wider than `width` unless one word is."""
    return "\n".join(text for _, text in lines(diagnosis, width)) + "\n"


def show(diagnosis: Diagnosis, console: Console) -> None:
    """Print the block; coloured only where the console is a terminal."""
    from rich.text import Text

    for style, text in lines(diagnosis, min(console.width, 100)):
        console.print(Text(text, style=STYLES.get(style, "")), soft_wrap=True, highlight=False)


def lines(diagnosis: Diagnosis, width: int) -> list[Line]:
    """Return the block as (style, line)."""
    told = story.tell(diagnosis)
    width = max(width, NARROWEST)
    out: list[Line] = list(wrapped(told.headline, width, "", style="title"))
    sentence = told.verdict.get("sentence")
    if known(sentence) and sentence != told.headline:
        out += wrapped(str(sentence), width, "")
    if told.top:
        out += [("plain", "")]
        out += _facts(told, told.top, width)
        out += _evidence(told.top, width)
        out += _log_lines(told, told.top, width)
        out += _to_do(told.top, width)
    out += _limits(told, width)
    return out


def clean(text: object) -> str:
    """Return prose or untrusted text in one line, inert, in punctuation that every console has."""
    return wording.ascii_punctuation(wording.inert(" ".join(str(text).split(" "))))


def prose(text: object) -> str:
    """Return our own prose in one line; its line breaks are only layout."""
    return clean(" ".join(str(text).split("\n")))


def _cells(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def folded(text: str, width: int, indent: str, limit: int) -> list[str]:
    """Return text in at most `limit` lines of `width` cells (wide letters are two), broken anywhere; '...' for the rest."""
    out: list[str] = []
    line, used = indent, len(indent)
    for place, letter in enumerate(text):
        cells = _cells(letter)
        if used + cells > width - (3 if len(out) == limit - 1 else 0):
            if len(out) == limit - 1 and _cells(text[place:]) > width - used:
                return [*out, line + "..."]
            if used + cells > width:
                out, line, used = [*out, line], indent, len(indent)
        line, used = line + letter, used + cells
    return [*out, line]


def wrapped(text: str, width: int, indent: str, first: str | None = None, style: str = "plain") -> Iterator[Line]:
    """Return prose in lines of `width` cells; a word that is wider than a line is broken."""
    line = first if first is not None else indent
    empty = True  # no word in this line yet
    for word in prose(text).split():
        while True:
            glue = "" if empty else " "
            if _cells(line + glue + word) <= width:
                line, empty = line + glue + word, False
                break
            if empty:
                head, *rest = folded(word, width, line, len(word))
                yield style, head
                word = "".join(part.removeprefix(line) for part in rest)
            else:
                yield style, line
            line, empty = indent, True
            if not word:
                break
    if not empty:
        yield style, line


def labelled(label: str, text: str, width: int, style: str = "plain") -> Iterator[Line]:
    """Return prose beside a label."""
    return wrapped(text, width, " " * LABEL, f"{label:<{LABEL - 1}} ", style)


def sure(confidence: Any, proof: Any = None) -> str:
    """Return a confidence as its word and its number."""
    word = wording.band(confidence, proof)
    return f"{word} ({wording.probability(confidence)})" if known(confidence) else word


def _facts(told: Story, top: Chapter, width: int) -> Iterator[Line]:
    incident, reset = top.incident, top.reset or {}
    by = str(incident.get("reset_by"))
    who = "nobody: no reset was seen" if top.silence else wording.SIDES.get(by, "cannot be told")
    proof = f": {reset['proof']}" if known(reset.get("proof")) else ""
    how_sure = "" if top.silence else f", {sure(incident.get('confidence'), reset.get('proof'))}{proof}"
    if by == "undetermined":
        how_sure = ""
    yield from labelled("Who", f"{who}{how_sure}", width, by)
    if known(reset.get("apparent_sender")) and not top.silence:
        side = str(reset["apparent_sender"])
        yield from labelled("Address", f"the reset carries the {side}'s, {wording.address(reset.get(side))}", width)
    cause = f", {sure(incident['cause_confidence'])}" if known(incident.get("cause_confidence")) else ""
    yield from labelled("Why", f"{told.why}{cause} [{incident.get('cause')}]", width)
    if story.record(reset):
        yield from labelled("How sure", story.record(reset), width)
    many = wording.count(incident.get("resets"), top.noun)
    logged = (
        f", {get(incident, 'logged', 0)} with a log line"
        if incident.get("logged") or get(told.document, "log_sources")
        else ""
    )
    covers = told.verdict.get("covers")
    part = f"; {wording.share(covers)} of the harmful ones" if known(covers) else ""
    others = told.verdict.get("others")
    rest = f"; {wording.count(others, 'other incident')}" if others else ""
    yield from labelled("How many", f"{many}{logged}{part}{rest}", width)
    yield from labelled("When", wording.span(incident.get("first"), incident.get("last"), 3), width)
    clients, servers = story.hosts(top)
    yield from labelled("Between", f"client {clients} and server {servers}", width)
    for point in get(told.document, "coverage", []):
        where = point.get("sentence") or f"taken {wording.WHERE.get(str(point.get('where')), 'at an unknown place')}"
        yield from labelled("Captured", f"{point.get('point')}: {where}", width)


def _evidence(top: Chapter, width: int) -> Iterator[Line]:
    if not top.evidence:
        return
    best = top.evidence[0]
    for label, mark, signs, style in (("For", "+", best.speaks_for, "for"), ("Against", "-", best.against, "against")):
        if not signs:
            continue
        yield "plain", ""
        more = f" (the heaviest {TOP} of {len(signs)})" if len(signs) > TOP else ""
        what = "" if best.cause == top.incident.get("cause") else f" {best.title[:1].lower()}{best.title[1:]}"
        yield "title", f"{label}{clean(what)}{more}"
        for sign in signs[:TOP]:
            missing = "" if sign.get("held") else "not so: "
            frames = wording.listed([frame.get("frame") for frame in get(sign, "frames", [])], 3)
            cited = f" [frame {frames}]" if frames else ""
            yield from wrapped(f"{missing}{sign.get('sentence')}{cited}", width, "    ", f"  {mark} ", style)
    if best.unseen:
        yield "quiet", f"  ? {wording.count(len(best.unseen), 'sign')} could not be seen"


def _log_lines(told: Story, top: Chapter, width: int) -> Iterator[Line]:
    found: list[Item] = get(top.reset, "log_lines", [])
    if not found:
        return
    yield "plain", ""
    yield "title", "Log lines"
    spreads = story.spreads(told.document)
    for line in found[:LOG_LINES]:
        tie = wording.TIES.get(str(line.get("tie")), str(line.get("tie")))
        place = clean(f"{wording.cut(line.get('source'), 60)}:{line.get('line')}")
        yield from wrapped(
            f"{place}, {wording.lag(line.get('lag_seconds'), spreads.get(str(line.get('source'))))}; {tie}",
            width,
            "    ",
            "  ",
            "quiet",
        )
        text = list(wrapped(clean(wording.cut(line.get("text"), 1000)), width - 3, "    ", style="log"))
        yield from text[: TEXT_LINES - 1]
        if len(text) >= TEXT_LINES:
            yield "log", text[TEXT_LINES - 1][1] + ("..." if len(text) > TEXT_LINES else "")
    if len(found) > LOG_LINES:
        yield "quiet", f"  and {len(found) - LOG_LINES} more"


def _to_do(top: Chapter, width: int) -> Iterator[Line]:
    reset = top.reset or {}
    remedy = top.incident.get("remedy") or top.cause.get("remedy")
    undecided = top.incident.get("reset_by") == "undetermined"
    wanted = [
        ("Next capture", reset.get("next_capture") if undecided else None),
        ("What to change", remedy),
        ("How to make sure", top.cause.get("confirm")),
        ("Next capture", None if undecided else reset.get("next_capture")),
        ("Next log", reset.get("next_log")),
    ]
    for label, text in wanted:
        if known(text):
            yield "plain", ""
            yield "title", label
            yield from wrapped(str(text), width, "  ")
    if known(reset.get("filter")):
        yield "plain", ""
        yield "title", "Check it in Wireshark"
        yield "plain", f"  {clean(reset['filter'])}"
        yield from wrapped(
            f"in {wording.cut(reset.get('capture'), 100)}, frame {reset.get('frame')}", width, "  ", style="quiet"
        )


def _limits(told: Story, width: int) -> Iterator[Line]:
    notices = story.troubles(told.document)
    unmatched = get(told.document, "unmatched_log_lines", [])
    if not (notices or unmatched):
        return
    yield "plain", ""
    yield "title", "What it could not see"
    for notice in notices[:NOTICES]:
        place = " ".join(str(part) for part in (notice.get("source"), notice.get("place")) if known(part))
        begin = f"{wording.cut(place, 80)}: " if place else ""
        yield from wrapped(f"{begin}{notice.get('sentence')}", width, "    ", "  - ")
    if len(notices) > NOTICES:
        yield "quiet", f"  and {wording.count(len(notices) - NOTICES, 'more notice', 'more notices')}"
    if unmatched:
        verb = "belongs" if len(unmatched) == 1 else "belong"
        yield from wrapped(f"{wording.count(len(unmatched), 'log line')} {verb} to no reset.", width, "    ", "  - ")
