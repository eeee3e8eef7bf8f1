"""One ending in full, as plain text: everything the document holds about it, and its ladder.

Lives here: the text behind `explain`. Never here: a choice of what matters (the verdict's block, terminal.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.language import N_, tr
from analyzer.report import ladder, story, terminal, wording
from analyzer.report.story import Chapter, Evidence, Item, get
from analyzer.report.terminal import clean, folded, labelled, with_sureness, wrapped
from analyzer.report.wording import known
from analyzer.result import Diagnosis


def explanation(diagnosis: Diagnosis, identity: str, width: int = 100) -> str:
    """Return everything about one ending as text. Raises KeyError when the document has none of that name."""
    told = story.tell(diagnosis)
    item = next((one for one in [*told.resets, *told.silences] if one.get("id") == identity), None)
    if item is None:
        raise KeyError(identity)
    chapter = story.alone(item, item in told.silences, told.causes)
    return "\n".join(_lines(diagnosis, item, chapter, max(width, terminal.NARROWEST))) + "\n"


def _lines(diagnosis: Diagnosis, item: Item, chapter: Chapter, width: int) -> Iterator[str]:
    for block in (
        _head(item, chapter, width),
        *(_signs(part, width) for part in chapter.evidence),
        _others(chapter, width),
        _ladder(diagnosis, item, width),
        _lines_of_logs(item, width),
        _facts(item),
        _prose(item, chapter, width),
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
    addresses = {"client": tr("the client's"), "server": tr("the server's")}
    rows = [
        (N_("Client"), wording.address(item.get("client"))),
        (N_("Server"), wording.address(item.get("server"))),
        (N_("Address"), addresses.get(str(item.get("apparent_sender")))),
        (N_("Who"), _who(item, chapter)),
        (N_("Why"), f"{with_sureness(chapter.title, item.get('cause_confidence'))} [{item.get('cause')}]"),
        (N_("How sure"), story.record(item)),
        (
            N_("Harm"),
            tr("cannot be known")
            if not known(item.get("harmless"))
            else tr("none")
            if item["harmless"]
            else tr("something was lost"),
        ),
        (
            N_("Frame"),
            tr("{frame} in {capture}", frame=item.get("frame"), capture=wording.cut(item.get("capture"), 100)),
        ),
        (N_("Filter"), item.get("filter")),
    ]
    for sighting in get(item, "sightings", []):
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
    yield clean(tr("Evidence on: {title}", title=part.title))
    groups = (("+", part.speaks_for), ("-", part.against), (".", part.counted), ("?", part.unseen))
    for mark, signs in groups:
        for sign in signs:
            weight = f" ({sign['weight']:+d})" if get(sign, "weight", 0) else ""
            yield from (line for _, line in wrapped(terminal.sign_text(sign) + weight, width, "    ", f"  {mark} "))


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
        elif row.kind == "log":
            yield from folded(clean(f"{row.clock:>16} {tr('log')} {row.source}: {row.text}"), width, "", 2)
        else:
            yield clean(f"{'':>16}   ... {row.text}")


def _lines_of_logs(item: Item, width: int) -> Iterator[str]:
    found = get(item, "log_lines", [])
    if found:
        yield ""
        yield tr("Log lines")
    for line in found:
        place = f"{line.get('source')}:{line.get('line')}, {wording.lag(line.get('lag_seconds'))}; {wording.tie(line)}"
        yield from (text for _, text in wrapped(clean(place), width, "    ", "  "))
        yield from folded(clean(line.get("text")), width, "    ", 3)


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
            yield from (line for _, line in wrapped(str(text), width, "  "))
