"""The score: how an answer counts, the figures, and whether captures/SCORE.md is what the analyzer does today.

A sample of the cases is asked again, another one whenever the analyzer changes, and every question whose answer is wrong or missing.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from analyzer.diagnosis.record import FILE as RECORD
from captures.lab import case_file, judging, rivals, score, scorecard, scoring
from captures.lab.case_file import Case, Claim, Connection, Log, Origin, Sight, TiedLine, View
from captures.lab.judging import Judgement
from captures.lab.scoring import Answer, Rest

CASES = {case.folder.name: case for case in case_file.cases(score.CORPUS)}
README = score.README.read_text(encoding="utf-8")
SAMPLE = 8  # cases that are asked again whatever the page says of them
ROUNDED = 0.011  # a confidence has two digits, and the last one may differ between machines
CLIENT, SERVER = "10.1.0.2:40000", "10.2.0.2:5432"


@cache
def written() -> scorecard.Score:
    return score.load(score.DATA.read_text(encoding="utf-8"))


# --- Fresh ------------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_answers_say() -> None:
    fresh = scorecard.page(written(), list(CASES.values()), README)
    assert score.PAGE.read_text(encoding="utf-8") == fresh, "run: make score"


def test_reports_cite_the_record_that_the_answers_make() -> None:
    assert RECORD.read_text(encoding="utf-8") == scorecard.record(written(), list(CASES.values())), "run: make score"


def test_the_answers_read_back_as_they_were_written() -> None:
    assert score.dump(written()) == score.DATA.read_text(encoding="utf-8")


def test_answers_that_are_the_same_share_a_line() -> None:
    same = [replace(ASKED, connection=f"10.1.0.2:{port}", logs=logs) for port in (1, 2) for logs in (False, True)]
    other = replace(ASKED, connection="10.1.0.2:3", by="server", confidence=0.8)
    whole = scorecard.Score((*same, other), (Rest("c", "client", False, 1, ("x: reset",)),), (), None)
    text = score.dump(whole)
    assert text.count('"case"') == 3
    assert score.load(text) == whole


def test_every_question_was_asked() -> None:
    reset = {(a.case, a.connection, a.view, a.logs) for a in written().answers if a.ending == "reset"}
    due = {
        (name, label.client, view, logs)
        for name, case in CASES.items()
        for label, view in scorecard.questions(case)
        for logs in scorecard.LOGS
    }
    assert reset == due, "run: make score"
    places = {(r.case, r.view, r.logs) for r in written().rest}
    assert places == {
        (name, view, logs) for name, case in CASES.items() for view in judging.views(case) for logs in scorecard.LOGS
    }


def test_the_truth_is_the_labels() -> None:
    for a in written().answers:
        label = next(c for c in CASES[a.case].connections if c.client == a.connection)
        truth = label.at.get(a.view, label)
        now = (
            label.ending,
            truth.reset_by,
            truth.cause,
            tuple(truth.may_be),
            scoring.decidable(CASES[a.case], label, a.view),
        )
        assert (a.ending, a.truth_by, a.truth_cause, a.may_be, a.decidable) == now, "run: make score"


def to_ask_again() -> dict[str, set[tuple[View, bool]]]:
    """Case -> views, with logs or without: a sample that turns with the analyzer's sources, and where an answer is wrong or missing."""
    turning = sorted(CASES, key=lambda name: hashlib.sha256(f"{name} {judging.machinery()}".encode()).digest())
    again: dict[str, set[tuple[View, bool]]] = defaultdict(set)
    for name in turning[:SAMPLE]:
        again[name] |= {(view, logs) for view in judging.views(CASES[name]) for logs in scorecard.LOGS}
    for miss in scorecard.all_misses(written()):
        if miss.case in CASES and miss.outcome != "guessed right":
            again[miss.case] |= {(a.view, a.logs) for a in miss.answers}
    return again


def test_the_analyzer_still_answers_so(tshark: str) -> None:
    changed = [
        f"{name} at {view}, {'with' if logs else 'without'} logs"
        for name, asked in sorted(to_ask_again().items())
        for view, logs in sorted(asked)
        if not same_answers(CASES[name], view, logs)
    ]
    assert not changed, "run: make score"


