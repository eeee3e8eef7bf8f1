"""Answers held against labels: what is asked, how an answer counts, and the figures with their intervals.

A question is one labelled connection at one view. Nothing here runs the analyzer or writes a page.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from analyzer.diagnosis import CAP_INFERENCE
from captures.lab.case_file import Case, Cause, Connection, Side, View
from captures.lab.judging import Judgement

# From here on an answer is "certain": what nobody forgives when it is wrong. And the lower mark that is counted beside it.
CERTAIN = 0.9
CONFIDENT = 0.8
RESAMPLES = 2000
SEED = 20260101  # any number will do; the same one each time

Who = Literal["right", "abstained", "not found", "wrong", "guessed right", "guessed wrong"]
Why = Literal["first", "second", "wrong", "not found"]
Control = Literal["quiet", "reported", "reset claimed"]


@dataclass(frozen=True)
class Answer:
    """One question and what the analyzer said. The outcomes follow from the rest."""

    case: str
    connection: str  # the client's address and port
    view: View
    logs: bool
    ending: str
    decidable: bool = False
    truth_by: Side | None = None
    truth_cause: Cause | None = None
    may_be: tuple[Cause, ...] = ()
    truth_emitter: str | None = None
    found: bool = False  # an ending of the kind that the label speaks of
    claimed: bool = False  # a reset that does harm
    reported: bool = False  # any ending that does harm
    by: Side | None = (
        None  # in the label's terms: its client is "client", also where the analyzer took the roles the other way round
    )
    confidence: float | None = None
    cause: str | None = None
    cause_confidence: float | None = None
    good_confidence: float | None = None  # of the cause and of those that the label calls as good, together
    second: str | None = None  # the likeliest alternative that is another cause
    emitter: str | None = None

    @property
    def who(self) -> Who | None:
        """How the answer to "who sent it" counts; none where the question was not asked."""
        if self.ending != "reset":
            return None
        if not self.found:
            return "not found"
        if self.by in (None, "undetermined"):
            return "abstained"
        if self.decidable:
            return "right" if self.by == self.truth_by else "wrong"
        return "guessed right" if self.by == self.truth_by else "guessed wrong"

    @property
    def why(self) -> Why | None:
        """How the answer to "which cause" counts: a cause that the label calls as good is right."""
        if self.truth_cause is None:
            return None
        if not self.found:
            return "not found"
        good = (self.truth_cause, *self.may_be)
        return "first" if self.cause in good else "second" if self.second in good else "wrong"

    @property
    def control(self) -> Control | None:
        """What was made of a connection that nobody reset."""
        if self.ending == "reset":
            return None
        return "reset claimed" if self.claimed else "reported" if self.ending == "closed" and self.reported else "quiet"

    @property
    def false(self) -> bool:
        """Somebody is named who did not do it."""
        return self.who in ("wrong", "guessed wrong")


@dataclass(frozen=True)
class Rest:
    """The connections of a case at a view that the label does not mention: they ended well."""

    case: str
    view: View
    logs: bool
    connections: int
    alarms: tuple[str, ...] = ()  # those of which harm is reported, and how


@dataclass(frozen=True)
class Rival:
    """What the header and netverdict answer to the same question."""

    case: str
    connection: str
    view: View
    header: Side | None = None
    names: Side | None = None
    decided: Side | None = None
    sure: bool = False
    cause: Cause | None = None


def families(names: Iterable[str]) -> dict[str, str]:
    """Case -> family. A case whose name goes on where another's ends is its twin: stale_pool_any belongs to stale_pool."""
    known = set(names)
    return {name: min((other for other in known if f"{name}_".startswith(f"{other}_")), key=len) for name in known}


def answer(case: Case, label: Connection, view: View, logs: bool, judgement: Judgement) -> Answer | None:
    """One question asked and answered; none where nothing of this connection passed."""
    if not any(label.client in pair for pair in judgement.connections):
        return None
    truth = label.at.get(view, label)
    wanted = [e for e in judgement.endings if _about(label, e)]
    same_kind = [e for e in wanted if (e["kind"] == "reset") == (label.ending == "reset")]
    harmful = [e for e in wanted if not e["harmless"]]
    e = same_kind[0] if same_kind else {}
    turned = bool(e) and not any(label.client == client for client, _ in e["names"])
    others = [a["cause"] for a in e.get("alternatives") or [] if a["cause"] != e["cause"]]
    good = (truth.cause, *truth.may_be)
    together = sum(
        a["confidence"] for a in e.get("alternatives") or [] if a["cause"] in good and a["cause"] != e["cause"]
    )
    return Answer(
        case=case.folder.name,
        connection=label.client,
        view=view,
        logs=logs,
        ending=label.ending,
        decidable=decidable(case, label, view),
        truth_by=truth.reset_by,
        truth_cause=truth.cause,
        may_be=truth.may_be,
        truth_emitter=truth.emitter,
        found=bool(e),
        claimed=any(e["kind"] == "reset" for e in harmful),
        reported=bool(harmful),
        by=_turn(e.get("reset_by"), turned),
        confidence=e.get("confidence"),
        cause=e.get("cause"),
        cause_confidence=e.get("cause_confidence"),
        good_confidence=_together(e, together if e.get("cause") in good else 0.0),
        second=others[0] if others else None,
        emitter=e.get("emitter"),
    )


