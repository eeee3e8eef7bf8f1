"""Facts x causes -> EVIDENCE and FINDINGS: the only place where weights are summed.

Lives here: evaluating signs by column, summing them into hypotheses (cause, origin), normalising, and saying how sure that is.
Never here: a cause's knowledge (causes/), facts (endings), or grouping findings (incidents).

A hypothesis is a (cause, origin) pair. *Why* is the cause of the pairs, *who* the sum over pairs of one origin, so the two cannot
contradict each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer import schema
from analyzer.causes import all_causes
from analyzer.causes.cause import Cause, Origin, Sign, Test
from analyzer.causes.origins import ORIGIN_SIGNS
from analyzer.diagnosis.evidence import evidence
from analyzer.diagnosis.hypothesis import Hypothesis
from analyzer.diagnosis.record import record as record
from analyzer.errors import Notice
from analyzer.language import N_, joined, say

# All weights of evidence are divided by this, priors are not. The one number that the corpus sets: the largest (most modest) with
# which a confidence in a cause is within 0.08 of how often such answers are right (captures/SCORE.md, "Calibration").
TEMPERATURE = 0.6
# No answer that rests on inference alone is surer than this; proof (both ends, outgoing at its own host) may be.
CAP_INFERENCE = 0.95
CAP_PROOF = 0.99
# Where nobody is named, why is no surer than this: most causes are one side's, and the evidence has not told the sides apart.
CAP_UNDECIDED = 0.75
# Below this nobody is named. The tool's users start arguments between teams with what it says.
NAME_FROM = 0.75
# Nobody is named on less than this much evidence for the winner, however little the others have.
EVIDENCE_TO_NAME = 10
# Without proof, nobody is named unless something tells a host from a device that speaks in its name: at least this much.
MARK_TO_NAME = 5
# A hypothesis whose needed sign failed is out, whatever else holds.
OUT = -1000
# Alternatives less likely than this are not listed.
LIST_FROM = 0.005

_BOOLEAN = pd.BooleanDtype()


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
    findings, best = _findings(endings, pairs, probability, support, _marks(pairs, counted))
    table = evidence(endings, pairs, probability, best, held, counted, matches)
    return table, findings, notices


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
    kind = endings["kind"].to_numpy(dtype=object)
    known: dict[Test, npt.NDArray[np.int8]] = {}  # the signs of an origin are those of many pairs
    for pair in hypotheses():
        try:
            for sign in pair.signs:
                if sign.test not in known:
                    known[sign.test] = _outcome(sign, endings)
            outcomes = np.stack([known[sign.test] for sign in pair.signs], axis=1)
        except Exception as error:  # a crashing cause costs its finding, never the report
            sentence = say(
                "It could not be judged and is left out ({error}).", error=f"{type(error).__name__}: {error}"
            )
            notices.append(Notice("error", f"cause {pair.cause.id}", "", sentence))
            continue
        weights = _weights(pair.signs, outcomes)
        score = pair.cause.prior[pair.origin] + weights.sum(axis=1) / TEMPERATURE
        needed = np.array([sign.needed for sign in pair.signs])
        score[((outcomes == 0) & needed).any(axis=1)] = OUT
        score[~np.isin(kind, pair.cause.kinds) | ((kind == "reset") != (pair.origin != "none"))] = OUT
        pairs.append(pair)
        held.append(outcomes)
        counted.append(weights)
        scores.append(score)
    return pairs, np.stack(scores, axis=1), held, counted, notices


def _outcome(sign: Sign, endings: pd.DataFrame) -> npt.NDArray[np.int8]:
    """Return 1 where a sign holds, 0 where it does not, -1 where that cannot be known."""
    return np.asarray(sign.test(endings).astype(_BOOLEAN).to_numpy(dtype=np.int8, na_value=-1), np.int8)


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
    odds = 10.0 ** ((scores - scores.max(axis=1, keepdims=True)) / 10.0)
    odds[scores <= OUT / 2] = 0.0
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _who(origin: Origin, apparent_sender: str) -> str:
    other = {"client": "server", "server": "client"}.get(apparent_sender, "")
    return {"sender": apparent_sender, "peer": other, "path": "middlebox", "none": "undetermined"}[origin]


def _proof(ending: Any, who: str, device: int) -> str | None:
    """Return what makes the answer proof: the house rule's list. `device` is the strongest mark of a device, in decibans: a kernel that
    sent a reset of its own right then is no proof where the frame looks like another's.
    """
    if who == "middlebox":
        if ending.absent_at_sender is True and ending.at_peer is True and ending.lossless is not False:
            return say("captured at both ends")
        if ending.direction == "out" and ending.incoming_copy is False and ending.sender_is_local is False:
            return say("captured on its way out of its host")
    elif who != ending.apparent_sender:
        return say("captured on the loopback interface of its host") if ending.loopback is True else None
    else:
        if ending.at_sender is True and ending.at_peer is True:
            return say("captured at both ends")
        if (
            ending.captured_at == "sender"
            and ending.direction == "out"
            and ending.incoming_copy is False
            and ending.sender_is_local is True
        ):
            return say("captured on its way out of its host")
        if ending.kernel_sent is True and device < MARK_TO_NAME:
            return say("kernel trace")
    return None


def _marks(pairs: list[Hypothesis], counted: list[npt.NDArray[np.int64]]) -> dict[Origin, npt.NDArray[np.int64]]:
    """Return per origin and ending the strongest evidence for that origin whatever the mechanism (causes/origins.py).

    A mechanism alone tells no host from a device: both answer a connection that they do not know, and with the same packet.
    """
    marks: dict[Origin, npt.NDArray[np.int64]] = {}
    for pair, weights in zip(pairs, counted, strict=True):
        shared = [sign in ORIGIN_SIGNS[pair.origin] for sign in pair.signs]
        strongest = np.where(weights > 0, weights, 0)[:, shared].max(axis=1, initial=0)
        marks[pair.origin] = np.maximum(marks.get(pair.origin, 0), strongest)
    return marks


def _findings(
    endings: pd.DataFrame,
    pairs: list[Hypothesis],
    probability: npt.NDArray[np.float64],
    support: npt.NDArray[np.int64],
    marks: Mapping[Origin, npt.NDArray[np.int64]],
) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """Return FINDINGS, and the number of each ending's chosen pair; `support` is the evidence that counted for each pair, in decibans,
    `marks` the strongest that tells each origin from the others.
    """
    origins = np.array([pair.origin for pair in pairs])
    causes = np.array([pair.cause.id for pair in pairs])
    of_origin = {origin: probability[:, origins == origin].sum(axis=1) for origin in ("none", "path", "peer", "sender")}
    of_cause = {name: probability[:, causes == name].sum(axis=1) for name in dict.fromkeys(causes)}
    backing = {origin: support[:, origins == origin].max(axis=1, initial=0) for origin in of_origin}
    likeliest = np.argsort(-probability, axis=1, kind="stable").tolist()
    worth_listing = (probability >= LIST_FROM).sum(axis=1).tolist()
    rows, chosen = [], np.zeros(len(endings), dtype=np.int64)
    judged = schema.rows(endings[list(_READ)])
    for position, ending in enumerate(judged):
        who, origin = _most_likely(of_origin, position, ending.apparent_sender or "")
        proof = _proof(ending, who, int(marks["path"][position])) if ending.kind == "reset" else None
        cap = CAP_PROOF if proof else CAP_INFERENCE
        sure = cap if proof else min(float(of_origin[origin][position]), cap)
        backed = backing[origin][position] >= EVIDENCE_TO_NAME
        named = who != "undetermined" and sure >= NAME_FROM and backed and ending.kind == "reset"
        named = named and (proof is not None or marks[origin][position] >= MARK_TO_NAME)
        order = likeliest[position]
        first = next(n for n in order if not named or pairs[n].origin == origin)
        chosen[position] = first
        best = pairs[first]
        listed = [n for n in order[: worth_listing[position]] if n != first]
        rows.append(
            {
                "ending": ending.ending,
                "reset_by": who if named else "undetermined",
                "confidence": round(sure, 2) if named else None,
                "cause": best.cause.id,
                "cause_confidence": None
                if best.cause.id == "unexplained"
                else round(
                    min(
                        float(of_cause[best.cause.id][position]),
                        CAP_INFERENCE if named or ending.kind != "reset" else CAP_UNDECIDED,
                    ),
                    2,
                ),
                "emitter": _emitter(ending, best) if named else "unknown",
                "proof": proof if named else None,
                "harmless": _harmless(ending, best.cause, who if named else "undetermined"),
                "alternatives": [
                    {
                        "cause": pairs[n].cause.id,
                        "reset_by": _who(pairs[n].origin, ending.apparent_sender or ""),
                        "confidence": round(float(probability[position, n]), 2),
                    }
                    for n in listed
                ],
                "sentence": None,
                "next_capture": None if proof else _next_capture(ending),
                "next_log": None,
            }
        )
    for row, ending in zip(rows, judged, strict=True):
        row["sentence"] = finding_sentence(ending, SimpleNamespace(**row))
    return schema.FINDINGS.of(rows), chosen


# What of ENDINGS the findings read, beside the signs.
_READ = (
    "ending", "kind", "apparent_sender", "sender", "peer", "client", "server", "client_ip", "server_ip", "server_port", "roles_known",
    "absent_at_sender", "at_sender", "at_peer", "lossless", "direction", "incoming_copy", "sender_is_local", "captured_at", "both_fins_acked",
    "request_unanswered", "transaction_open", "unacked_sender", "unacked_peer", "peer_was_sending", "ineffective", "timer_low", "timer_high",
    "path_failures", "other_leg", "loopback", "live_socket", "answers_trigger", "sender_fin", "client_log_events", "server_log_events",
    "kernel_sent", "client_unseen", "keepalives_unanswered", "stage", "icmp_error", "icmp_from", "icmp_from_end",
)  # fmt: skip


def _most_likely(
    shares: Mapping[str, npt.NDArray[np.float64]], position: int, apparent_sender: str
) -> tuple[str, Origin]:
    """Return the likeliest sender by name, and the origin that stands for it."""
    by_name: dict[str, tuple[float, Origin]] = {}
    for origin in ("none", "path", "peer", "sender"):
        by_name[_who(origin, apparent_sender)] = (float(shares[origin][position]), origin)
    name = max(by_name, key=lambda n: (by_name[n][0], n))
    return name, by_name[name][1]


def _emitter(ending: Any, best: Hypothesis) -> str:
    """Tell what made the reset: for a host's own, its shape outweighs the cause's usual emitter, but for a filter's answer."""
    usual = best.cause.emitter.get(best.origin, "unknown")
    if best.origin != "sender" or usual == "host_filter":
        return usual
    if ending.live_socket:
        return "socket"
    return "kernel" if ending.answers_trigger else usual


