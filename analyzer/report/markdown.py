"""A Diagnosis as Markdown, for a ticket or a chat: the verdict, the incidents, and what could not be seen.

Lives here: the text, and `safe`, `code` and `prose`, which make words inert in Markdown and in the HTML that Markdown lets through.
Never here: a choice of what is told (story.py), or a number that the document does not hold.

Words that could act (markup, links, mentions of people, issue numbers, emoji names) stand in code spans, where nothing acts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from analyzer.report import story, terminal, wording
from analyzer.report.story import Chapter, Evidence, Item, Story, get
from analyzer.report.wording import known
from analyzer.result import Diagnosis

BEGINS = "## pcapreport"  # how a file that we wrote is recognised before it is overwritten
INCIDENTS, SIGNS, LOG_LINES, NOTICES = 20, 5, 6, 10  # so many are told, the rest is counted
TEXT = 400  # characters of a log line

# What markup is made of, in Markdown, in the HTML inside it, and in what GitHub, GitLab, Jira, Slack and Mattermost add to it.
_ACTIVE = re.compile(r"[\\`*_\[\]{}<>&|~$^@#]|://|www\.|:[a-z_][\w+-]*:|!\d|%\w|mailto:|\(c\)|\(r\)", re.IGNORECASE)
_BLOCK = re.compile(r"[-+=:]+|\d+[.)]")  # a list, a rule, an underlined heading, where a line begins with it
_OUTSIDE = re.compile(
    r"([(\"',;.?]*)(.*?)([)\"',;:.?]*)", re.DOTALL
)  # punctuation that need not stand in the code span
_OWN_CODE = re.compile(r"`([^`]+)`")


def render(diagnosis: Diagnosis) -> str:
    """Return the diagnosis as Markdown."""
    told = story.tell(diagnosis)
    blocks = [f"{BEGINS}: {safe(told.headline)}"]
    sentence = told.verdict.get("sentence")
    if known(sentence) and sentence != told.headline:
        blocks.append(safe(sentence))
    if told.top:
        blocks += [_facts(told, told.top), *_signs(told.top), *_log_lines(told, told.top), *_to_do(told.top)]
    blocks += [*_incidents(told), *_limits(told), _made_of(told)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def code(text: object, cell: bool = False) -> str:
    """Return untrusted text as a code span, in one line. In a table's cell a '|' is written beside the span: dialects differ within it."""
    words = wording.inert(text)
    if cell and "|" in words:
        return "&#124;".join(code(part) for part in words.split("|"))
    if not words.strip():
        return words
    ticks = "`" * (1 + max(map(len, re.findall("`+", words)), default=0))
    if words[0] == "`" or words[-1] == "`" or words[0] == words[-1] == " ":
        words = f" {words} "
    return ticks + words + ticks


def safe(text: object, cell: bool = False) -> str:
    """Return text with each run of words that could act in a code span; a line may begin with it."""
    out: list[tuple[str, str, str]] = []  # what stands before the code, the code, what stands after it
    for number, word in enumerate(wording.inert(text).split()):
        before, inside, after = _parts(word, number == 0)
        if out and inside and not before and out[-1][1] and not out[-1][2]:
            out[-1] = (out[-1][0], f"{out[-1][1]} {inside}", after)
        else:
            out.append((before, inside, after))
    return " ".join(before + code(inside, cell) + after for before, inside, after in out)


def prose(text: object, cell: bool = False) -> str:
    """Return prose of the cause pages: what is between backticks there is code here, too."""
    parts = _OWN_CODE.split(" ".join(str(text).split()))
    spans = (code(part, cell) if number % 2 else _kept(part, cell) for number, part in enumerate(parts))
    return "".join(spans)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; cells must have been made safe for one."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _parts(word: str, first: bool) -> tuple[str, str, str]:
    """Return what of a word stands before, in and after a code span; nothing is in one where nothing can act."""
    if not _ACTIVE.search(word):
        return ("", word, "") if first and _BLOCK.fullmatch(word) else (word, "", "")
    match = _OUTSIDE.fullmatch(word)
    before, inside, after = match.groups() if match else ("", word, "")
    return (before, inside, after) if _ACTIVE.search(inside) else ("", word, "")


def _kept(text: str, cell: bool) -> str:
    """Return `safe` of a part of a sentence, with the spaces at its ends."""
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return before + safe(text, cell) + after if text.strip() else text


