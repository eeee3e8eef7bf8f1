"""`captures/SCORE.md`: the page, made from the answers and the labels alone. Nothing is analyzed here, and nothing here counts anew."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from analyzer.causes import all_causes
from analyzer.diagnosis import CAP_INFERENCE, NAME_FROM
from analyzer.schema import BANDS
from captures.lab import judging, rivals, scoring
from captures.lab.case_file import Case, Cause, Connection, View
from captures.lab.scoring import Answer, Band, Rate, Rest, Rival
from captures.lab.tying import FOREIGN, OWN, Tied

REASONS = Path(__file__).with_name("reasons.toml")
CAUSES: tuple[Cause, ...] = get_args(Cause)
SIDES = ("client", "server", "middlebox")
EDGES = tuple(lowest for lowest, _ in BANDS)
LOGS = (False, True)
NAMED = ("right", "wrong", "guessed right", "guessed wrong")
SHOWN = 2  # connections of one miss that are named
LISTED = 4  # cases of one cause that are named

About = str  # "who", "why" or "control"
Test = Callable[[Answer], bool]


@dataclass(frozen=True)
class Score:
    """Everything that was answered: captures/score.json."""

    answers: tuple[Answer, ...]
    rest: tuple[Rest, ...]
    rivals: tuple[Rival, ...]
    netverdict: str | None
    ties: tuple[Tied, ...] = ()


def page(score: Score, cases: Sequence[Case], readme: str) -> str:
    """The text of SCORE.md."""
    family = scoring.families(case.folder.name for case in cases)
    parts = [
        "# The score",
        _introduction(score, cases, family),
        "## Goals",
        goals(score, family),
        "## Answers",
        answers(score),
        "## What one would pick instead",
        instead(score),
        "## Calibration",
        calibration(score, family),
        "## Confusions",
        confusions(score),
        "## Log ties",
        ties(score),
        "## Misses",
        misses(score),
        "## Causes",
        causes(score, cases, readme),
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(score: Score, cases: Sequence[Case], family: Mapping[str, str]) -> str:
    sizes = [len(case.connections) for case in cases]
    return (
        f"How often the analyzer is right on this corpus: {len(cases)} cases in {len(set(family.values()))} families, {sum(sizes)} labelled "
        "connections, each asked about at every capture point alone and with the captures of both ends, without the logs and with them. "
        "A view is *decidable* where the packets settle who sent the reset ([the rule](README.md#when-a-view-decides-who-sent-a-reset)); elsewhere "
        "the right answer is to abstain, and a right name is a guess. The analyzer names nobody without the marks that this rule lists, so how "
        "often it abstains shows that the rule is kept, not that it holds on other networks. "
        f"*Certain* is a confidence of {scoring.CERTAIN} or more. Intervals hold 95 % of the corpora that one gets by drawing families "
        "of cases anew (twins err together); where nothing was missed they end at the rule of three. Cases differ in size (the largest has "
        f"{max(sizes)} connections), so the last column gives each family one vote. What the numbers do not say: one Linux "
        "kernel plays all machines ([what that leaves unproven](README.md#what-cannot-be-built-here)), and the analyzer's weights were set by "
        "people who could see these cases, so expect less on captures from elsewhere. `make score` writes this page and `score.json`, which "
        "has every single answer."
    )


# --- The tables -------------------------------------------------------------------------------------------------------


def one_point(a: Answer) -> bool:
    return a.who is not None and a.decidable and a.view != "both"


def both_ends(a: Answer) -> bool:
    return a.who is not None and a.decidable and a.view == "both"


def undecidable(a: Answer) -> bool:
    return a.who is not None and not a.decidable


def caused(a: Answer) -> bool:
    """Whether the cause is asked for: where the packets decide."""
    return a.why is not None and a.decidable


def decided(a: Answer) -> bool:
    return a.who in ("right", "wrong")


def abstained(a: Answer) -> bool:
    return a.who in ("abstained", "not found")


def certain_and_wrong(a: Answer) -> bool:
    return a.false and (a.confidence or 0.0) >= scoring.CERTAIN


def goals(score: Score, family: Mapping[str, str]) -> str:
    """The figures that were promised."""
    figures: list[tuple[str, float | None, Test, Test]] = [
        ("one capture point, decidable: right of those decided", 0.97, lambda a: one_point(a) and decided(a), lambda a: a.who == "right"),
        ("one capture point, decidable: decided", 0.85, one_point, decided),
        ("undecidable: abstained", 0.9, undecidable, abstained),
        ("both ends: right", 0.99, both_ends, lambda a: a.who == "right"),
        ("both ends: what on that side made it, where a side is named", None,
         lambda a: both_ends(a) and decided(a) and a.truth_emitter not in (None, "unknown"), lambda a: a.emitter == a.truth_emitter),
        ("cause: right first", 0.88, caused, lambda a: a.why == "first"),
        ("cause: among the first two", 0.95, caused, lambda a: a.why in ("first", "second")),
    ]  # fmt: skip
    rows = []
    for name, goal, of, hit in figures:
        without, with_logs = (scoring.rate(_asked(score, logs), of, hit, family) for logs in LOGS)
        each = "–" if with_logs is None else f"{100 * with_logs.by_family:.1f} %"
        each += "" if with_logs is None or goal is None else f" {_mark(with_logs.by_family >= goal)}"
        wanted = "–" if goal is None else f"≥ {100 * goal:.0f} %"
        rows.append([name, wanted, _rate(without, goal), _rate(with_logs, goal), each])
    wrong = [sum(map(certain_and_wrong, _asked(score, logs))) for logs in LOGS]
    rows.append(["certain and wrong, anywhere", "0", *(f"{n} {_mark(n == 0)}" for n in wrong), ""])
    for name, table in (("who", _who_bands), ("cause", _cause_bands)):
        errors = [scoring.calibration_error(table(_asked(score, logs))) for logs in LOGS]
        rows.append(
            [f"expected calibration error, {name}", "≤ 0.08", *(f"{e:.3f} {_mark(e <= 0.08)}" for e in errors), ""]
        )
    return _table(["", "goal", "without logs", "with logs", "with logs, one vote a family"], rows)


def answers(score: Score) -> str:
    """How many, of what."""
    rows = []
    for name, of in (("one point", one_point), ("both ends", both_ends)):
        for logs in LOGS:
            asked = [a for a in _asked(score, logs) if of(a)]
            counts = Counter(a.who for a in asked)
            why = Counter(a.why for a in asked)
            rows.append(
                [
                    f"{name}, {_logs(logs)}", str(len(asked)),
                    *(str(counts[o]) for o in ("right", "abstained", "not found", "wrong")),
                    _loud(asked), str(why["first"]), str(why["second"]),
                ]
            )  # fmt: skip
    mark = f"certain and wrong (≥ {scoring.CONFIDENT})"
    decidable = _table(
        ["decidable", "asked", "right", "abstained", "not found", "wrong", mark, "cause first", "second"], rows
    )

    rows = []
    for logs in LOGS:
        asked = [a for a in _asked(score, logs) if undecidable(a)]
        counts = Counter(a.who for a in asked)
        why = Counter(a.why for a in asked)
        rows.append(
            [
                _logs(logs).capitalize(), str(len(asked)), str(counts["abstained"] + counts["not found"]),
                *(str(counts[o]) for o in ("guessed right", "guessed wrong")), _loud(asked), str(why["first"]), str(why["second"]),
            ]
        )  # fmt: skip
    open_ = _table(
        ["undecidable", "asked", "abstained", "guessed right", "guessed wrong", mark, "cause first", "second"], rows
    )

    rows = []
    for ending, name in (("closed", "ended well, though a log complains"), ("silence", "died in silence")):
        for logs in LOGS:
            asked = [a for a in _asked(score, logs) if a.ending == ending]
            made = Counter(a.control for a in asked)
            why = Counter(a.why for a in asked if caused(a))
            rows.append(
                [
                    f"{name}, {_logs(logs)}", str(len(asked)), str(made["reset claimed"]), str(made["reported"]) if ending == "closed" else "–",
                    f"{why['first']} of {sum(why.values())}" if why else "–",
                ]
            )  # fmt: skip
    for logs in LOGS:
        others = [r for r in score.rest if r.logs == logs]
        alarms = [alarm for r in others for alarm in r.alarms]
        resets = sum(": reset," in alarm for alarm in alarms)
        rows.append(
            [
                f"not labelled: ended well, {_logs(logs)}",
                str(sum(r.connections for r in others)),
                str(resets),
                str(len(alarms) - resets),
                "–",
            ]
        )
    none = _table(["nobody reset it", "asked", "reset claimed", "other harm reported", "cause first"], rows)
    return "\n\n".join([decidable, open_, none])


def instead(score: Score) -> str:
    """The same questions, answered by the header and by netverdict."""
    asked = {(a.case, a.connection, a.view): a for a in _asked(score, False) if a.who is not None}
    pairs = [(r, asked[r.case, r.connection, r.view]) for r in score.rivals if (r.case, r.connection, r.view) in asked]
    missing = score.netverdict is None

    def row(name: str, said: Callable[[Rival, Answer], tuple[Any, bool, Any]]) -> list[str]:
        cells = [name]
        for of in (one_point, both_ends, undecidable):
            told = [(a, *said(r, a)) for r, a in pairs if of(a)]
            right = sum(by == a.truth_by for a, by, _, _ in told)
            silent = sum(by in (None, "undetermined") for _, by, _, _ in told)
            sure = sum(by not in (None, "undetermined", a.truth_by) and sure for a, by, sure, _ in told)
            counts = (right, silent, len(told) - right - silent, sure)
            cells.append("–" if not told else " / ".join(map(str, counts)))
        told = [(a, *said(r, a)) for r, a in pairs if caused(a)]
        first = sum(cause in (a.truth_cause, *a.may_be) for a, _, _, cause in told)
        cells.append("–" if name.startswith("the address") or not told else f"{100 * first / len(told):.0f} %")
        return cells

    program = f"netverdict {rivals.NETVERDICT}"
    rows = [
        row("pcapreport", lambda r, a: (a.by, (a.confidence or 0.0) >= scoring.CERTAIN, a.cause)),
        row("the address on the reset", lambda r, a: (r.header, True, None)),
    ]
    if missing:
        rows.append([program, *["could not be installed"] * 3, "–"])
    else:
        rows.append(row(f"{program}: the sender that it names", lambda r, a: (r.names, r.sure, r.cause)))
        rows.append(row(f"{program}: where its verdict is not “ambiguous”", lambda r, a: (r.decided, r.sure, r.cause)))
    table = _table(["", "one point, decidable", "both ends", "undecidable", "cause first"], rows)
    return (
        "Without logs; right / abstained / wrong / of these certain.\n\n"
        + table
        + "\n\nAn address comes without a doubt: when it is wrong, it "
        "is certain. netverdict reads one capture; for both ends it was run on each, and what the two runs disagree on counts as abstained. "
        "Its JSON names a reset's sender in `rst_emitter`, the address again; *certain* is its highest confidence. Its rule for a reset after "
        "the handshake is ambiguous by its own words and lists three families of causes, so only refusals have a cause; that of a reset in "
        "answer to a SYN counts as `connection_refused`. It reads syslog, auditd and Windows events, none of which the cases have."
    )


def calibration(score: Score, family: Mapping[str, str]) -> str:
    """What was said against what was right. Every answer that names somebody, or a cause, at any view."""
    rows = []
    for name, table in (("who", _who_bands), ("cause", _cause_bands)):
        without, with_logs = ({b.lowest: b for b in table(_asked(score, logs))} for logs in LOGS)
        for number, edge in enumerate(EDGES):
            if edge in without or edge in with_logs:
                upper = EDGES[number - 1] if number else 1.0
                rows.append([name, f"{edge:.2f}–{upper:.2f}", *_band(without.get(edge)), *_band(with_logs.get(edge))])
    head = ["", "confidence", "said", "right", "n", "said", "right", "n"]
    return (
        "Every answer that names a sender or a cause, at any view: without logs on the left, with logs on the right. A cause is as sure as it "
        "and those that the label calls as good are together.\n\n"
        + _table(head, rows)
        + "\n\n"
        + _held_out(score, family)
    )


def _held_out(score: Score, family: Mapping[str, str]) -> str:
    """Whether the one number that is set by the corpus would have been the same without any one family."""
    parts = []
    for name, given in (("who", _who_given), ("cause", _cause_given)):
        table = [(family[a.case], said, right) for a, said, right in given(_asked(score, True))]
        error, (least, most) = scoring.held_out(table, EDGES, CAP_INFERENCE)
        parts.append(f"{name} {error:.3f} (exponents {least} to {most})")
    return (
        "The corpus sets one number, the temperature, by which all weights of evidence are divided; the weights themselves come from elsewhere. "
        "With families held out, each family's answers stretched (their odds raised to a power) as suits all the others best, the expected "
        f"calibration errors are: {'; '.join(parts)}. An exponent of 1 leaves the temperature as it is."
    )


def confusions(score: Score) -> str:
    """Who for whom, what for what, where the packets decide."""
    counts: list[Counter[tuple[str, str]]] = [
        Counter(
            (str(a.truth_by), str(a.by or "undetermined")) for a in _asked(score, logs) if one_point(a) or both_ends(a)
        )
        for logs in LOGS
    ]
    said = (*SIDES, "undetermined")
    rows = [[f"really {truth}", *(f"{counts[0][truth, s]} / {counts[1][truth, s]}" for s in said)] for truth in SIDES]
    who = _table(["", *(f"said {s}" for s in said)], rows)
    pairs: dict[tuple[str, str], list[str]] = {}
    for a in _asked(score, True):
        if caused(a) and a.why != "first":
            pairs.setdefault((str(a.truth_cause), a.cause or "nothing"), []).append(a.case)
    mixed = [
        [f"`{truth}`", said_ if said_ == "nothing" else f"`{said_}`", str(len(where)), _codes(where)]
        for (truth, said_), where in sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    why = _table(["really", "said first", "n", "cases"], mixed) if mixed else "No cause was taken for another."
    return (
        "Decidable views. Who, without logs / with logs:\n\n"
        + who
        + "\n\nCauses, with logs, only the pairs that were confused:\n\n"
        + why
    )


@dataclass(frozen=True)
class Miss:
    """Answers that missed in the same way."""

    about: About
    outcome: str
    case: str
    truth: str
    said: str
    answers: tuple[Answer, ...]
    reason: str


def all_misses(score: Score) -> list[Miss]:
    """Every answer that could have been better, the same ones together."""
    groups: dict[tuple[About, str, str, str, str, str], list[Answer]] = {}
    for a in score.answers:
        by, cause = a.by or "", a.cause or ""
        if a.who in ("not found", "wrong", "guessed wrong") or (a.who == "abstained" and a.decidable):
            groups.setdefault(("who", a.who, a.case, str(a.truth_by), by, cause), []).append(a)
        if a.who == "guessed right":
            groups.setdefault(("who", a.who, a.case, str(a.truth_by), by, ""), []).append(a)
        if caused(a) and a.why not in (None, "first") and not (a.who and a.why == "not found"):
            second = a.second if a.why == "second" else None
            groups.setdefault(("why", str(a.why), a.case, f"`{a.truth_cause}`", cause, second or ""), []).append(a)
        if a.control in ("reported", "reset claimed"):
            groups.setdefault(("control", a.control, a.case, a.ending, by, cause), []).append(a)
    reasons = load_reasons()
    return [
        Miss(about, outcome, case, truth, _told(about, found), tuple(found), _reason(reasons, about, case, found))
        for (about, outcome, case, truth, _, _), found in groups.items()
    ]


def _told(about: About, found: Sequence[Answer]) -> str:
    """What these answers say, and how sure they are."""
    first = found[0]
    if not first.found:
        return "nothing"
    who = "nobody" if first.by == "undetermined" else f"{first.by}{_range(a.confidence for a in found)}"
    if first.who == "guessed right":
        return who
    cause = f"`{first.cause}`{_range(a.cause_confidence for a in found)}"
    if about == "why":
        return cause + (f", then `{first.second}`" if first.why == "second" else "")
    return f"{who}, {cause}"


def _range(given: Iterable[float | None]) -> str:
    known = sorted({f"{value:.2f}" for value in given if value is not None})
    return f" {'–'.join(dict.fromkeys((known[0], known[-1])))}" if known else ""


def load_reasons() -> list[dict[str, str]]:
    """Why misses are missed, where that is known: case, about, perhaps the view, and the reason."""
    table: list[dict[str, str]] = tomllib.loads(REASONS.read_text(encoding="utf-8")).get("miss", [])
    return table


def fits(reason: Mapping[str, str], about: About, case: str, found: Iterable[Answer]) -> bool:
    """Whether a reason speaks of these answers."""
    views = {a.view for a in found}
    return (reason["case"], reason["about"]) == (case, about) and reason.get("view", "") in ("", *views)


def _reason(reasons: list[dict[str, str]], about: About, case: str, found: Sequence[Answer]) -> str:
    known = [reason["reason"] for reason in reasons if fits(reason, about, case, found)]
    unknown = {a.truth_cause for a in found} - set(all_causes()) - {None}
    if about == "why" and unknown and not known:
        return "the analyzer does not know this cause yet"
    return "; ".join(known)


def misses(score: Score) -> str:
    """Each by name."""
    found = all_misses(score)
    titles: list[tuple[str, Callable[[Miss], bool]]] = [
        ("Somebody is named who did not do it", lambda m: m.about == "who" and m.outcome in ("wrong", "guessed wrong")),
        ("A reset was not found", lambda m: m.about == "who" and m.outcome == "not found"),
        ("Nobody is named where the packets decide", lambda m: m.about == "who" and m.outcome == "abstained"),
        ("Somebody is named, rightly, where the packets do not decide", lambda m: m.outcome == "guessed right"),
        ("The cause is wrong, or only second", lambda m: m.about == "why"),
        ("Harm is reported where none was done", lambda m: m.about == "control"),
    ]
    parts = []
    for title, belongs in titles:
        rows = [
            [f"`{m.case}`", _connections(m.answers), _views(m.answers), m.truth, m.said, m.reason]
            for m in sorted(filter(belongs, found), key=lambda m: (m.case, m.truth, m.said, m.outcome))
        ]
        if rows:
            parts.append(
                f"**{title}**\n\n" + _table(["case", "connection", "view", "really", "said", "why, if known"], rows)
            )
        else:
            parts.append(f"**{title}**: never.")
    alarms = sorted({(r.case, alarm) for r in score.rest for alarm in r.alarms})
    if alarms:
        parts.append(
            "**Harm is reported of a connection that the label does not mention**\n\n"
            + _table(["case", "reported"], [[f"`{case}`", alarm] for case, alarm in alarms])
        )
    return "\n\n".join(parts)


# --- Causes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Coverage:
    """Which cases test one cause, both ways."""

    cause: Cause
    must_find: tuple[str, ...]
    lookalikes: tuple[str, ...]  # cases of a cause that is easily taken for it, where it is not as good an answer
    excused: bool  # captures/README.md says why it cannot be built

    @property
    def gap(self) -> bool:
        return not (self.must_find and self.lookalikes)


def coverage(cases: Sequence[Case], readme: str) -> list[Coverage]:
    """For each cause of the design, the cases that must find it and those that must not call it so."""
    near = {frozenset((cause.id, other)) for cause in all_causes().values() for other in cause.lookalikes}
    _, _, excuses = readme.partition("## What cannot be built here")
    excuses, _, _ = excuses.partition("\n## ")
    out = []
    for cause in CAUSES:
        must = {case.folder.name for case in cases for label, _ in _truths(case) if cause == label}
        like = {
            case.folder.name
            for case in cases
            for truth, good in _truths(case)
            if truth is not None and cause not in good and frozenset((cause, truth)) in near
        } | {
            case.folder.name
            for case in cases
            for label in case.connections
            for claim in label.must_not
            if claim.cause == cause
        }
        excused = re.search(rf"`{cause}`", excuses) is not None
        out.append(Coverage(cause, tuple(sorted(must)), tuple(sorted(like)), excused))
    return out


def _truths(case: Case) -> Iterator[tuple[Cause | None, tuple[Cause | None, ...]]]:
    """Each cause that is true somewhere in a case, with all that are as good."""
    for label in case.connections:
        yield label.cause, (label.cause, *label.may_be)
        for sight in label.at.values():
            yield sight.cause, (sight.cause, *sight.may_be)


def causes(score: Score, cases: Sequence[Case], readme: str) -> str:
    """The coverage of causes, and how each fared."""
    rows = []
    told = [a for a in _asked(score, True) if a.found and a.cause]
    for item in coverage(cases, readme):
        asked = [a for a in _asked(score, True) if caused(a) and a.truth_cause == item.cause]
        first = sum(a.why == "first" for a in asked)
        falsely = sum(
            a.cause == item.cause and item.cause not in (a.truth_cause, *a.may_be) for a in told if a.truth_cause
        )
        none = "cannot be built" if item.excused else "**missing**"
        rows.append(
            [
                f"`{item.cause}`" + ("" if item.cause in all_causes() else " ¹"),
                _some(item.must_find) or none, f"{first} of {len(asked)}" if asked else "–",
                _some(item.lookalikes) or none, str(falsely),
            ]
        )  # fmt: skip
    note = "¹ not yet known to the analyzer." if len(all_causes().keys() & set(CAUSES)) < len(CAUSES) else ""
    text = (
        "Cases that must find each cause, how often it (or a cause as good) came first on decidable views with logs, and cases of "
        "look-alikes: causes easily taken for it, by the cause's own page. The last column counts how often it was said of another, at any view.\n\n"
    )
    return (
        text
        + _table(["cause", "must find it", "found first", "must not be called it", "called so falsely"], rows)
        + (f"\n\n{note}" if note else "")
    )


# --- Cells ------------------------------------------------------------------------------------------------------------


TIES_RIGHT, TIES_FOREIGN = (
    0.99,
    0.01,
)  # what was promised: of ties that are right at least, of lines of a wrong log that are tied at most


def ties(score: Score) -> str:
    """Which lines were tied to which connections, logs as they are and logs that do not belong."""
    rows = []
    for way in OWN:
        own = [tied for tied in score.ties if tied.way == way]
        right, wrong = sum(tied.right for tied in own), sum(tied.wrong for tied in own)
        share = right / max(1, right + wrong)
        told = f"**{share:.1%}** {_mark(share >= TIES_RIGHT)}".replace("%", " %")
        counts = (
            right,
            wrong,
            sum(tied.unlabelled for tied in own),
            sum(tied.untied for tied in own),
            sum(tied.lines for tied in own),
        )
        rows.append([way, "right ≥ 99 %", told, *map(str, counts)])
    for way in FOREIGN:
        own = [tied for tied in score.ties if tied.way == way]
        made, doubtful, lines = (sum(getattr(tied, name) for tied in own) for name in ("foreign", "doubtful", "lines"))
        kept = made <= TIES_FOREIGN * lines and doubtful == made
        told = f"**{made / max(1, lines):.1%}** {_mark(kept)}".replace("%", " %")
        rows.append([way, "tied ≤ 1 %, all called doubtful", told, "–", str(made), "–", "–", str(lines)])
    wrong = [f"{tied.case}: {what} ({tied.way})" for tied in score.ties for what in tied.wrongly]
    cases = len({tied.case for tied in score.ties})
    return (
        f"Each line of the logs of {cases} cases that is tied to an ending, at the capture point on its log's host, without being told a time zone. "
        "Whose line it is, the label says, or the process that wrote it. *Without names*: the lines that `log_connections` and "
        "`log_disconnections` add are taken out. *Shuffled in time*: ties that a line's own names make are right, and not counted. "
        "*Untied* are lines that speak of a broken connection with an ending in the capture; most stand in a log whose clock nothing sets.\n\n"
        + _table(["log", "goal", "reached", "right", "wrong", "not labelled", "untied", "lines that speak"], rows)
        + ("\n\nWrong: " + "; ".join(wrong) + "." if wrong else "")
    )


def _asked(score: Score, logs: bool) -> list[Answer]:
    return [a for a in score.answers if a.logs == logs]


def _who_given(given: Iterable[Answer]) -> list[tuple[Answer, float, bool]]:
    return [(a, a.confidence or 0.0, not a.false) for a in given if a.who in NAMED]


def _cause_given(given: Iterable[Answer]) -> list[tuple[Answer, float, bool]]:
    return [
        (a, a.good_confidence, a.why == "first") for a in given if a.why is not None and a.good_confidence is not None
    ]


def _who_bands(given: Iterable[Answer]) -> list[Band]:
    return scoring.bands([(said, right) for _, said, right in _who_given(given)], EDGES)


def record(score: Score, cases: Sequence[Case]) -> str:
    """The text of analyzer/diagnosis/record.json: how often answers of each band were right, of how many families of cases."""
    family = scoring.families(case.folder.name for case in cases)
    left = [a for a in _asked(score, True) if a.who in NAMED]
    bands = []
    for lowest in (edge for edge in EDGES if edge >= NAME_FROM):
        inside = [a for a in left if (a.confidence or 0.0) >= lowest]
        left = [a for a in left if (a.confidence or 0.0) < lowest]
        if inside:
            right = sum(not a.false for a in inside)
            among = len({family[a.case] for a in inside})
            bands.append({"from": lowest, "right": right, "of": len(inside), "families": among})
    return json.dumps({"bands": bands}, indent=1) + "\n"


def _cause_bands(given: Iterable[Answer]) -> list[Band]:
    return scoring.bands([(said, right) for _, said, right in _cause_given(given)], EDGES)


def _band(band: Band | None) -> list[str]:
    return ["–"] * 3 if band is None else [f"{band.said:.2f}", f"{band.right / band.of:.2f}", str(band.of)]


def _loud(asked: Sequence[Answer]) -> str:
    """How many are wrong and certain, and how many wrong and nearly so."""
    nearly = sum(a.false and (a.confidence or 0.0) >= scoring.CONFIDENT for a in asked)
    return f"{sum(map(certain_and_wrong, asked))} ({nearly})"


def _rate(rate: Rate | None, goal: float | None) -> str:
    if rate is None:
        return "–"
    mark = "" if goal is None else f" {_mark(rate.share >= goal)}"
    return f"**{100 * rate.share:.1f} %** ({100 * rate.low:.0f}–{100 * rate.high:.0f}) of {rate.of}{mark}"


def _mark(reached: bool) -> str:
    return "✓" if reached else "✗"


def _logs(logs: bool) -> str:
    return "with logs" if logs else "without logs"


def _connections(found: Iterable[Answer]) -> str:
    names = sorted({a.connection for a in found})
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _views(found: Iterable[Answer]) -> str:
    """The views, and whether it was with or without logs where it was not both."""
    seen: dict[str, set[bool]] = {}
    for a in found:
        seen.setdefault(a.view, set()).add(a.logs)
    return ", ".join(
        view if len(logs) == 2 else f"{view} ({_logs(next(iter(logs)))})" for view, logs in sorted(seen.items())
    )


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(set(names)))


def _some(names: Sequence[str]) -> str:
    return _codes(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def questions(case: Case) -> Iterator[tuple[Connection, View]]:
    """Each connection that was reset, at each view where a reset of it passed. Both ends together see a translated connection once."""
    for label in case.connections:
        for view in judging.views(case):
            first = rivals.first_reset(case, label, view) if label.ending == "reset" else None
            names = rivals.other_names(case, label) if view == "both" else []
            others = [reset["time"] for name in names if (reset := rivals.first_reset(case, name, view))]
            if first and all(first["time"] <= time for time in others):
                yield label, view