def same_answers(case: Case, view: View, logs: bool) -> bool:
    place = (case.folder.name, view, logs)
    said = sorted((a for a in written().answers if (a.case, a.view, a.logs) == place), key=lambda a: a.connection)
    now, rest = score.ask(case, view, logs)
    now.sort(key=lambda a: a.connection)
    confidences = [[(a.confidence or 0.0, a.cause_confidence or 0.0) for a in row] for row in (now, said)]
    return (
        [unsure(a) for a in now] == [unsure(a) for a in said]
        and rest in written().rest
        and all(x == pytest.approx(y, abs=ROUNDED) for x, y in zip(*confidences, strict=True))
    )


def unsure(a: Answer) -> Answer:
    return replace(a, confidence=None, cause_confidence=None)


# --- Causes and reasons -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", scorecard.coverage(list(CASES.values()), README), ids=lambda item: item.cause)
def test_each_cause_is_tested_both_ways_or_the_read_me_says_why_not(item: scorecard.Coverage) -> None:
    assert not item.gap or item.excused


def test_each_reason_is_of_a_miss() -> None:
    found = scorecard.all_misses(written())
    for reason in scorecard.load_reasons():
        assert reason.keys() <= {"case", "about", "view", "reason"}
        assert any(scorecard.fits(reason, m.about, m.case, m.answers) for m in found), f"no such miss: {reason}"


def test_nothing_certain_is_wrong() -> None:
    wrong = [a for a in written().answers if scorecard.certain_and_wrong(a)]
    assert not wrong


# --- How an answer counts ---------------------------------------------------------------------------------------------

ASKED = Answer(
    "c", CLIENT, "client", False, "reset", True, "middlebox", "idle_timeout", ("firewall_reject",), found=True
)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"by": "middlebox"}, "right"),
        ({"by": "server"}, "wrong"),
        ({"by": "undetermined"}, "abstained"),
        ({"found": False}, "not found"),
        ({"by": "middlebox", "decidable": False}, "guessed right"),
        ({"by": "server", "decidable": False}, "guessed wrong"),
        ({"by": "undetermined", "decidable": False}, "abstained"),
        ({"ending": "closed"}, None),
    ],
)
def test_who(changes: dict[str, Any], outcome: str | None) -> None:
    assert replace(ASKED, **changes).who == outcome


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"cause": "idle_timeout"}, "first"),
        ({"cause": "firewall_reject"}, "first"),
        ({"cause": "injected_reset", "second": "idle_timeout"}, "second"),
        ({"cause": "injected_reset", "second": "abortive_close"}, "wrong"),
        ({"found": False}, "not found"),
        ({"truth_cause": None}, None),
    ],
)
def test_why(changes: dict[str, Any], outcome: str | None) -> None:
    assert replace(ASKED, **changes).why == outcome


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"ending": "closed"}, "quiet"),
        ({"ending": "closed", "reported": True}, "reported"),
        ({"ending": "closed", "reported": True, "claimed": True}, "reset claimed"),
        ({"ending": "silence", "reported": True}, "quiet"),
        ({"ending": "silence", "reported": True, "claimed": True}, "reset claimed"),
        ({}, None),
    ],
)
def test_control(changes: dict[str, Any], outcome: str | None) -> None:
    assert replace(ASKED, **changes).control == outcome


def test_certain_and_wrong_is_wrong_at_or_above_the_mark() -> None:
    assert scorecard.certain_and_wrong(replace(ASKED, by="server", confidence=scoring.CERTAIN))
    assert scorecard.certain_and_wrong(replace(ASKED, by="server", confidence=scoring.CERTAIN, decidable=False))
    assert not scorecard.certain_and_wrong(replace(ASKED, by="server", confidence=0.89))
    assert not scorecard.certain_and_wrong(replace(ASKED, by="middlebox", confidence=0.99))


LABEL = Connection(
    CLIENT, SERVER, reset_by="middlebox", cause="idle_timeout", decidable_at=("client",), emitter="device",
    at={"server": Sight("client", "connection_state_lost", ("data_after_close",), "kernel")},
)  # fmt: skip
CASE = Case(
    "t", Origin("s", "2026-01-01T00:00:00Z", "n", "k", ()), {"client": "client.pcap"}, (LABEL,), folder=Path("c")
)
ENDING = {
    "kind": "reset", "client": CLIENT, "server": SERVER, "names": [[CLIENT, SERVER]], "harmless": None, "reset_by": "middlebox",
    "confidence": 0.9, "cause": "idle_timeout", "cause_confidence": 0.8, "emitter": "device",
    "alternatives": [{"cause": "idle_timeout", "reset_by": "server"}, {"cause": "injected_reset", "reset_by": "middlebox"}],
}  # fmt: skip