def _frames(cited: list[Item]) -> str:
    """Return 'frames 37 and 40 in `server.pcap`'."""
    places: dict[str, list[object]] = {}
    for one in cited:
        places.setdefault(str(one.get("capture")), []).append(one.get("frame"))
    return "; ".join(
        f"{'frame' if len(numbers) == 1 else 'frames'} {wording.listed(numbers)} in {code(wording.cut(capture, 100))}"
        for capture, numbers in places.items()
    )


def _sure(confidence: object, proof: object = None) -> str:
    words = terminal.sure(confidence, proof)
    return f"{words}: {proof}" if known(proof) else words


def _facts(told: Story, top: Chapter) -> str:
    incident, reset = top.incident, top.reset or {}
    by = str(incident.get("reset_by"))
    who = "nobody: no reset was seen" if top.silence else wording.SIDES.get(by, "cannot be told")
    if known(incident.get("confidence")) and not top.silence:
        who += f", {_sure(incident['confidence'], reset.get('proof'))}"
    rows = [("Who sent the reset", safe(who, True))]
    if known(reset.get("apparent_sender")) and not top.silence:
        side = str(reset["apparent_sender"])
        address = code(wording.address(reset.get(side)), True)
        rows.append(("Address it carries", f"the {safe(side, True)}'s, {address}"))
    why = (
        f"{told.why}, {terminal.sure(incident['cause_confidence'])}"
        if known(incident.get("cause_confidence"))
        else told.why
    )
    rows.append(("Why", f"{safe(why, True)} ({code(incident.get('cause'), True)})"))
    if story.record(reset):
        rows.append(("How sure", safe(story.record(reset), True)))
    rows.append(("How many", safe(_many(told, top), True)))
    rows.append(("When", safe(wording.span(incident.get("first"), incident.get("last"), 3), True)))
    rows.append(
        ("Between", " and ".join(_hosts(get(incident, side, []), side[:-1]) for side in ("clients", "servers")))
    )
    for point in get(told.document, "coverage", []):
        where = point.get("sentence") or f"taken {wording.WHERE.get(str(point.get('where')), 'at an unknown place')}"
        rows.append(("Captured", f"{code(point.get('point'), True)}: {safe(where, True)}"))
    return table(("", ""), rows)


def _many(told: Story, top: Chapter) -> str:
    incident = top.incident
    words = wording.count(incident.get("resets"), top.noun)
    if incident.get("logged") or get(told.document, "log_sources"):
        words += f", {get(incident, 'logged', 0)} with a log line"
    if known(told.verdict.get("covers")):
        words += f"; {wording.share(told.verdict['covers'])} of the harmful ones"
    if told.verdict.get("others"):
        words += f"; {wording.count(told.verdict['others'], 'other incident')}"
    return words


def _hosts(hosts: list[str], noun: str, limit: int = 3) -> str:
    shown = [code(host, True) for host in hosts[:limit]]
    more = f" and {len(hosts) - limit} more" if len(hosts) > limit else ""
    return f"{noun} {', '.join(shown)}{more}"


def _signs(top: Chapter) -> Iterator[str]:
    if not top.evidence:
        return
    best: Evidence = top.evidence[0]
    about = "" if best.cause == top.incident.get("cause") else f" ({safe(best.title)})"
    for label, signs in (("For", best.speaks_for), ("Against", best.against)):
        if signs:
            more = f" (the heaviest {SIGNS} of {len(signs)})" if len(signs) > SIGNS else ""
            yield _listed(f"**{label}**{about}{more}", [_sign(sign) for sign in signs[:SIGNS]])
    if best.unseen:
        yield f"{wording.count(len(best.unseen), 'sign')} could not be seen."


def _sign(sign: Item) -> str:
    missing = "" if sign.get("held") else "Not so: "
    cited = _frames(get(sign, "frames", []))
    return f"{missing}{safe(sign.get('sentence'))}" + (f" ({cited})" if cited else "")


def _log_lines(told: Story, top: Chapter) -> Iterator[str]:
    found: list[Item] = get(top.reset, "log_lines", [])
    spreads = story.spreads(told.document)
    lines = []
    for line in found[:LOG_LINES]:
        tie = wording.TIES.get(str(line.get("tie")), str(line.get("tie")))
        place = code(f"{wording.cut(line.get('source'), 100)}:{line.get('line')}")
        distance = wording.lag(line.get("lag_seconds"), spreads.get(str(line.get("source"))))
        lines.append(f"{place}, {safe(distance)}; {safe(tie)}: {code(wording.cut(line.get('text'), TEXT))}")
    if lines:
        yield _listed("**Log lines**", lines, len(found))