def decidable(case: Case, label: Connection, view: View) -> bool:
    """Whether the packets of a view can settle it. A silence is heard at the end that complains of it, where one does, not at the other."""
    if label.ending != "silence":
        return view in label.decidable_at
    complaints = {log.machine for log in case.logs for line in label.log_lines if line.file == log.file}
    return not complaints or view == "both" or view in complaints or view in label.decidable_at


def rest(case: Case, view: View, logs: bool, judgement: Judgement) -> Rest:
    """What is said of the connections that the label does not mention."""
    labelled = {label.client for label in case.connections}
    unlabelled = {(client, server) for client, server in judgement.connections if not labelled & {client, server}}
    alarms = [
        f"{e['client']}: {e['kind']}, {e['reset_by']}, {e['cause']}"
        for e in judgement.endings
        if not e["harmless"] and not any(_about(label, e) for label in case.connections)
    ]
    return Rest(case.folder.name, view, logs, len(unlabelled), tuple(alarms))


def _about(label: Connection, ending: Mapping[str, Any]) -> bool:
    return any(label.client in pair for pair in ending["names"])


def _together(ending: Mapping[str, Any], others: float) -> float | None:
    """The cause's confidence with that of the causes that are as good; no surer than an answer that rests on inference may be."""
    own = ending.get("cause_confidence")
    return None if own is None else round(max(own, min(own + others, CAP_INFERENCE)), 2)


def _turn(side: Side | None, turned: bool) -> Side | None:
    other: dict[Side | None, Side | None] = {"client": "server", "server": "client"}
    return other.get(side, side) if turned else side


# --- Figures ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rate:
    """A share, the interval in which 95 % of the resampled corpora have it, and the share when each family has one vote."""

    hits: int
    of: int
    low: float
    high: float
    by_family: float

    @property
    def share(self) -> float:
        return self.hits / self.of


def rate(
    answers: Iterable[Answer], of: Callable[[Answer], bool], hit: Callable[[Answer], bool], family: Mapping[str, str]
) -> Rate | None:
    """The share of hits among the answers that count; none where none does. Families are resampled, not captures: twins err together."""
    counts: dict[str, list[int]] = {}
    for a in answers:
        if of(a):
            tally = counts.setdefault(family[a.case], [0, 0])
            tally[0] += hit(a)
            tally[1] += 1
    if not counts:
        return None
    table = np.array([counts[name] for name in sorted(counts)], dtype=float)
    hits, asked = table.sum(axis=0)
    drawn = _resample(len(table))
    shares = (drawn @ table[:, 0]) / (drawn @ table[:, 1])
    low, high = np.quantile(shares, [0.025, 0.975])
    if low == high:  # without a miss (or a hit) resampling sees no variation: the rule of three, on families
        slack = min(1.0, 3 / len(table))
        low, high = max(0.0, low - slack * (low == 1)), min(1.0, high + slack * (high == 0))
    return Rate(int(hits), int(asked), float(low), float(high), float((table[:, 0] / table[:, 1]).mean()))


def _resample(families: int) -> npt.NDArray[np.float64]:
    """How often each family is drawn in each resampled corpus."""
    generator = np.random.default_rng(SEED)
    return generator.multinomial(families, [1 / families] * families, size=RESAMPLES).astype(np.float64)


@dataclass(frozen=True)
class Band:
    """Answers of about the same confidence: what they said on average, and how many were right."""

    lowest: float
    said: float
    right: int
    of: int


def bands(given: Iterable[tuple[float, bool]], lowest: Iterable[float]) -> list[Band]:
    """(confidence, right) sorted into bands, each from its lowest confidence to the next band's; empty bands are left out."""
    left = list(given)
    out = []
    for edge in sorted(lowest, reverse=True):
        inside = [(said, right) for said, right in left if said >= edge]
        left = [(said, right) for said, right in left if said < edge]
        if inside:
            out.append(
                Band(edge, math.fsum(s for s, _ in inside) / len(inside), sum(r for _, r in inside), len(inside))
            )
    return out


# Exponents of the odds p / (1 - p) that are tried: below 1 answers become less sure, as at a higher temperature.
STRETCHES = tuple(round(0.4 + 0.1 * step, 1) for step in range(17))


def stretched(said: float, exponent: float, most: float) -> float:
    """A confidence whose odds are raised to a power, no surer than ``most`` unless it already was."""
    odds: float = (said / (1.0 - said)) ** exponent
    return max(min(odds / (1.0 + odds), most), said if said > most else 0.0)


def held_out(
    given: Sequence[tuple[str, float, bool]], lowest: Sequence[float], most: float
) -> tuple[float, tuple[float, float]]:
    """(family, confidence, right): the calibration error when each family's answers are stretched by what suits the others best, and
    the range of those exponents.
    """
    tables = {
        exponent: [(family, stretched(said, exponent, most), right) for family, said, right in given]
        for exponent in STRETCHES
    }
    chosen: list[tuple[float, bool]] = []
    used: list[float] = []
    for family in sorted({family for family, _, _ in given}):
        errors = {
            exponent: calibration_error(
                bands(((said, right) for other, said, right in table if other != family), lowest)
            )
            for exponent, table in tables.items()
        }
        best = min(errors, key=lambda exponent: (errors[exponent], exponent))
        used.append(best)
        chosen += [(said, right) for other, said, right in tables[best] if other == family]
    return calibration_error(bands(chosen, lowest)), (min(used), max(used))


def calibration_error(table: Iterable[Band]) -> float:
    """Expected calibration error: how far the share of right answers is from what was said, on average over the answers."""
    rows = list(table)
    return sum(abs(band.right - band.said * band.of) for band in rows) / sum(band.of for band in rows) if rows else 0.0
