"""What the page and the terminal both tell: the result document, put in the order of a reader's questions.

Lives here: the headline, the representative reset of each incident, evidence sorted into for, against and unseen. Never
here: markup, or a number that the document does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from analyzer.language import N_, localised, tr, trn
from analyzer.report import wording
from analyzer.report.wording import known
from analyzer.result import Diagnosis

Item = dict[str, Any]
UNEXPLAINED = "unexplained"
REFUSALS = ("connection_refused", "firewall_reject")
NO_PROSE: Item = dict.fromkeys(("title", "mechanism", "remedy", "confirm", "references"))


@dataclass(frozen=True)
class Evidence:
    """The evidence on one cause for one reset, sorted by what it does."""

    cause: str
    title: str
    speaks_for: list[Item]
    against: list[Item]
    counted: list[Item]  # known, and without weight
    unseen: list[Item]

    @property
    def count(self) -> int:
        return len(self.speaks_for) + len(self.against) + len(self.counted) + len(self.unseen)


@dataclass(frozen=True)
class Alternative:
    """Another answer that was weighed: what it is, how likely, and what tells it apart."""

    cause: str
    title: str
    reset_by: str
    confidence: float | None
    why_not: str


@dataclass(frozen=True)
class Chapter:
    """One incident with the reset that stands for it."""

    incident: Item
    reset: Item | None
    silence: bool
    members: list[str]
    evidence: list[Evidence]
    alternatives: list[Alternative]
    cause: Item
    noun: str  # "reset", "silent death" or, for what ended with a FIN, "quiet end"
    title: str
    alike: int  # members that have the incident's cause; the others broke in consequence, or were refused
    impact: list[str]  # what was lost, as far as the capture shows it


@dataclass(frozen=True)
class Story:
    """Everything the page tells, from one document."""

    document: Item
    verdict: Item
    chapters: list[Chapter]
    top: Chapter | None
    headline: str
    why: str
    contrary: str
    suspects: list[tuple[str, str]]  # where nobody is named: (side, the cause that would fit), the likeliest first
    unseen: int
    resets: list[Item]
    silences: list[Item]
    causes: dict[str, Item]


def get(item: Item | None, key: str, default: Any = None) -> Any:
    """Return item[key], or the default where it is absent or null."""
    value = (item or {}).get(key)
    return default if value is None else value


def tell(diagnosis: Diagnosis) -> Story:
    """Return the story of a diagnosis."""
    document, causes = localised(diagnosis.document), localised(diagnosis.causes)
    resets, silences = list(get(document, "resets", [])), list(get(document, "died_in_silence", []))
    items = {str(item.get("id")): item for item in [*resets, *silences]}
    chapters = [_chapter(incident, items, causes) for incident in get(document, "incidents", [])]
    verdict = get(document, "verdict", {})
    top = next(
        (c for c in chapters if known(verdict.get("incident")) and c.incident.get("id") == verdict["incident"]), None
    )
    return Story(
        document=document,
        verdict=verdict,
        chapters=chapters,
        top=top,
        headline=_headline(verdict, top, document),
        why=top.title if top else "",
        contrary=_contrary(top),
        suspects=_suspects(top, causes),
        unseen=sum(len(part.unseen) for part in top.evidence[:1]) if top else 0,
        resets=resets,
        silences=silences,
        causes=causes,
    )


def alone(item: Item, causes: dict[str, Item]) -> Chapter:
    """Return a chapter about one reset or silence only."""
    names = ("reset_by", "confidence", "cause", "cause_confidence", "harmless")
    incident = {name: item.get(name) for name in names} | {"endings": [item.get("id")], "resets": 1}
    return _chapter(incident, {str(item.get("id")): item}, causes)


def _chapter(incident: Item, items: dict[str, Item], causes: dict[str, Item]) -> Chapter:
    members = [str(identity) for identity in get(incident, "endings", [])]
    found = [items[identity] for identity in members if identity in items]
    resets = [item for item in found if get(item, "kind", "reset") == "reset"]
    reset = representative(incident, resets or found)
    silence = not resets and bool(found)
    alike = sum(item.get("cause") == incident.get("cause") for item in found)
    return Chapter(
        incident=incident,
        reset=reset,
        silence=silence,
        members=members,
        evidence=_evidence(reset, causes) if reset else [],
        alternatives=_alternatives(reset, causes) if reset else [],
        cause=NO_PROSE | causes.get(str(incident.get("cause")), {}),
        noun="reset" if not silence else "silent death" if get(reset, "kind") == "silence" else "quiet end",
        title=title(incident.get("cause"), causes),
        alike=alike or get(incident, "resets", len(members)),
        impact=_impact(incident, found),
    )


def _impact(incident: Item, found: list[Item]) -> list[str]:
    """Return what an incident cost, counted from what its connections show; one word where they show nothing."""
    facts = [get(item, "facts", {}) for item in found if item.get("harmless") is not True]
    refused = sum(item.get("cause") in REFUSALS and item.get("harmless") is not True for item in found)
    unanswered = sum(fact.get("request_unanswered") is True for fact in facts)
    opened = sum(fact.get("transaction_open") is True for fact in facts)
    lost = sum(bool(fact.get("unacked_sender") or fact.get("unacked_peer")) for fact in facts)
    sealed = sum(fact.get("encrypted") is True and "request_unanswered" not in fact for fact in facts)
    parts = [
        trn("{n:,} attempt refused", "{n:,} attempts refused", refused) if refused else "",
        trn("{n:,} request unanswered", "{n:,} requests unanswered", unanswered) if unanswered else "",
        trn("{n:,} transaction cut off", "{n:,} transactions cut off", opened) if opened else "",
        trn("unacknowledged bytes on {n:,} connection", "unacknowledged bytes on {n:,} connections", lost)
        if lost
        else "",
        trn(
            "what was under way on {n:,} connection is unknown: encrypted",
            "what was under way on {n:,} connections is unknown: encrypted",
            sealed,
        )
        if sealed
        else "",
    ]
    if not any(parts):
        cut = any(item.get("harmless") is False for item in found)
        parts = [
            tr("nothing seen lost")
            if incident.get("harmless") is True
            else tr("something was lost")
            if cut
            else tr("cannot be known")
        ]
    return [part for part in parts if part]


def representative(incident: Item, resets: list[Item]) -> Item | None:
    """Return the reset that shows an incident best: same answer, proved, logged, sure, early."""

    def rank(reset: Item) -> tuple[Any, ...]:
        same = reset.get("cause") == incident.get("cause") and reset.get("reset_by") == incident.get("reset_by")
        return (
            not same,
            not known(reset.get("proof")),
            not reset.get("log_lines"),
            -get(reset, "cause_confidence", 0.0),
            str(reset.get("time")),
        )

    return min(resets, key=rank, default=None)


def _evidence(reset: Item, causes: dict[str, Item]) -> list[Evidence]:
    groups: dict[tuple[int, str, str], list[Item]] = {}
    for item in get(reset, "evidence", []):
        cause = str(item.get("cause"))
        rank = get(item, "rank", 1 if cause == reset.get("cause") else 2)
        groups.setdefault((rank, cause, get(item, "origin", "")), []).append(item)
    return [_sorted_out(cause, items, causes) for (_, cause, _), items in sorted(groups.items())]


def _sorted_out(cause: str, items: list[Item], causes: dict[str, Item]) -> Evidence:
    def heaviest_first(chosen: Iterable[Item]) -> list[Item]:
        return sorted(chosen, key=lambda item: -abs(get(item, "weight", 0)))

    unseen = [item for item in items if not known(item.get("held"))]
    seen = [item for item in items if known(item.get("held"))]
    return Evidence(
        cause=cause,
        title=title(cause, causes),
        speaks_for=heaviest_first(item for item in seen if get(item, "weight", 0) > 0),
        against=heaviest_first(item for item in seen if get(item, "weight", 0) < 0),
        counted=[item for item in seen if get(item, "weight", 0) == 0],
        unseen=unseen,
    )


def _alternatives(reset: Item, causes: dict[str, Item]) -> list[Alternative]:
    apart = causes.get(str(reset.get("cause")), {}).get("lookalikes", {})
    return [
        Alternative(
            cause=str(other.get("cause")),
            title=title(str(other.get("cause")), causes),
            reset_by=str(other.get("reset_by")),
            confidence=other.get("confidence"),
            why_not=apart.get(str(other.get("cause")), ""),
        )
        for other in get(reset, "alternatives", [])[:6]
    ]


def title(cause: object, causes: dict[str, Item]) -> str:
    """Return a cause's title; its id in words where it has none."""
    cause = str(cause)
    if cause == UNEXPLAINED:
        return tr("No known cause fits")
    return wording.capital(causes.get(cause, {}).get("title") or wording.humanised(cause))