def _to_do(top: Chapter) -> Iterator[str]:
    reset = top.reset or {}
    undecided = top.incident.get("reset_by") == "undetermined"
    capture = ("Next capture", _command(reset.get("next_capture")))
    wanted = [
        ("What to change", prose(top.incident.get("remedy") or top.cause.get("remedy") or "")),
        ("How to make sure", prose(top.cause.get("confirm") or "")),
        ("Next log", safe(reset.get("next_log") or "")),
    ]
    wanted.insert(0 if undecided else 2, capture)
    yield from (f"**{label}:** {words}" for label, words in wanted if words)
    if known(reset.get("filter")):
        yield f"**Check it in Wireshark:** {code(reset['filter'])}, {_frames([reset])}"


def _command(text: object) -> str:
    """Return a sentence that holds a command: the command, from its name to its quoted filter, as one code span."""
    if not known(text):
        return ""
    before, tcpdump, rest = str(text).partition("tcpdump ")
    command = re.match(r"(?:'[^']*'|[^',.])*'[^']*'", rest) if tcpdump else None
    if command is None:
        return safe(text)
    return f"{safe(before)} {code(tcpdump + command[0])}{_kept(rest[command.end() :], False)}"


def _incidents(told: Story) -> Iterator[str]:
    if len(told.chapters) < 2:
        return
    rows = []
    for chapter in told.chapters[:INCIDENTS]:
        i = chapter.incident
        by = "nobody" if chapter.silence else wording.SIDES.get(str(i.get("reset_by")), "cannot be told")
        proof = get(chapter.reset, "proof") if not chapter.silence else None
        sure = (
            f", {terminal.sure(i['confidence'], proof)}" if known(i.get("confidence")) and not chapter.silence else ""
        )
        why = f", {terminal.sure(i['cause_confidence'])}" if known(i.get("cause_confidence")) else ""
        harm = "nothing was lost" if i.get("harmless") is True else ""
        rows.append(
            [
                code(i.get("id"), True),
                safe(i.get("sentence"), True),
                safe(f"{by}{sure}", True),
                f"{code(i.get('cause'), True)}{why}",
                "; ".join(filter(None, [wording.count(i.get("resets"), chapter.noun), harm])),
                safe(wording.span(i.get("first"), i.get("last")), True),
            ]
        )
    more = len(told.chapters) - len(rows)
    yield "### All incidents"
    yield table(("", "What happened", "Who", "Why", "How many", "When"), rows)
    if more:
        yield f"and {wording.count(more, 'more incident')}"


def _limits(told: Story) -> Iterator[str]:
    notices, unmatched = story.troubles(told.document), get(told.document, "unmatched_log_lines", [])
    lines = []
    for notice in notices[:NOTICES]:
        place = " ".join(str(part) for part in (notice.get("source"), notice.get("place")) if known(part))
        lines.append((f"{code(wording.cut(place, 100))}: " if place else "") + safe(notice.get("sentence")))
    if len(notices) > NOTICES:
        lines.append(f"and {wording.count(len(notices) - NOTICES, 'more notice')}")
    if unmatched:
        verb = "belongs" if len(unmatched) == 1 else "belong"
        lines.append(f"{wording.count(len(unmatched), 'log line')} {verb} to no reset.")
    if lines:
        yield _listed("**What it could not see**", lines)


def _made_of(told: Story) -> str:
    sources = [str(source.get("capture") or source.get("path")) for source in get(told.document, "sources", [])]
    names = [code(wording.cut(name, 100)) for name in sources[:3]]
    more = f" and {len(sources) - len(names)} more" if len(sources) > len(names) else ""
    number = get(get(told.document, "settings", {}), "pcapreport")
    return f"From {', '.join(names)}{more}" + (f", by pcapreport {safe(number)}" if number else "") if names else ""


def _listed(title: str, lines: list[str], total: int | None = None) -> str:
    rest = [] if total is None or total <= len(lines) else [f"and {total - len(lines)} more"]
    return "\n".join([title, "", *(f"- {line}" for line in [*lines, *rest])])