def ask(view: Any = "client", label: Connection = LABEL, **ending: Any) -> Answer | None:
    e = {**ENDING, **ending}
    return scoring.answer(
        CASE, label, view, True, Judgement([e] if ending.get("kind") != "" else [], [[CLIENT, SERVER]])
    )


def test_an_answer_stands_beside_the_truth_of_its_view() -> None:
    here, there = ask(), ask("server")
    assert here and (here.who, here.why, here.second, here.decidable) == ("right", "first", "injected_reset", True)
    assert there and (there.truth_by, there.truth_cause, there.truth_emitter) == (
        "client",
        "connection_state_lost",
        "kernel",
    )
    assert (there.who, there.why) == ("guessed wrong", "wrong")


def test_what_did_not_pass_is_not_asked() -> None:
    assert scoring.answer(CASE, LABEL, "client", True, Judgement([], [])) is None


def test_roles_taken_the_other_way_round_are_read_in_the_labels_terms() -> None:
    label = replace(LABEL, reset_by="client")
    turned = ask(label=label, reset_by="server", client=SERVER, server=CLIENT, names=[[SERVER, CLIENT]])
    assert turned and (turned.by, turned.who) == ("client", "right")


def test_an_ending_is_found_under_any_of_its_names() -> None:
    translated = ask(client="10.2.0.1:1234", names=[["10.2.0.1:1234", SERVER], [CLIENT, SERVER]])
    assert translated and translated.who == "right"


def test_a_reset_label_is_not_answered_by_a_silence() -> None:
    silent = ask(kind="silence", reset_by="undetermined")
    assert silent and silent.who == "not found"


def test_a_silence_is_heard_at_the_end_that_complains() -> None:
    label = Connection(
        CLIENT, SERVER, ending="silence", cause="retransmission_timeout", log_lines=(TiedLine("a.log", "timed out"),)
    )
    case = replace(CASE, logs=(Log("a.log", "python", "UTC", "client"), Log("b.log", "nginx", "UTC", "server")))
    heard: list[View] = ["client", "both"]
    every: list[View] = ["client", "router", "server", "both"]
    assert [view for view in every if scoring.decidable(case, label, view)] == heard
    assert all(scoring.decidable(case, replace(label, log_lines=()), view) for view in every)


def test_what_the_label_does_not_mention_ended_well() -> None:
    stranger = ["10.1.0.2:41000", SERVER]
    judgement = Judgement(
        [{**ENDING, "client": stranger[0], "names": [stranger]}], [[CLIENT, SERVER], stranger, stranger]
    )
    assert scoring.rest(CASE, "client", True, judgement) == Rest(
        "c", "client", True, 1, ("10.1.0.2:41000: reset, middlebox, idle_timeout",)
    )
    quiet = Judgement([{**judgement.endings[0], "harmless": True}], judgement.connections)
    assert scoring.rest(CASE, "client", True, quiet).alarms == ()


# --- Figures ----------------------------------------------------------------------------------------------------------


def test_a_twin_belongs_to_the_case_whose_name_it_continues() -> None:
    assert scoring.families(["stale_pool", "stale_pool_any", "stale_pool_any_late", "stale_pools", "no_stale_pool"]) == {
        "stale_pool": "stale_pool", "stale_pool_any": "stale_pool", "stale_pool_any_late": "stale_pool",
        "stale_pools": "stale_pools", "no_stale_pool": "no_stale_pool",
    }  # fmt: skip


def rate(outcomes: dict[str, list[bool]]) -> scoring.Rate:
    answers = [
        replace(ASKED, case=name, by="middlebox" if hit else "server") for name, row in outcomes.items() for hit in row
    ]
    found = scoring.rate(answers, lambda a: True, lambda a: a.who == "right", {name: name for name in outcomes})
    assert found
    return found