def _all_seen(ending: Any, reset_by: str) -> bool:
    """Tell whether nothing speaks for it that the client had sent what this capture point could not see: a device may have kept it.

    On the client's host all is seen. A reset of the client's own stack says by its number what was sent before. A device that resets in the client's
    name, or a path on which keepalives die, may have swallowed a request before it came here.
    """
    if ending.client_unseen is not None:
        return bool(ending.client_unseen == 0)
    if ending.captured_at == ("sender" if ending.apparent_sender == "client" else "peer"):
        return True
    if ending.apparent_sender == "client":
        return reset_by == "client"
    return not ending.keepalives_unanswered


def _harmless(ending: Any, cause: Cause, reset_by: str) -> bool | None:
    """Tell whether nothing was lost: all payload acknowledged both ways and nothing outstanding, a probe, or a late or ineffective reset."""
    if ending.kind == "fin_midway" and cause.id != "orderly_close":
        told = "unexpected_end" in f"{ending.client_log_events} {ending.server_log_events}"
        return False if ending.request_unanswered or ending.transaction_open or told else None
    if cause.harmless or ending.both_fins_acked or ending.ineffective:
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
    answered = ending.request_unanswered is False and not ending.transaction_open
    return True if delivered and answered and _all_seen(ending, reset_by) else None