def spreads(document: Item) -> dict[str, float]:
    """Return, per log source, the seconds within which its clock is known."""
    clocks = get(document, "clocks", [])
    return {str(c.get("source")): c["spread_seconds"] for c in clocks if known(c.get("spread_seconds"))}


def record(item: Item | None) -> str:
    """Return what the document says about the band of a reset's confidence."""
    return str(get(item, "band", ""))


def troubles(document: Item, info: bool = False) -> list[Item]:
    """Return the notices that weaken a conclusion; with `info`, those that only inform."""
    return [notice for notice in get(document, "notices", []) if (notice.get("level") == "info") is info]


def hosts(chapter: Chapter) -> tuple[str, str]:
    """Return the clients and servers of an incident as a sentence names them."""
    incident = chapter.incident
    return wording.listed(get(incident, "clients", []), 2), wording.listed(get(incident, "servers", []), 2)


def extent(told: Story) -> str:
    """Return, of the top incident: how many a log speaks of, what was lost, what share of the harm it is, how many others there are."""
    if told.top is None:
        return ""
    incident, parts = told.top.incident, []
    if incident.get("logged") or get(told.document, "log_sources"):
        parts.append(trn("{n:,} with a log line", "{n:,} with a log line", get(incident, "logged", 0)))
    if incident.get("harmless") is not True:
        parts += told.top.impact
    covers, others = told.verdict.get("covers"), told.verdict.get("others")
    if covers is not None and covers < 1:
        parts.append(tr("{share} of the harmful ones", share=wording.share(covers)))
    if others:
        parts.append(wording.count(others, "other incident"))
    return tr("; ").join(parts)


