"""Facts x causes -> EVIDENCE and FINDINGS: the only place where weights are summed.

Lives here: evaluating signs by column, summing them into hypotheses (cause, origin), normalising, and saying how sure that is.
Never here: a cause's knowledge (causes/), facts (endings), or grouping findings (incidents).

A hypothesis is a (cause, origin) pair. *Why* is the cause of the pairs, *who* the sum over pairs of one origin, so the two cannot
contradict each other.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer import schema
from analyzer.causes import all_causes
from analyzer.causes.cause import Cause, Origin, Sign
from analyzer.causes.origins import ORIGIN_SIGNS
from analyzer.errors import Notice

# Decibans per factor of ten, stretched: weights were set one by one and are not independent. To be calibrated on the corpus.
TEMPERATURE = 1.5
# No answer that rests on inference alone is surer than this; proof (both ends, outgoing at its own host) may be.
CAP_INFERENCE = 0.95
CAP_PROOF = 0.99
# Below this nobody is named. The tool's users start arguments between teams with what it says.
NAME_FROM = 0.75
# Nobody is named on less than this much evidence for the winner, however little the others have.
EVIDENCE_TO_NAME = 10
# A hypothesis whose needed sign failed is out, whatever else holds.
OUT = -1000
# Alternatives less likely than this are not listed.
LIST_FROM = 0.02

BANDS = ((0.97, "proved"), (0.9, "very likely"), (0.75, "likely"), (0.0, "undetermined"))


@dataclass(frozen=True)
class Hypothesis:
    """One (cause, origin) pair with all its signs, in the order in which the report shows them."""

    cause: Cause
    origin: Origin
    signs: tuple[Sign, ...]


def hypotheses() -> tuple[Hypothesis, ...]:
    """Return every pair of the causes folder."""
    return tuple(
        Hypothesis(cause, origin, cause.signs + ORIGIN_SIGNS[origin])
        for cause in all_causes().values()
        for origin in cause.origins
    )


def diagnose(endings: pd.DataFrame, matches: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[Notice]]:
    """Return (EVIDENCE of winner and runner-up, FINDINGS, notices) for ENDINGS. A crashing cause costs itself, with a notice."""
    if endings.empty:
        return schema.EVIDENCE.empty(), schema.FINDINGS.empty(), []
    endings = endings.reset_index(drop=True)
    pairs, scores, held, counted, notices = _evaluate(endings)
    probability = _normalise(scores)
    support = np.stack([np.where(weights > 0, weights, 0).sum(axis=1) for weights in counted], axis=1)
    findings = _findings(endings, pairs, probability, support)
    evidence = _evidence(endings, pairs, probability, held, counted, matches)
    return evidence, findings, notices


def _evaluate(
    endings: pd.DataFrame,
) -> tuple[
    list[Hypothesis], npt.NDArray[np.float64], list[npt.NDArray[np.int8]], list[npt.NDArray[np.int64]], list[Notice]
]:
    """Return pairs, scores (endings x pairs, decibans), and per pair the signs' outcomes (1, 0, -1 unknown) and counted weights."""
    pairs: list[Hypothesis] = []
    held: list[npt.NDArray[np.int8]] = []
    counted: list[npt.NDArray[np.int64]] = []
    scores: list[npt.NDArray[np.float64]] = []
    notices: list[Notice] = []
    for pair in hypotheses():
        try:
            outcomes = np.stack([_outcome(sign, endings) for sign in pair.signs], axis=1)
        except Exception as error:  # a crashing cause costs its finding, never the report
            sentence = f"It could not be judged and is left out ({type(error).__name__}: {error})."
            notices.append(Notice("error", f"cause {pair.cause.id}", "", sentence))
            continue
        weights = _weights(pair.signs, outcomes)
        score = pair.cause.prior[pair.origin] + weights.sum(axis=1).astype(float)
        needed = np.array([sign.needed for sign in pair.signs])
        score[((outcomes == 0) & needed).any(axis=1)] = OUT
        possible = endings["kind"].isin(pair.cause.kinds) & ((endings["kind"] == "reset") == (pair.origin != "none"))
        score[~possible.to_numpy(dtype=bool)] = OUT
        pairs.append(pair)
        held.append(outcomes)
        counted.append(weights)
        scores.append(score)
    return pairs, np.stack(scores, axis=1), held, counted, notices


def _outcome(sign: Sign, endings: pd.DataFrame) -> npt.NDArray[np.int8]:
    return np.asarray(
        sign.test(endings).astype("boolean").astype("Int8").fillna(-1).to_numpy(dtype=np.int8), dtype=np.int8
    )