def band(confidence: float | None) -> str:
    """Return the word for how sure it is who sent the reset; 'undetermined' where nobody is named."""
    if confidence is None:
        return say("undetermined")
    return say(next(word for lowest, word in schema.BANDS if confidence >= lowest))


# An end in a sentence, and the sentence that such an end reset the connection, by its role ('' where roles are not known).
_ENDS = {"client": N_("the client {address}"), "server": N_("the server {address}"), "": "{address}"}
_RESET = {
    "client": N_("The client {sender} reset the connection to {peer} ({sure}): {title}."),
    "server": N_("The server {sender} reset the connection to {peer} ({sure}): {title}."),
    "": N_("{sender} reset the connection to {peer} ({sure}): {title}."),
}
_CLOSED = {
    "client": N_("The client {sender} closed the connection to {peer} with a FIN: {title}."),
    "server": N_("The server {sender} closed the connection to {peer} with a FIN: {title}."),
    "": N_("{sender} closed the connection to {peer} with a FIN: {title}."),
}


# What an ICMP error answered, by whether it was an attempt to connect, and whether the error comes from the address that it was for.
_ICMP = {
    (True, False): N_(
        "A device on the path, {router}, ended the attempt of {client} to connect to {server} with an ICMP error ({error}): {title}."
    ),
    (True, True): N_(
        "An ICMP error ({error}) with the address of the server ended the attempt of {client} to connect to {server}: {title}."
    ),
    (False, False): N_(
        "The connection {client} – {server} ended without a FIN or a reset. {sender} had sent again in vain, and a device on the path, {router}, "
        "had answered with an ICMP error ({error}): {title}."
    ),
    (False, True): N_(
        "The connection {client} – {server} ended without a FIN or a reset. {sender} had sent again in vain, and an ICMP error ({error}) with the "
        "address of {peer} had answered: {title}."
    ),
}


