"""The verdict as a plain-text block: for a terminal, and for pasting into a ticket.

Lives here: what the block says, line by line, and its colours on a terminal. Never here: HTML, or a choice of what is told
(story.py). The block has no control characters and no punctuation that a cp932 or cp936 console lacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from analyzer.language import N_, tr, trn
from analyzer.report import story, wording
from analyzer.report.story import Chapter, Item, Story, get
from analyzer.report.wording import cells, known
from analyzer.result import Diagnosis

if TYPE_CHECKING:
    from rich.console import Console

Line = tuple[str, str]  # style, text

NARROWEST = 40
LABEL = 12  # cells of the column of labels
# What no line begins with where lines break between any two letters (Japanese and Chinese).
NO_BEGINNING = "、。，．・：；？！）」』】〕》’”％%)]}>,.:;?!ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ"
TOP = 3  # signs for and against
LOG_LINES = 4
TEXT_LINES = 3  # of one log line
NOTICES = 5
REASONS = 3  # why log lines belong to no reset
_COMMAND = re.compile(r"(?P<told>[^`]*[:：]) ?`(?P<command>[^`]*)`", re.DOTALL)  # prose that ends with a command
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


def folded(text: str, width: int, indent: str, limit: int) -> list[str]:
    """Return text in at most `limit` lines of `width` cells (wide letters are two), broken anywhere; '...' for the rest."""
    out: list[str] = []
    line, used = indent, len(indent)
    for place, letter in enumerate(text):
        taken = cells(letter)
        if used + taken > width - (3 if len(out) == limit - 1 else 0):
            if len(out) == limit - 1 and cells(text[place:]) > width - used:
                return [*out, line + "..."]
            if used + taken > width:
                out, line, used = [*out, line], indent, len(indent)
        line, used = line + letter, used + taken
    return [*out, line]


def _words(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a line may break between, with the space before it: words, and wide letters, which need no space to part."""
    for word in text.split():
        glue, part = " ", ""
        for letter in word:
            if (
                part
                and letter not in NO_BEGINNING
                and (cells(letter) == 2 or cells(part[-1]) == 2)
                and part[-1] not in "「『（("
            ):
                yield glue, part
                glue, part = "", ""
            part += letter
        yield glue, part


def wrapped(text: str, width: int, indent: str, first: str | None = None, style: str = "plain") -> Iterator[Line]:
    """Return prose in lines of `width` cells; a word that is wider than a line is broken."""
    line = first if first is not None else indent
    empty = True  # no word in this line yet
    for space, word in _words(prose(text)):
        while True:
            glue = "" if empty else space
            if cells(line + glue + word) <= width:
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
    return wrapped(text, width, " " * LABEL, padded(tr(label), LABEL - 1) + " ", style)


def padded(text: str, width: int) -> str:
    """Return a text filled up to so many cells."""
    return text + " " * (width - cells(text))


def sure(confidence: Any, proof: Any = None) -> str:
    """Return a confidence as its word and its number."""
    word = wording.band(confidence, proof)
    return f"{word} ({wording.probability(confidence)})" if known(confidence) else word


def _facts(told: Story, top: Chapter, width: int) -> Iterator[Line]:
    incident, reset = top.incident, top.reset or {}
    by = str(incident.get("reset_by"))
    if top.silence or by == "undetermined":
        who = tr("nobody: no reset was seen") if top.silence else wording.side(by)
    else:
        who = with_sureness(wording.side(by), incident.get("confidence"), reset.get("proof"))
    yield from labelled(N_("Who"), who, width, by)
    if known(reset.get("apparent_sender")) and not top.silence:
        side = str(reset["apparent_sender"])
        carries = {
            "client": tr("the reset carries the client's, {address}", address=wording.address(reset.get(side))),
            "server": tr("the reset carries the server's, {address}", address=wording.address(reset.get(side))),
        }
        yield from labelled(N_("Address"), carries.get(side, ""), width)
    why = told.why
    if known(incident.get("cause_confidence")):
        why = with_sureness(why, incident["cause_confidence"])
    yield from labelled(N_("Why"), f"{why} [{incident.get('cause')}]", width)
    if story.record(reset):
        yield from labelled(N_("How sure"), story.record(reset), width)
    yield from labelled(N_("How many"), how_many(told, top), width)
    yield from labelled(N_("When"), wording.span(incident.get("first"), incident.get("last"), 3), width)
    clients, servers = story.hosts(top)
    between = tr("client {clients} and server {servers}", clients=clients, servers=servers)
    yield from labelled(N_("Between"), between, width)
    for point in get(told.document, "coverage", []):
        yield from labelled(N_("Captured"), f"{point.get('point')}: {taken(point)}", width)


def with_sureness(what: str, confidence: Any, proof: Any = None) -> str:
    """Return an answer with how sure it is, and what proves it."""
    if known(proof):
        return tr("{answer}, {sure}: {proof}", answer=what, sure=sure(confidence, proof), proof=proof)
    return tr("{answer}, {sure}", answer=what, sure=sure(confidence))


def taken(point: Item) -> str:
    """Return where a capture was taken and what it holds."""
    return str(point.get("sentence") or tr("taken {where}", where=wording.where(point.get("where"))))


def how_many(told: Story, top: Chapter) -> str:
    """Return how many there were, and what story.extent says of them."""
    return tr("; ").join(filter(None, [wording.count(top.incident.get("resets"), top.noun), story.extent(told)]))


