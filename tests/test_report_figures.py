"""The figures and the ladder: what they draw, that their numbers are the document's, and that the SVG is fit for a page."""

from __future__ import annotations

import re
from pathlib import Path

import report_fixture as fixture
from matplotlib.figure import Figure

from analyzer import report
from analyzer.report import figure_paths, figure_silences, figures, ladder, wording
from analyzer.result import Diagnosis
from captures.lab import judging
from captures.lab.case_file import load

CAPTURES = Path(__file__).parent.parent / "captures"


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
    assert "No timeline is drawn" in report.html(diagnosis)


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


def test_each_log_s_lane_states_the_correction_of_its_clock() -> None:
    wide, narrow = figures.timeline_svgs(fixture.diagnosis())
    assert "−9:00:02.7</text>" in wide and "−9:00:02.7</text>" in narrow
    assert "moved onto the capture's clock" in figures.caption(fixture.diagnosis())


def of_case(name: str) -> Diagnosis:
    return judging.diagnosis(load(CAPTURES / name), "both")


def test_who_reset_whom_counts_every_reset_once() -> None:
    d = fixture.diagnosis()
    flows = figure_paths.flows(d)
    assert sum(flow.number for flow in flows) == len(d.document["resets"])
    assert {flow.reset_by for flow in flows} == {reset["reset_by"] for reset in d.document["resets"]}
    ax = Figure().add_subplot()
    assert report.paths(ax, d) is True
    assert not report.paths(
        Figure().add_subplot(), fixture.diagnosis(fixture.notation() | {"resets": [], "incidents": []})
    )


def test_the_device_between_is_drawn_where_there_is_one() -> None:
    device, server = of_case("stale_pool"), of_case("postgres_restart")
    assert "6 resets by a device between</text>" in figures.svgs(lambda ax: report.paths(ax, device), 1.0, "paths")[0]
    assert "100 resets</text>" in figures.svgs(lambda ax: report.paths(ax, server), 1.0, "paths")[0]


def test_many_hosts_share_one_place() -> None:
    flows = figure_paths.flows(fixture.many(2000))
    assert len({flow.client for flow in flows}) == figure_paths.CLIENTS
    assert sum(flow.number for flow in flows) == 2000


def test_silences_and_the_timer_are_those_of_the_document() -> None:
    d = of_case("stale_pool")
    (path,) = figure_silences.timed(d)
    facts = [reset["facts"] for reset in d.document["resets"]]
    assert path.failed == sorted(fact["idle_gap"] for fact in facts)
    assert (path.low, path.high) == (facts[0]["timer_low"], facts[0]["timer_high"])
    assert path.survived == sorted({fact["path_survived"] for fact in facts})
    assert max(path.survived) <= path.low < path.high <= min(path.failed)
    assert report.silences(Figure().add_subplot(), d) is True
    assert report.silences(Figure().add_subplot(), fixture.diagnosis()) is False


def test_the_ladder_shows_what_the_other_point_holds() -> None:
    """The device answered for the server: neither the request nor the reset is in the server's capture."""
    d = of_case("stale_pool")
    built = ladder.build(d, d.document["resets"][0])
    assert built is not None and (built.point, built.others) == ("client", ("server",))
    place = next(n for n, row in enumerate(built.rows) if row.kind == "reset")
    assert built.rows[place].elsewhere == built.rows[place - 1].elsewhere == (("", ""),)
    there = [row.elsewhere[0][0] for row in built.rows[: place - 1] if row.kind == "packet"]
    assert len(there) > 10 and all(there)


def test_log_lines_stand_in_the_ladder_at_their_corrected_time() -> None:
    d = of_case("stale_pool")
    reset = d.document["resets"][0]
    built = ladder.build(d, reset)
    assert built is not None
    shown = {row.source: row.at for row in built.rows if row.kind == "log"}
    for line in reset["log_lines"]:
        told = wording.seconds_between(reset["time"], line["time"])
        assert shown[f"{line['source']}:{line['line']}"] == told