def test_an_interval_resamples_families() -> None:
    wide = rate({"a": [True] * 50, "b": [False] * 50, "c": [True] * 50, "d": [True] * 50})
    narrow = rate({f"c{n}": [n % 4 > 0] for n in range(200)})
    assert wide.share == narrow.share == 0.75
    assert wide.high - wide.low > 4 * (narrow.high - narrow.low)
    assert wide == rate({"d": [True] * 50, "c": [True] * 50, "b": [False] * 50, "a": [True] * 50})


def test_a_family_has_one_vote() -> None:
    assert rate({"a": [True] * 99, "b": [False]}).by_family == 0.5


def test_no_miss_is_no_certainty() -> None:
    perfect = rate({f"c{n}": [True] for n in range(30)})
    assert (perfect.low, perfect.high) == (0.9, 1.0)
    assert scoring.rate([], lambda a: True, lambda a: True, {}) is None


def test_calibration() -> None:
    table = scoring.bands([(0.9, True), (0.95, False), (0.6, True), (0.3, False)], (0.9, 0.5, 0.0))
    assert [(b.lowest, b.right, b.of) for b in table] == [(0.9, 1, 2), (0.5, 1, 1), (0.0, 0, 1)]
    assert table[0].said == pytest.approx(0.925)
    assert scoring.calibration_error(table) == pytest.approx((abs(1 - 1.85) + abs(1 - 0.6) + abs(0 - 0.3)) / 4)
    assert scoring.calibration_error([]) == 0.0


def test_coverage_counts_labels_lookalikes_and_claims() -> None:
    label = replace(LABEL, may_be=("keepalive_timeout",), must_not=(Claim(cause="tls_failure"),))
    case = replace(CASE, connections=(label,))
    readme = "`port_reuse`\n## What cannot be built here\n`host_restart` needs\n## More\n`late_reset`"
    found = {item.cause: item for item in scorecard.coverage([case], readme)}
    assert found["idle_timeout"].must_find == found["connection_state_lost"].must_find == ("c",)
    assert (
        found["server_timeout"].lookalikes == found["tls_failure"].lookalikes == ("c",)
    )  # idle_timeout's page names the first
    assert not found["keepalive_timeout"].lookalikes  # as good an answer
    assert [item.cause for item in found.values() if item.excused] == ["host_restart"]


# --- What one would pick instead --------------------------------------------------------------------------------------


def flow(*rules: tuple[str, str, int], emitter: str = "10.2.0.2") -> dict[str, Any]:
    return {
        "signals": {"client": "10.1.0.2", "server": "10.2.0.2", "cport": 40000, "sport": 5432, "rst_emitter": emitter},
        "matches": [{"rule": rule, "confidence": confidence, "priority": priority} for rule, confidence, priority in rules],
    }  # fmt: skip


def test_netverdict_is_read_as_it_speaks() -> None:
    refused = rivals.reading(flow(("rst-to-syn", "haute", 88)))
    assert refused == rivals.Verdict("server", "server", True, "connection_refused")
    ambiguous = rivals.reading(flow(("latency-tail-unexplained", "faible", 25), ("rst-midstream", "moyenne", 65)))
    assert ambiguous == rivals.Verdict("server", None, False, None)
    assert rivals.reading(flow(("reject-icmp", "haute", 92), emitter="")).decided == "middlebox"
    assert rivals.reading(flow(emitter="10.1.0.2")) == rivals.Verdict("client")


def test_the_header_names_whose_address_it_carries() -> None:
    case = CASES["stale_pool"]
    label = case.connections[0]
    assert rivals.header(case, label, "client") == rivals.header(case, label, "both") == "server"
    assert rivals.header(case, label, "server") == "client"  # the consequence, seconds later


def test_both_ends_together_see_a_translated_connection_once() -> None:
    asked = [(label.client, view) for label, view in scorecard.questions(CASES["nat_server_first"])]
    assert len({client for client, _ in asked}) == 2
    assert len([client for client, view in asked if view == "both"]) == 1


def test_netverdict_is_a_program_and_never_a_library() -> None:
    for path in [*Path(score.CORPUS / "lab").glob("*.py"), *(score.CORPUS.parent / "analyzer").rglob("*.py")]:
        assert not re.search(r"^\s*(import|from) netverdict", path.read_text(encoding="utf-8"), re.MULTILINE)
