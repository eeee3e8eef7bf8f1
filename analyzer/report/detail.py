"""One ending in full, as plain text: everything the document holds about it, and its ladder.

Lives here: the text behind `explain`. Never here: a choice of what matters (the verdict's block, terminal.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.report import ladder, story, terminal, wording
from analyzer.report.story import Chapter, Evidence, Item, get
from analyzer.report.terminal import clean, folded, labelled, sure, wrapped
from analyzer.report.wording import known
from analyzer.result import Diagnosis


def explanation(diagnosis: Diagnosis, identity: str, width: int = 100) -> str:
    """Return everything about one ending as text. Raises KeyError when the document has none of that name."""
    document = diagnosis.document
    items = [*get(document, "resets", []), *get(document, "died_in_silence", [])]
    item = next((one for one in items if one.get("id") == identity), None)
    if item is None:
        raise KeyError(identity)
    chapter = story.alone(item, diagnosis)
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
    what = "Reset" if not chapter.silence else "Silent end"
    yield clean(f"{what} {item.get('id')}, {wording.moment(item.get('time'), 9)} UTC")
    rows = [
        ("Client", wording.address(item.get("client"))),
        ("Server", wording.address(item.get("server"))),
        ("Address", f"the {item['apparent_sender']}'s" if known(item.get("apparent_sender")) else None),
        ("Who", _who(item, chapter)),
        ("Why", f"{chapter.title}, {sure(item.get('cause_confidence'))} [{item.get('cause')}]"),
        ("How sure", story.record(item)),
        (
            "Harm",
            "cannot be known"
            if not known(item.get("harmless"))
            else "none"
            if item["harmless"]
            else "something was lost",
        ),
        ("Frame", f"{item.get('frame')} in {wording.cut(item.get('capture'), 100)}"),
        ("Filter", item.get("filter")),
    ]
    for sighting in get(item, "sightings", []):
        rows.append(("Seen at", f"{sighting.get('point')}: frame {sighting.get('frame')} in {sighting.get('capture')}"))
    for label, text in rows:
        if known(text):
            yield from (line for _, line in labelled(label, str(text), width))
    for later in get(item, "consequence", []):
        yield from (line for _, line in labelled("Then", str(later.get("sentence")), width))


def _who(item: Item, chapter: Chapter) -> str:
    if chapter.silence:
        return "nobody: no reset was seen"
    by = wording.SIDES.get(str(item.get("reset_by")), "cannot be told")
    if not known(item.get("confidence")):
        return by
    proof = f": {item['proof']}" if known(item.get("proof")) else ""
    return f"{by}, {sure(item['confidence'], item.get('proof'))}{proof}"


def _signs(part: Evidence, width: int) -> Iterator[str]:
    yield ""
    yield clean(f"Evidence on: {part.title}")
    groups = (("+", part.speaks_for), ("-", part.against), (".", part.counted), ("?", part.unseen))
    for mark, signs in groups:
        for sign in signs:
            missing = "not so: " if sign.get("held") is False else ""
            weight = f" ({sign['weight']:+d})" if get(sign, "weight", 0) else ""
            frames = [frame.get("frame") for frame in get(sign, "frames", [])]
            cited = f" [frame {wording.listed(frames)}]" if frames else ""
            text = f"{missing}{sign.get('sentence')}{weight}{cited}"
            yield from (line for _, line in wrapped(text, width, "    ", f"  {mark} "))


def _others(chapter: Chapter, width: int) -> Iterator[str]:
    if chapter.alternatives:
        yield ""
        yield "What else it could have been"
    for other in chapter.alternatives:
        number = f" ({wording.probability(other.confidence)})" if known(other.confidence) else ""
        apart = f": {other.why_not}" if other.why_not else ""
        text = f"{other.title}, by {wording.SIDES.get(other.reset_by, other.reset_by)}{number}{apart}"
        yield from (line for _, line in wrapped(text, width, "    ", "  - "))


def _ladder(diagnosis: Diagnosis, item: Item, width: int) -> Iterator[str]:
    built = ladder.build(diagnosis, item)
    if built is None:
        return
    yield ""
    yield "The last packets (seconds from the reset; > from the client, < from the server)"
    for row in built.rows:
        if row.kind in ("packet", "reset"):
            notes = " ".join([row.words, *(f"({mark})" for mark in row.marks)]).strip()
            way = ">" if row.from_client else "<"
            mark = "*" if row.kind == "reset" else " "
            text = f"{mark} {row.clock:>14} {way} {row.text}{'  ' if notes else ''}{notes}  #{row.frame}"
            yield clean(text)
        elif row.kind == "log":
            yield from folded(clean(f"{row.clock:>16} log {row.source}: {row.text}"), width, "", 2)
        else:
            yield clean(f"{'':>16}   ... {row.text}")


def _lines_of_logs(item: Item, width: int) -> Iterator[str]:
    found = get(item, "log_lines", [])
    if found:
        yield ""
        yield "Log lines"
    for line in found:
        tie = line.get("tie_sentence") or wording.TIES.get(str(line.get("tie")), str(line.get("tie")))
        place = f"{line.get('source')}:{line.get('line')}, {wording.lag(line.get('lag_seconds'))}; {tie}"
        yield from (text for _, text in wrapped(clean(place), width, "    ", "  "))
        yield from folded(clean(line.get("text")), width, "    ", 3)


def _facts(item: Item) -> Iterator[str]:
    facts = {name: value for name, value in get(item, "facts", {}).items() if known(value)}
    if facts:
        yield ""
        yield "Facts"
    for name, value in facts.items():
        words, shown, _ = wording.fact(name, value)
        yield clean(f"  {words:<28} {shown}")


def _prose(item: Item, chapter: Chapter, width: int) -> Iterator[str]:
    parts = [
        ("What happens", chapter.cause.get("mechanism")),
        ("What to change", chapter.cause.get("remedy")),
        ("How to make sure", chapter.cause.get("confirm")),
        ("Next capture", item.get("next_capture")),
        ("Next log", item.get("next_log")),
    ]
    for label, text in parts:
        if known(text):
            yield ""
            yield label
            yield from (line for _, line in wrapped(str(text), width, "  "))