def _evidence(top: Chapter, width: int) -> Iterator[Line]:
    if not top.evidence:
        return
    best = top.evidence[0]
    sides = ((N_("For"), "+", best.speaks_for, "for"), (N_("Against"), "-", best.against, "against"))
    for label, mark, signs, style in sides:
        if not signs:
            continue
        yield "plain", ""
        more = tr(" (the heaviest {some} of {all})", some=TOP, all=len(signs)) if len(signs) > TOP else ""
        what = "" if best.cause == top.incident.get("cause") else f": {best.title}"
        yield "title", f"{tr(label)}{clean(what)}{more}"
        for sign in signs[:TOP]:
            yield from wrapped(sign_text(sign, 3), width, "    ", f"  {mark} ", style)
    if best.unseen:
        yield "quiet", f"  ? {unseen(len(best.unseen))}"


def sign_text(sign: Item, frames: int = 3) -> str:
    """Return a sign as a sentence, with the frames that show it."""
    text = str(sign.get("sentence"))
    if sign.get("held") is False:
        text = tr("not so: {sentence}", sentence=text)
    cited = wording.listed([frame.get("frame") for frame in get(sign, "frames", [])], frames)
    return text + tr(" [frame {frames}]", frames=cited) if cited else text


def unseen(number: int) -> str:
    """Return how many signs could not be seen."""
    return trn("{n} sign could not be seen", "{n} signs could not be seen", number)


def _log_lines(told: Story, top: Chapter, width: int) -> Iterator[Line]:
    found: list[Item] = get(top.reset, "log_lines", [])
    if not found:
        return
    yield "plain", ""
    yield "title", tr("Log lines")
    spreads = story.spreads(told.document)
    for line in found[:LOG_LINES]:
        tie = wording.tied(line)
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
        yield "quiet", f"  {wording.more(len(found) - LOG_LINES)}"


def _to_do(top: Chapter, width: int) -> Iterator[Line]:
    reset = top.reset or {}
    remedy = top.incident.get("remedy") or top.cause.get("remedy")
    undecided = top.incident.get("reset_by") == "undetermined"
    wanted = [
        (N_("Next capture"), reset.get("next_capture") if undecided else None),
        (N_("What happened next"), top.incident.get("afterwards")),
        (N_("What to change"), remedy),
        (N_("How to make sure"), top.cause.get("confirm")),
        (N_("Next capture"), None if undecided else reset.get("next_capture")),
        (N_("Next log"), reset.get("next_log")),
    ]
    for label, text in wanted:
        if known(text):
            yield "plain", ""
            yield "title", tr(label)
            yield from with_command(str(text), width)
    if known(reset.get("filter")):
        yield "plain", ""
        yield "title", tr("Check it in Wireshark")
        yield "plain", f"  {clean(reset['filter'])}"
        place = tr(
            "in {capture}, frame {frame}", capture=wording.cut(reset.get("capture"), 100), frame=reset.get("frame")
        )
        yield from wrapped(place, width, "  ", style="quiet")


def with_command(text: str, width: int) -> Iterator[Line]:
    """Return prose in lines; a command that it ends with stands alone and unbroken, to be copied."""
    match = _COMMAND.fullmatch(text)
    yield from wrapped(match["told"] if match else text, width, "  ")
    if match:
        yield "plain", f"  {clean(match['command'])}"


def _limits(told: Story, width: int) -> Iterator[Line]:
    notices = story.troubles(told.document)
    unmatched = get(told.document, "unmatched_log_lines", [])
    if not (notices or unmatched):
        return
    yield "plain", ""
    yield "title", tr("What it could not see")
    for notice in notices[:NOTICES]:
        place = wording.source(notice)
        begin = f"{wording.cut(place, 80)}: " if place else ""
        yield from wrapped(f"{begin}{notice.get('sentence')}", width, "    ", "  - ")
    if len(notices) > NOTICES:
        yield "quiet", f"  {wording.more(len(notices) - NOTICES)}"
    if unmatched:
        yield from wrapped(tied_to_nothing(len(unmatched)), width, "    ", "  - ")
        yield from _left_over(unmatched, width)
    unset = [clock for clock in get(told.document, "clocks", []) if clock.get("basis") == "none"]
    for clock in unset if unmatched else ():
        yield from wrapped(clean(str(clock.get("sentence"))), width, "    ", "  - ")


def _left_over(unmatched: Sequence[Item], width: int) -> Iterator[Line]:
    """Why log lines belong to no reset: the commonest reasons, each with its first line."""
    by_reason: dict[str, list[Item]] = {}
    for line in unmatched:
        by_reason.setdefault(str(line.get("reason")), []).append(line)
    for reason, lines in sorted(by_reason.items(), key=lambda one: -len(one[1]))[:REASONS]:
        place = f"{wording.cut(lines[0].get('source'), 60)}:{lines[0].get('line')}"
        if len(lines) > 1:
            place += f" ({wording.more(len(lines) - 1)})"
        yield from wrapped(clean(f"{place}: {reason}"), width, "      ", "    ")


def tied_to_nothing(number: int) -> str:
    """Return how many log lines no reset explains."""
    return trn("{n:,} log line belongs to no reset.", "{n:,} log lines belong to no reset.", number)
