"""A Diagnosis as Markdown, for a ticket or a chat: the verdict, the incidents, and what could not be seen; and a page about each cause.

Lives here: the text, and `safe`, `code` and `prose`, which make words inert in Markdown and in the HTML that Markdown lets through.
Never here: a choice of what is told (story.py), or a number that the document does not hold.

Words that could act (markup, links, mentions of people, issue numbers, emoji names) stand in code spans, where nothing acts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from analyzer.language import N_, localised, tr
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
# Who can have sent the reset that a cause explains, by its origins.
ORIGINS = {
    "sender": N_("the host whose address the reset carries"),
    "peer": N_("the host that received it, against itself"),
    "path": N_("a device between"),
    "none": N_("nobody: the connection ends without a reset"),
}


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
    return tr("; ").join(
        tr("frame {frames} in {capture}", frames=wording.listed(numbers), capture=code(wording.cut(capture, 100)))
        if len(numbers) == 1
        else tr("frames {frames} in {capture}", frames=wording.listed(numbers), capture=code(wording.cut(capture, 100)))
        for capture, numbers in places.items()
    )


def _facts(told: Story, top: Chapter) -> str:
    incident, reset = top.incident, top.reset or {}
    by = str(incident.get("reset_by"))
    who = tr("nobody: no reset was seen") if top.silence else wording.side(by)
    if known(incident.get("confidence")) and not top.silence:
        who = terminal.with_sureness(who, incident["confidence"], reset.get("proof"))
    rows = [(tr("Who sent the reset"), safe(who, True))]
    if known(reset.get("apparent_sender")) and not top.silence:
        side = str(reset["apparent_sender"])
        address = code(wording.address(reset.get(side)), True)
        carries = {
            "client": tr("the client's, {address}", address=address),
            "server": tr("the server's, {address}", address=address),
        }
        rows.append((tr("Address it carries"), carries.get(side, address)))
    why = told.why
    if known(incident.get("cause_confidence")):
        why = terminal.with_sureness(why, incident["cause_confidence"])
    rows.append((tr("Why"), f"{safe(why, True)} ({code(incident.get('cause'), True)})"))
    if story.record(reset):
        rows.append((tr("How sure"), safe(story.record(reset), True)))
    rows.append((tr("How many"), safe(terminal.how_many(told, top), True)))
    rows.append((tr("When"), safe(wording.span(incident.get("first"), incident.get("last"), 3), True)))
    ends = {side: _hosts(get(incident, side, [])) for side in ("clients", "servers")}
    rows.append((tr("Between"), tr("client {clients} and server {servers}", **ends)))
    for point in get(told.document, "coverage", []):
        rows.append((tr("Captured"), f"{code(point.get('point'), True)}: {safe(terminal.taken(point), True)}"))
    return table(("", ""), rows)


def _hosts(hosts: list[str], limit: int = 3) -> str:
    shown = tr(", ").join(code(host, True) for host in hosts[:limit])
    return f"{shown} {wording.more(len(hosts) - limit)}" if len(hosts) > limit else shown


def _signs(top: Chapter) -> Iterator[str]:
    if not top.evidence:
        return
    best: Evidence = top.evidence[0]
    about = "" if best.cause == top.incident.get("cause") else f" ({safe(best.title)})"
    for label, signs in ((N_("For"), best.speaks_for), (N_("Against"), best.against)):
        if signs:
            more = tr(" (the heaviest {some} of {all})", some=SIGNS, all=len(signs)) if len(signs) > SIGNS else ""
            yield _listed(f"**{tr(label)}**{about}{more}", [_sign(sign) for sign in signs[:SIGNS]])
    if best.unseen:
        yield terminal.unseen(len(best.unseen))


def _sign(sign: Item) -> str:
    sentence = safe(sign.get("sentence"))
    if not sign.get("held"):
        sentence = tr("not so: {sentence}", sentence=sentence)
    cited = _frames(get(sign, "frames", []))
    return sentence + (f" ({cited})" if cited else "")


def _log_lines(told: Story, top: Chapter) -> Iterator[str]:
    found: list[Item] = get(top.reset, "log_lines", [])
    spreads = story.spreads(told.document)
    lines = []
    for line in found[:LOG_LINES]:
        tie = wording.tied(line)
        place = code(f"{wording.cut(line.get('source'), 100)}:{line.get('line')}")
        distance = wording.lag(line.get("lag_seconds"), spreads.get(str(line.get("source"))))
        lines.append(f"{place}, {safe(distance)}; {safe(tie)}: {code(wording.cut(line.get('text'), TEXT))}")
    if lines:
        yield _listed(f"**{tr('Log lines')}**", lines, len(found))


def _to_do(top: Chapter) -> Iterator[str]:
    reset = top.reset or {}
    undecided = top.incident.get("reset_by") == "undetermined"
    capture = (tr("Next capture"), prose(reset.get("next_capture") or ""))
    wanted = [
        (tr("What happened next"), prose(top.incident.get("afterwards") or "")),
        (tr("What to change"), prose(top.incident.get("remedy") or top.cause.get("remedy") or "")),
        (tr("How to make sure"), prose(top.cause.get("confirm") or "")),
        (tr("Next log"), prose(reset.get("next_log") or "")),
    ]
    wanted.insert(0 if undecided else 3, capture)
    yield from (f"**{label}:** {words}" for label, words in wanted if words)
    if known(reset.get("filter")):
        yield f"**{tr('Check it in Wireshark')}:** {code(reset['filter'])}, {_frames([reset])}"


def _incidents(told: Story) -> Iterator[str]:
    if len(told.chapters) < 2:
        return
    rows = []
    for chapter in told.chapters[:INCIDENTS]:
        i = chapter.incident
        by = tr("nobody") if chapter.silence else wording.side(i.get("reset_by"))
        proof = get(chapter.reset, "proof") if not chapter.silence else None
        if known(i.get("confidence")) and not chapter.silence:
            by = tr("{answer}, {sure}", answer=by, sure=terminal.sure(i["confidence"], proof))
        why = code(i.get("cause"), True)
        if known(i.get("cause_confidence")):
            why = terminal.with_sureness(why, i["cause_confidence"])
        harm = tr("nothing seen lost") if i.get("harmless") is True else ""
        rows.append(
            [
                code(i.get("id"), True),
                safe(i.get("sentence"), True),
                safe(by, True),
                why,
                tr("; ").join(filter(None, [wording.count(i.get("resets"), chapter.noun), harm])),
                safe(wording.span(i.get("first"), i.get("last")), True),
            ]
        )
    more = len(told.chapters) - len(rows)
    yield f"### {tr('All incidents')}"
    yield table(("", tr("What happened"), tr("Who"), tr("Why"), tr("How many"), tr("When")), rows)
    if more:
        yield wording.more(more)


def _limits(told: Story) -> Iterator[str]:
    notices, unmatched = story.troubles(told.document), get(told.document, "unmatched_log_lines", [])
    lines = []
    for notice in notices[:NOTICES]:
        place = wording.source(notice)
        lines.append((f"{code(wording.cut(place, 100))}: " if place else "") + safe(notice.get("sentence")))
    if len(notices) > NOTICES:
        lines.append(wording.more(len(notices) - NOTICES))
    if unmatched:
        lines.append(terminal.tied_to_nothing(len(unmatched)))
    if lines:
        yield _listed(f"**{tr('What it could not see')}**", lines)


def _made_of(told: Story) -> str:
    sources = [str(source.get("capture") or source.get("path")) for source in get(told.document, "sources", [])]
    names = tr(", ").join(code(wording.cut(name, 100)) for name in sources[:3])
    if len(sources) > 3:
        names = f"{names} {wording.more(len(sources) - 3)}"
    number = get(get(told.document, "settings", {}), "pcapreport")
    if not names:
        return ""
    if not number:
        return tr("From {captures}", captures=names)
    return tr("From {captures}, by pcapreport {version}", captures=names, version=safe(number))


def _listed(title: str, lines: list[str], total: int | None = None) -> str:
    rest = [] if total is None or total <= len(lines) else [wording.more(total - len(lines))]
    return "\n".join([title, "", *(f"- {line}" for line in [*lines, *rest])])


def causes_index(known: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the list of the causes as a page that links theirs."""
    rows = [(f"[{name}]({name}.md)", prose(localised(page["title"]), True)) for name, page in known.items()]
    return f"# {tr('Causes')}\n\n{table((tr('Id'), tr('Cause')), rows)}\n"