def finding_sentence(ending: Any, finding: Any) -> str:
    """Return who, why and how sure, in one sentence; without known roles it names addresses."""
    told = {"title": say(all_causes()[finding.cause].title), "sure": band(finding.confidence), "peer": ending.peer}
    ends = {"client": ending.client, "server": ending.server}
    if ending.kind == "silence" and ending.icmp_error:
        answered = _ICMP[ending.stage == "syn", bool(ending.icmp_from_end)]
        return say(answered, sender=ending.sender, router=ending.icmp_from, error=ending.icmp_error, **told, **ends)
    if ending.kind == "silence":
        return say(
            "The connection {client} – {server} ended without a FIN or a reset, after {sender} had sent again in vain: {title}.",
            sender=ending.sender, **told, **ends,
        )  # fmt: skip
    role = ending.apparent_sender if ending.roles_known else ""
    sender = say(_ENDS[role], address=ending.sender)
    if ending.kind != "reset":
        if ending.sender_fin:
            return say(_CLOSED[role], sender=ending.sender, **told)
        return say(
            "The capture shows no end of the connection {client} – {server}, neither a FIN nor a reset: {title}.",
            **told,
            **ends,
        )
    if finding.reset_by == "undetermined":
        return say(
            "A reset with the address of {sender} ended the connection to {peer}; the evidence does not decide who sent it. On the wire: {title}.",
            sender=sender, **told,
        )  # fmt: skip
    if finding.reset_by == "middlebox":
        return say(
            "A device between {client} and {server} sent the reset that carries the address of {sender} ({sure}): {title}.",
            sender=sender, **told, **ends,
        )  # fmt: skip
    if finding.reset_by != ending.apparent_sender:
        return say(
            "The host of {peer} itself sent the reset that carries the address of {sender} ({sure}): {title}.",
            sender=sender, **told,
        )  # fmt: skip
    reset = say(_RESET[role], sender=ending.sender, **told)
    if finding.cause == "relayed_reset" and ending.other_leg:
        return joined([reset, say("The leg that broke first is the one with {other_leg}.", other_leg=ending.other_leg)])
    return reset


def _next_capture(ending: Any) -> str | None:
    """Return the one capture that would decide who sent the reset, as a command, and what each outcome means; None at that host itself."""
    if ending.kind != "reset" or ending.captured_at == "sender":
        return None
    host = ending.client_ip if ending.apparent_sender == "client" else ending.server_ip
    return say(
        "Capture on {host} itself, and here at the same time. If the reset leaves {host}, that host sent it; if it arrives here "
        "and never left there, a device between did. On {host}: {command}",
        host=host,
        command=f"`tcpdump -i any -s 128 -G 600 -w 'at-{ending.apparent_sender}-%Y%m%d-%H%M%S.pcap' "
        f"'tcp port {ending.server_port} or arp or icmp or icmp6'`",
    )
