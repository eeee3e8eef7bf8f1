"""One ending in full, as plain text: everything the document holds about it, and its ladder.

Lives here: the text behind `explain`. Never here: a choice of what matters (the verdict's block, terminal.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from analyzer.language import ENGLISH, N_, localised, shown, tr
from analyzer.report import ladder, story, terminal, wording
from analyzer.report.story import Chapter, Evidence, Item, get
from analyzer.report.terminal import clean, folded, labelled, with_sureness, wrapped
from analyzer.report.wording import DOUBTFUL, SURE, known
from analyzer.result import Diagnosis
from analyzer.schema import EVENTS


def explanation(diagnosis: Diagnosis, identity: str, width: int = 100) -> str:
    """Return everything about one ending as text. Raises KeyError when the document has none of that name."""
    told = story.tell(diagnosis)
    item = next((one for one in [*told.resets, *told.silences] if one.get("id") == identity), None)
    if item is None:
        raise KeyError(identity)
    chapter = story.alone(item, told.causes)
    return "\n".join(_lines(diagnosis, item, chapter, max(width, terminal.NARROWEST))) + "\n"


def _lines(diagnosis: Diagnosis, item: Item, chapter: Chapter, width: int) -> Iterator[str]:
    for block in (
        _head(item, chapter, width),
        _lines_of_logs(diagnosis, item, width),
        _prose(item, chapter, width),
        *(_signs(part, width) for part in chapter.evidence),
        _others(chapter, width),
        _ladder(diagnosis, item, width),
        _facts(item),
        _without_result(chapter, width),
    ):
        yield from block


def _head(item: Item, chapter: Chapter, width: int) -> Iterator[str]:
    place = {"id": item.get("id"), "time": wording.moment(item.get("time"), 9)}
    yield clean(
        tr("Reset {id}, {time} UTC", **place)
        if not chapter.silence
        else tr("Quiet end {id}, {time} UTC", **place)
        if chapter.noun == "quiet end"
        else tr("Silent end {id}, {time} UTC", **place)
    )
    address = {
        "client": tr("the reset carries the client's, {address}", address=wording.address(item.get("client"))),
        "server": tr("the reset carries the server's, {address}", address=wording.address(item.get("server"))),
    }
    rows = [
        (N_("Client"), wording.address(item.get("client"))),
        (N_("Server"), wording.address(item.get("server"))),
        (N_("Address"), address.get(str(item.get("apparent_sender")))),
        (N_("Who"), _who(item, chapter)),
        (N_("Why"), f"{with_sureness(chapter.title, item.get('cause_confidence'))} [{item.get('cause')}]"),
        (N_("How sure"), story.record(item)),
        (N_("Impact"), tr("; ").join(chapter.impact)),
        (
            N_("Frame"),
            tr("{frame} in {capture}", frame=item.get("frame"), capture=wording.cut(item.get("capture"), 100)),
        ),
        (N_("Filter"), item.get("filter")),
    ]
    seen = get(item, "sightings", [])
    for sighting in seen if len(seen) > 1 else []:
        there = {name: sighting.get(name) for name in ("point", "frame", "capture")}
        rows.append((N_("Seen at"), tr("{point}: frame {frame} in {capture}", **there)))
    for label, text in rows:
        if known(text):
            yield from (line for _, line in labelled(label, str(text), width))
    for later in get(item, "consequence", []):
        yield from (line for _, line in labelled(N_("Then"), str(later.get("sentence")), width))


def _who(item: Item, chapter: Chapter) -> str:
    if chapter.silence:
        return tr("nobody: no reset was seen")
    by = wording.side(item.get("reset_by"))
    return with_sureness(by, item["confidence"], item.get("proof")) if known(item.get("confidence")) else by


def _signs(part: Evidence, width: int) -> Iterator[str]:
    yield ""
    yield from (line for _, line in wrapped(tr("Evidence on: {title}", title=part.title), width, "  ", ""))
    yield from _marked((("+", part.speaks_for), ("-", part.against)), width)


def _marked(groups: Iterable[tuple[str, Sequence[Item]]], width: int) -> Iterator[str]:
    for mark, signs in groups:
        for sign in signs:
            weight = f" ({sign['weight']:+d})" if get(sign, "weight", 0) else ""
            yield from (line for _, line in wrapped(terminal.sign_text(sign) + weight, width, "    ", f"  {mark} "))


def _without_result(chapter: Chapter, width: int) -> Iterator[str]:
    """What was looked for and weighs nothing, each sign once: it did not hold (.), or could not be seen (?)."""
    shown: set[str] = set()
    groups: list[tuple[str, list[Item]]] = []
    for part in chapter.evidence:
        for mark, signs in ((".", part.counted), ("?", part.unseen)):
            groups.append((mark, [sign for sign in signs if terminal.sign_text(sign) not in shown]))
            shown |= {terminal.sign_text(sign) for sign in signs}
    if any(signs for _, signs in groups):
        yield ""
        yield tr("Looked for without result (. not so or already counted, ? could not be seen)")
        yield from _marked(sorted(groups, key=lambda group: group[0]), width)


def _others(chapter: Chapter, width: int) -> Iterator[str]:
    if chapter.alternatives:
        yield ""
        yield tr("What else it could have been")
    for other in chapter.alternatives:
        text = story.other_answer(other) + (f": {other.why_not}" if other.why_not else "")
        yield from (line for _, line in wrapped(text, width, "    ", "  - "))


def _ladder(diagnosis: Diagnosis, item: Item, width: int) -> Iterator[str]:
    built = ladder.build(diagnosis, item)
    if built is None:
        return
    yield ""
    yield tr("The last packets (seconds from the reset; > from the client, < from the server)")
    for row in built.rows:
        if row.kind in ("packet", "reset"):
            notes = " ".join([row.words, *(f"({mark})" for mark in row.marks)]).strip()
            way = ">" if row.from_client else "<"
            mark = "*" if row.kind == "reset" else " "
            text = f"{mark} {row.clock:>14} {way} {row.text}{'  ' if notes else ''}{notes}  #{row.frame}"
            yield clean(text)
        elif row.kind == "message":
            yield clean(f"{row.clock:>16} ! {row.text}  #{row.frame}")
        elif row.kind == "log":
            yield from folded(clean(f"{row.clock:>16} {tr('log')} {row.source}: {row.text}"), width, "", 2)
        else:
            yield clean(f"{'':>16}   ... {row.text}")


def _lines_of_logs(diagnosis: Diagnosis, item: Item, width: int) -> Iterator[str]:
    """Each line as it stands, what it proves, why it belongs here and how easily chance would have tied it; then what logs do not say."""
    found, remarks = get(item, "log_lines", []), get(item, "log_remarks", [])
    if found or remarks:
        yield ""
        yield tr("What the logs say")
    lines = diagnosis.log_lines
    proved = dict(zip(zip(lines["source"], lines["line"], lines["event"], strict=True), lines["proves"], strict=True))
    clocks = {str(clock.get("source")): clock for clock in localised(diagnosis.document.get("clocks")) or []}
    for line in found:
        spread = clocks.get(str(line.get("source")), {}).get("spread_seconds")
        place = f"{line.get('source')}:{line.get('line')}, {wording.lag(line.get('lag_seconds'), spread)}"
        yield from (text for _, text in wrapped(clean(place), width, "    ", "  "))
        yield from folded(clean(line.get("text")), width, "    | ", 4)
        # What the log formats know of their messages is written in English only; what kind of event it is, in every language.
        proves = (
            proved.get((line.get("source"), line.get("line"), line.get("event")))
            if shown() == ENGLISH
            else tr("{sentence}.", sentence=tr(EVENTS[str(line["event"])]))
            if line.get("event") in EVENTS
            else None
        )
        tie = wording.capital(wording.tie(line)) + "."
        for text in (proves, f"{tie} {_chance(line.get('coincidence'))}"):
            if known(text):
                yield from (part for _, part in wrapped(clean(str(text)), width, "    ", "    "))
    for source in dict.fromkeys(str(line.get("source")) for line in found):
        sentence = clocks.get(source, {}).get("sentence")
        if known(sentence):
            yield from (part for _, part in wrapped(clean(str(sentence)), width, "    ", "  "))
    for remark in remarks:
        yield from (
            part for _, part in wrapped(clean(wording.capital(remark["sentence"]) + "."), width, "    ", "  ! ")
        )


def _chance(coincidence: Any) -> str:
    """How easily chance makes such a tie, in words; '' where that is not known."""
    if not known(coincidence):
        return ""
    if coincidence < SURE:
        return tr("Chance alone hardly makes such a tie (less than {chance}).", chance=wording.share(SURE))
    if coincidence < DOUBTFUL:
        return tr("The chance that it is a coincidence is {chance}.", chance=wording.share(coincidence))
    return tr("It may be a coincidence: the chance is {chance}.", chance=wording.share(coincidence))


def _facts(item: Item) -> Iterator[str]:
    facts = {name: value for name, value in get(item, "facts", {}).items() if known(value)}
    if facts:
        yield ""
        yield tr("Facts")
    for name, value in facts.items():
        words, shown, _ = wording.fact(name, value)
        yield clean(f"  {terminal.padded(words, 28)} {shown}")


def _prose(item: Item, chapter: Chapter, width: int) -> Iterator[str]:
    parts = [
        (N_("What happens"), chapter.cause.get("mechanism")),
        (N_("What to change"), chapter.cause.get("remedy")),
        (N_("How to make sure"), chapter.cause.get("confirm")),
        (N_("Next capture"), item.get("next_capture")),
        (N_("Next log"), item.get("next_log")),
    ]
    for label, text in parts:
        if known(text):
            yield ""
            yield tr(label)
            yield from (line for _, line in terminal.with_command(str(text), width))