def _weights(signs: tuple[Sign, ...], outcomes: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """Return what each sign counts: holds or fails, 0 when unknown, and within a group only the strongest of each sign."""
    holds = np.array([sign.holds for sign in signs], dtype=np.int64)
    fails = np.array([sign.fails for sign in signs], dtype=np.int64)
    weights = np.where(outcomes == 1, holds, np.where(outcomes == 0, fails, 0))
    groups = np.array([sign.group for sign in signs])
    for group in {g for g in groups if g}:
        members = np.flatnonzero(groups == group)
        part = weights[:, members]
        for direction in (1, -1):
            of_direction = np.where(part * direction > 0, part * direction, 0)
            strongest = of_direction.argmax(axis=1)
            keep = np.arange(len(members)) == strongest[:, None]
            part = np.where((part * direction > 0) & ~keep, 0, part)
        weights[:, members] = part
    return weights


def _normalise(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    odds = 10.0 ** ((scores - scores.max(axis=1, keepdims=True)) / (10.0 * TEMPERATURE))
    odds[scores <= OUT / 2] = 0.0
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _who(origin: Origin, apparent_sender: str) -> str:
    return {"sender": apparent_sender, "path": "middlebox", "none": "undetermined"}[origin]


def _proof(ending: Any, who: str) -> str | None:
    """Return what makes the answer proof: the house rule's list, without the kernel's trace."""
    if who == "middlebox":
        if ending.absent_at_sender is True and ending.at_peer is True and ending.lossless is not False:
            return "both ends"
        if ending.direction == "out" and ending.incoming_copy is False and ending.sender_is_local is False:
            return "outgoing at its host"
    elif who == ending.apparent_sender:
        if ending.at_sender is True and ending.at_peer is True:
            return "both ends"
        if (
            ending.captured_at == "sender"
            and ending.direction == "out"
            and ending.incoming_copy is False
            and ending.sender_is_local is True
        ):
            return "outgoing at its host"
    return None


def _findings(
    endings: pd.DataFrame, pairs: list[Hypothesis], probability: npt.NDArray[np.float64], support: npt.NDArray[np.int64]
) -> pd.DataFrame:
    """Return FINDINGS; `support` is the evidence that counted for each pair, in decibans."""
    judged = schema.rows(endings)
    rows = []
    for position, ending in enumerate(judged):
        sender = ending.apparent_sender or ""
        weighed = zip(pairs, probability[position], support[position], strict=True)
        answers = [(pair, _who(pair.origin, sender), float(p), int(s)) for pair, p, s in weighed]
        who: dict[str, float] = {}
        why: dict[str, float] = {}
        for pair, name, p, _ in answers:
            who[name] = who.get(name, 0.0) + p
            why[pair.cause.id] = why.get(pair.cause.id, 0.0) + p
        best_who = max(who, key=lambda name: (who[name], name))
        proof = _proof(ending, best_who) if ending.kind == "reset" else None
        cap = CAP_PROOF if proof else CAP_INFERENCE
        sure = cap if proof else min(who[best_who], cap)
        backed = max(s for _, name, _, s in answers if name == best_who)
        named = (
            best_who != "undetermined" and sure >= NAME_FROM and backed >= EVIDENCE_TO_NAME and ending.kind == "reset"
        )
        best = max((a for a in answers if not named or a[1] == best_who), key=lambda a: a[2])[0]
        ranked = sorted(
            (a for a in answers if a[2] >= LIST_FROM and a[0] is not best), key=lambda a: (-a[2], a[0].cause.id)
        )
        rows.append(
            {
                "ending": ending.ending,
                "reset_by": best_who if named else "undetermined",
                "confidence": round(sure, 2) if named else None,
                "cause": best.cause.id,
                "cause_confidence": None if best.cause.id == "unexplained" else round(min(why[best.cause.id], cap), 2),
                "emitter": best.cause.emitter.get(best.origin, "unknown") if named else "unknown",
                "proof": proof if named else None,
                "harmless": _harmless(ending, best.cause),
                "alternatives": [
                    {"cause": pair.cause.id, "reset_by": name, "confidence": round(p, 2)} for pair, name, p, _ in ranked
                ],
                "sentence": None,
                "next_capture": None if proof else _next_capture(ending),
                "next_log": None,
            }
        )
    table = schema.FINDINGS.conform(pd.DataFrame(rows))
    table["sentence"] = [
        finding_sentence(ending, finding) for ending, finding in zip(judged, schema.rows(table), strict=True)
    ]
    return schema.FINDINGS.conform(table)


def _harmless(ending: Any, cause: Cause) -> bool | None:
    """Tell whether nothing was lost: all payload acknowledged both ways and nothing outstanding, a probe, or a reset after the end."""
    if cause.harmless or ending.both_fins_acked:
        return True
    if ending.kind != "reset" or cause.id in ("connection_refused", "firewall_reject"):
        return False
    if (
        ending.request_unanswered
        or ending.transaction_open
        or ending.unacked_sender
        or ending.unacked_peer
        or ending.peer_was_sending
    ):
        return False
    delivered = ending.unacked_sender == 0 and ending.unacked_peer == 0 and ending.lossless is True
    return True if delivered and ending.request_unanswered is False and not ending.transaction_open else None


def band(confidence: float | None) -> str:
    """Return the word for a confidence: 'proved', 'very likely', 'likely' or 'undetermined'."""
    return next(word for lowest, word in BANDS if (confidence or 0.0) >= lowest)


def finding_sentence(ending: Any, finding: Any) -> str:
    """Return who, why and how sure, in one sentence; without known roles it names addresses."""
    title = all_causes()[finding.cause].title
    if ending.kind == "silence":
        return f"The connection {ending.client} – {ending.server} died in silence after {ending.sender} sent again without an answer: {title}."
    sender = f"the {ending.apparent_sender} {ending.sender}" if ending.roles_known else ending.sender
    if finding.reset_by == "undetermined":
        return (
            f"A reset with the address of {sender} ended the connection to {ending.peer}; "
            f"the evidence does not decide who sent it. On the wire: {title}."
        )
    sure = band(finding.confidence)
    if finding.reset_by == "middlebox":
        return f"A device between {ending.client} and {ending.server} sent the reset that carries the address of {sender} ({sure}): {title}."
    return f"{sender[0].upper()}{sender[1:]} reset the connection to {ending.peer} ({sure}): {title}."


def _next_capture(ending: Any) -> str | None:
    """Return the one capture that would decide who sent the reset, as a command, and what each outcome means; None at that host itself."""
    if ending.kind != "reset" or ending.captured_at == "sender":
        return None
    host = ending.client_ip if ending.apparent_sender == "client" else ending.server_ip
    return (
        f"On {host} itself: tcpdump -i any -s 128 -G 600 -w 'at-{ending.apparent_sender}-%Y%m%d-%H%M%S.pcap' 'tcp port {ending.server_port}', "
        f"and here at the same time. If the reset leaves {host}, that host sent it; if it arrives here and never left there, a device between did."
    )


class _Words(string.Formatter):
    """Fill a sign's sentence with an ending's values: durations with their unit, unknown values as 'unknown'."""

    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        value = kwargs[str(key)]
        unit = schema.ENDINGS.columns[str(key)].unit if str(key) in schema.ENDINGS.columns else ""
        return seconds(value) if unit == "s" and value is not None else value

    def format_field(self, value: Any, format_spec: str) -> str:
        return "unknown" if value is None else format(value, format_spec)


def seconds(value: float) -> str:
    """Return a duration as people write it: 350 s, 2.71 s, 84 ms, 120 µs."""
    if value >= 100:
        return f"{value:.0f} s"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.0f} µs"


_WORDS = _Words()


def _evidence(
    endings: pd.DataFrame,
    pairs: list[Hypothesis],
    probability: npt.NDArray[np.float64],
    held: list[npt.NDArray[np.int8]],
    counted: list[npt.NDArray[np.int64]],
    matches: pd.DataFrame,
) -> pd.DataFrame:
    """Return EVIDENCE: every sign of the two likeliest hypotheses, the strongest first, with the frames and lines that show it."""
    lines: dict[str, list[tuple[str, int]]] = {}
    for ending, source, line in zip(matches["ending"], matches["source"], matches["line"], strict=True):
        lines.setdefault(ending, []).append((source, int(line)))
    rows = []
    for position, values in enumerate(schema.records(endings)):
        order = np.argsort(-probability[position], kind="stable")[:2]
        for rank, number in enumerate(order, start=1):
            if probability[position][number] <= 0:
                continue
            pair = pairs[number]
            for s, sign in enumerate(pair.signs):
                outcome = int(held[number][position, s])
                frames = [(values["capture"], values[name]) for name in sign.cites if values.get(name) is not None]
                rows.append(
                    {
                        "ending": values["ending"],
                        "cause": pair.cause.id,
                        "origin": pair.origin,
                        "rank": rank,
                        "sign": sign.id,
                        "held": None if outcome < 0 else bool(outcome),
                        "weight": int(counted[number][position, s]),
                        "sentence": _WORDS.vformat(sign.says, (), values),
                        "frames": frames,
                        "log_lines": lines.get(values["ending"], []) if sign.cites_logs and outcome == 1 else [],
                    }
                )
    return schema.EVIDENCE.conform(pd.DataFrame(rows))