def _headline(verdict: Item, top: Chapter | None, document: Item) -> str:
    if top is None:
        if get(document, "resets", []) or get(document, "died_in_silence", []):
            return tr("Connections ended badly, and no single incident stands out.")
        return tr("No connection was reset in what was captured.")
    incident = top.incident
    clients, servers = hosts(top)
    sentence = _what_happened(top, top.alike, clients, servers)
    if incident.get("harmless") is True and top.noun != "silent death":
        sentence = tr("{first} {second}", first=tr("Nothing was seen to be lost."), second=sentence)
    # Where the top one covers some of the harm, but not half of it, the verdict's own sentence says that there are several.
    return tr("Several problems. First: {sentence}", sentence=sentence) if verdict.get("covers") == 0 else sentence


def _what_happened(top: Chapter, number: int, clients: str, servers: str) -> str:
    """Return who cut what, in the words of somebody who only wants to know that."""
    ends = {"clients": clients, "servers": servers}
    if top.noun == "quiet end":
        return trn("{n:,} connection to {servers} ended without a reset.",
                   "{n:,} connections to {servers} ended without a reset.", number, **ends)  # fmt: skip
    if top.silence:
        return trn("{n:,} connection to {servers} died without an answer.",
                   "{n:,} connections to {servers} died without an answer.", number, **ends)  # fmt: skip
    by = str(top.incident.get("reset_by"))
    if by == "client":
        if top.reset is not None and top.reset.get("roles_known") is False:
            return trn("The client {clients} cut the connection between {clients} and {servers}.",
                       "The client {clients} cut {n:,} connections between {clients} and {servers}.", number, **ends)  # fmt: skip
        if number > 1 and len(get(top.incident, "clients", [])) != 1:
            return tr("The clients cut {n:,} connections to {servers}.", n=number, **ends)
        return trn("The client {clients} cut its connection to {servers}.",
                   "The client {clients} cut {n:,} connections to {servers}.", number, **ends)  # fmt: skip
    if by == "server":
        return trn("The server {servers} cut the connection from {clients}.",
                   "The server {servers} cut {n:,} connections from {clients}.", number, **ends)  # fmt: skip
    if by == "middlebox":
        return trn("A device between {clients} and {servers} cut their connection.",
                   "A device between {clients} and {servers} cut {n:,} connections.", number, **ends)  # fmt: skip
    return trn("Who cut the connection to {servers} cannot be told from this capture.",
               "Who cut {n:,} connections to {servers} cannot be told from this capture.", number, **ends)  # fmt: skip