def cause_page(page: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what is known of one cause as a page: what it is, what to do, how it looks; `known` has those it can be mistaken for."""
    page = localised(page)
    sent = tr("; ").join(tr(ORIGINS[origin]) for origin in page["origins"])
    blocks = [
        f"# {wording.capital(page['title'])}",
        f"- {tr('Id')}: {code(page['id'])}\n- {tr('Who can have sent the reset')}: {sent}",
        tr("Nothing is lost by it.") if page["harmless"] else "",
    ]
    told = (("mechanism", N_("What happens")), ("remedy", N_("What to change")), ("confirm", N_("How to make sure")))
    blocks += [f"## {tr(heading)}\n\n{prose(page[name])}" for name, heading in told]
    signs = [
        (
            prose(sign["says"], True),
            tr("required") if sign["needed"] and not sign["holds"] else f"{sign['holds']:+d}",
            tr("ruled out") if sign["needed"] else f"{sign['fails']:+d}" if sign["fails"] else "",
            safe(sign["source"], True),
        )
        for sign in page["signs"]
    ]
    head = (tr("What is looked for"), tr("Holds"), tr("Does not hold"), tr("Source"))
    blocks += [
        f"## {tr('How it looks')}",
        tr("Numbers are decibans, for the cause or against it: ten are odds of ten to one."),
        table(head, signs),
    ]
    if page["lookalikes"]:
        alike = [
            f"[{other}]({other}.md): {prose(words)}" for other, words in page["lookalikes"].items() if other in known
        ]
        blocks.append(_listed(f"## {tr('What looks like it')}", alike))
    blocks.append(
        _listed(f"## {tr('References')}", [f"{safe(what)}: {safe(where)}" for what, where in page["references"]])
    )
    blocks.append(
        tr("Made from {file} by {command}.", file=code(f"analyzer/causes/{page['id']}.py"), command=code("make causes"))
    )
    return "\n\n".join(filter(None, blocks)) + "\n"
