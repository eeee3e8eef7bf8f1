"""The timeline: what it draws, and that its SVG is fit for a page."""

from __future__ import annotations

import re

import report_fixture as fixture
from matplotlib.figure import Figure

from analyzer import report
from analyzer.report import figures


def test_lanes_are_hosts_and_logs() -> None:
    shown = figures.marks(fixture.diagnosis())
    assert shown.lanes[:2] == ["server 10.0.0.2", "server 2001:db8:ffff::2"]
    assert {lane for lane in shown.lanes if lane.startswith("client")} == {
        "client 10.0.5.5", "client 10.0.1.15", "client 2001:db8::15", "client 10.0.9.9",
    }  # fmt: skip
    assert shown.lanes[-1] == fixture.LOG
    assert len(shown.resets) == 13 and len(shown.lines) == 5 and len(shown.ties) == 4


def test_it_draws_on_any_axes() -> None:
    ax = Figure().add_subplot()
    assert report.timeline(ax, fixture.diagnosis()) is True
    assert len(ax.get_yticks()) == 7


def test_one_instant_is_not_drawn() -> None:
    made = fixture.notation("i2")
    made["resets"] = [reset for reset in made["resets"] if reset["id"] == "r13"]
    made["incidents"] = [made["incidents"][0]]
    made["unmatched_log_lines"] = []
    diagnosis = fixture.diagnosis(made)
    ax = Figure().add_subplot()
    assert report.timeline(ax, diagnosis) is False
    assert figures.timeline_svgs(diagnosis) == []
    assert "no timeline is drawn" in report.html(diagnosis)


def test_many_marks_are_binned() -> None:
    ax = Figure().add_subplot()
    report.timeline(ax, fixture.many(3000))
    assert sum(len(collection.get_offsets()) for collection in ax.collections) <= figures.BINS * 12


def test_svg_is_text_with_its_own_ids_and_the_page_s_colours() -> None:
    wide, narrow = figures.timeline_svgs(fixture.diagnosis())
    assert wide == figures.timeline_svgs(fixture.diagnosis())[0]
    assert "client 10.0.1.15</text>" in wide and "client 10.0.1.15</text>" in narrow
    assert not re.search("#[0-9a-f]{6}", wide.replace('href="#', "")), "a colour that dark mode cannot change"
    assert all(name.startswith("timeline-wide") for name in re.findall(r'\bid="([^"]+)"', wide))
    ids = set(re.findall(r'\bid="([^"]+)"', wide))
    assert set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", wide)) <= {(one, "") for one in ids} | {
        ("", one) for one in ids
    }
    assert fixture.SCRIPT not in wide and "月曜" in wide
    assert "<?xml" not in wide and "font-family" not in wide and "http" not in wide


def test_the_caption_states_the_correction() -> None:
    assert "by −32402.7 s" in figures.caption(fixture.diagnosis())