def _contrary(top: Chapter | None) -> str:
    """Return the strongest thing that speaks against the verdict, as one sentence."""
    if top is None or top.reset is None or not top.evidence:
        return ""
    chosen = top.evidence[0].cause == top.incident.get("cause")  # else each part speaks for another answer
    others = top.evidence[1:] if chosen else top.evidence
    if chosen and top.evidence[0].against:
        return _as_missing(top.evidence[0].against[0])
    shared = {(sign.get("sign"), sign.get("held")) for sign in top.evidence[0].speaks_for} if chosen else set()
    for other in others:
        own = [sign for sign in other.speaks_for if (sign.get("sign"), sign.get("held")) not in shared]
        if own:
            sentence = wording.capital(own[0].get("sentence"))
            return tr("{sentence}. That would also fit: {title}.", sentence=sentence, title=other.title)
    nothing = tr("Nothing that was looked for speaks against it.")
    second = next((other for other in top.alternatives if known(other.confidence) and other.cause != UNEXPLAINED), None)
    if not second:
        return nothing
    return tr("{first} {second}", first=nothing, second=tr("Next likely: {answer}.", answer=other_answer(second)))


def other_answer(other: Alternative) -> str:
    """Return another answer in words: its cause, who would have sent it, how likely it is."""
    number = wording.probability(other.confidence)
    if other.reset_by == "undetermined":  # a death without a reset: nobody to name
        return tr("{title} ({probability})", title=other.title, probability=number) if number else other.title
    by = wording.side(other.reset_by, N_("somebody else"))
    if not number:
        return tr("{title}, by {who}", title=other.title, who=by)
    return tr("{title}, by {who} ({probability})", title=other.title, who=by, probability=number)


def _suspects(top: Chapter | None, causes: dict[str, Item]) -> list[tuple[str, str]]:
    """Return who could have sent a reset that nobody is named for, each side once with the cause that fits it best."""
    if top is None or top.reset is None or top.silence or top.incident.get("reset_by") != "undetermined":
        return []
    apparent = str(top.reset.get("apparent_sender"))
    sides = {
        "sender": apparent,
        "path": "middlebox",
        "peer": {"client": "server", "server": "client"}.get(apparent, ""),
    }
    best: Item = next((item for item in get(top.reset, "evidence", []) if get(item, "rank", 1) == 1), {})
    likely = [(sides.get(str(best.get("origin")), ""), title(best.get("cause"), causes))] if best else []
    found: dict[str, str] = {}
    for side, fits in [*likely, *((other.reset_by, other.title) for other in top.alternatives)]:
        if side in wording.SIDES and side != "undetermined":
            found.setdefault(side, fits)
    return list(found.items())


def _as_missing(item: Item) -> str:
    sentence = wording.capital(item.get("sentence"))
    return sentence if item.get("held") else tr("Expected, and not so: {sentence}", sentence=sentence)


def unknown_signs(story: Story) -> list[tuple[str, list[str]]]:
    """Return, per incident shown, the signs that could not be seen: (incident id, sentences)."""
    found = []
    for chapter in story.chapters:
        sentences = [str(item.get("sentence")) for part in chapter.evidence[:1] for item in part.unseen]
        if sentences:
            found.append((str(chapter.incident.get("id")), sentences))
    return found
