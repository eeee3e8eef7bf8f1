"""What the page and the terminal tell first: how many, what it cost, who it could have been."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from analyzer.report import page, story


def ending(
    identity: str, cause: str, harmless: bool | None = False, kind: str = "reset", **facts: Any
) -> dict[str, Any]:
    return {"id": identity, "kind": kind, "cause": cause, "reset_by": "server", "apparent_sender": "server",
            "harmless": harmless, "facts": facts, "evidence": [], "alternatives": []}  # fmt: skip


def told(endings: list[dict[str, Any]], verdict: dict[str, Any] | None = None, **incident: Any) -> story.Story:
    whole = {"id": "i1", "cause": endings[0]["cause"], "reset_by": "server", "harmless": False, "resets": len(endings),
             "endings": [e["id"] for e in endings], "clients": ["10.0.0.1"], "servers": ["10.0.0.2:5432"]} | incident  # fmt: skip
    document = {
        "verdict": {"incident": "i1", "covers": 1.0, "others": 0} | (verdict or {}),
        "incidents": [whole],
        "resets": [e for e in endings if e["kind"] == "reset"],
        "died_in_silence": [e for e in endings if e["kind"] != "reset"],
    }
    return story.tell(SimpleNamespace(document=document, causes={}))  # type: ignore[arg-type]


def test_the_headline_counts_what_was_cut_and_the_impact_what_was_refused() -> None:
    stopped = [
        ending("r1", "server_shutdown", request_unanswered=True, transaction_open=True),
        ending("r2", "server_shutdown", unacked_peer=5),
        ending("r3", "connection_refused"),
    ]
    found = told(stopped)
    assert found.headline == "The server 10.0.0.2:5432 cut 2 connections from 10.0.0.1."
    assert found.top is not None and found.top.impact == [
        "1 attempt refused", "1 request unanswered", "1 transaction cut off", "unacknowledged bytes on 1 connection",
    ]  # fmt: skip


def test_the_impact_says_no_more_than_is_known() -> None:
    def impact(*endings: dict[str, Any], **incident: Any) -> list[str]:
        top = told(list(endings), **incident).top
        return top.impact if top else []

    assert impact(ending("r1", "abortive_close", harmless=None), harmless=None) == ["cannot be known"]
    assert impact(ending("r1", "abortive_close")) == ["something was lost"]
    assert impact(ending("r1", "health_probe", harmless=True, unacked_peer=3), harmless=True) == ["nothing seen lost"]


def test_a_harmless_incident_begins_with_that() -> None:
    found = told([ending("r1", "health_probe", harmless=True)], harmless=True)
    assert found.headline.startswith("Nothing was seen to be lost. The server ") and story.extent(found) == ""


def test_the_extent_leaves_out_what_is_all_of_it() -> None:
    assert story.extent(told([ending("r1", "late_reset")])) == "something was lost"
    several = told([ending("r1", "late_reset")], verdict={"covers": 0.25, "others": 2})
    assert story.extent(several) == "something was lost; 25 % of the harmful ones; 2 other incidents"


def test_who_it_could_have_been_names_each_side_once_the_likeliest_first() -> None:
    reset = ending("r1", "idle_timeout") | {
        "evidence": [
            {"cause": "idle_timeout", "origin": "path", "rank": 1, "sign": "x", "held": True, "sentence": "x"}
        ],
        "alternatives": [
            {"cause": "connection_state_lost", "reset_by": "server", "confidence": 0.1},
            {"cause": "injected_reset", "reset_by": "middlebox", "confidence": 0.1},
        ],
    }
    assert told([reset], reset_by="undetermined").suspects == [
        ("middlebox", "Idle timeout"),
        ("server", "Connection state lost"),
    ]
    assert told([reset]).suspects == []


def test_a_death_without_a_reset_has_nobody_beside_its_next_likely_cause() -> None:
    other = story.Alternative("path_mtu_black_hole", "Black hole", "undetermined", 0.01, "")
    assert story.other_answer(other) == "Black hole (0.01)"


def test_a_command_is_copied_as_it_is_and_stays_inert() -> None:
    made = page.commands("Run `tcpdump -w 'a' \"b\" <script>`, <b>now</b>")
    assert "<script>" not in made and "<b>" not in made and made.count("<code") == made.count("data-copy=") == 1
    assert 'data-copy="tcpdump -w &#39;a&#39; &#34;b&#34; &lt;script&gt;"' in made
