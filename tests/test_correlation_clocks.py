"""Clocks of logs: zone, skew, drift and summer time, found from made worlds whose truth is known, and refused where they would be guesses."""

from __future__ import annotations

import itertools
import math
import random

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_correlation import START, World

LAG = 0.003  # seconds; lines that are written at once


def resets(
    times: list[float], clock: float, ppm: float, step: float, named: bool, zone: str = "unknown"
) -> tuple[World, list[float]]:
    """A reset at each time, and a line of it by a clock that stands `clock` seconds off at the start; how far it is off at each."""
    random_ = random.Random(len(times))
    world, off = World(span=(-10.0, times[-1] + 100)), []
    for i, t in enumerate(times):
        world.connection(40000 + i, max(-9.0, t - 2), t + 0.01, reset=t)
        when = t + random_.uniform(0.0005, LAG)
        off.append(clock + ppm * 1e-6 * t)
        stamp = math.floor((when + clock + ppm * 1e-6 * when) / step) * step
        if named:
            world.named(stamp, "reset_received", 40000 + i, pid=100 + i, resolution=step, zone=zone)
        else:
            world.line(stamp, "reset_received", pid=100 + i, resolution=step, zone=zone)
    return world, off


def error(clock: pd.Series, times: list[float], off: list[float]) -> float:
    """The greatest difference between what the clock says and what is true, over all lines."""
    drift = 0.0 if pd.isna(clock["drift_ppm"]) else clock["drift_ppm"] * 1e-6
    at = 0.0 if pd.isna(clock["at"]) else (clock["at"] - START).total_seconds()
    return max(abs(clock["offset_seconds"] + drift * (t - at) - o) for t, o in zip(times, off, strict=True))


@settings(max_examples=25, deadline=None)
@given(  # a stamp is cut to its step: at the very limit that makes it more than 90 s
    half_hours=st.integers(-28, 28),
    skew=st.floats(-89, 89),
    ppm=st.floats(-100, 100),
    between=st.lists(st.floats(0.01, 0.99), min_size=3, max_size=8, unique=True),
    span=st.sampled_from([1800.0, 7200.0, 80_000.0]),
    step=st.sampled_from([0.001, 1.0]),
    named=st.booleans(),
)
@example(half_hours=18, skew=-90.0, ppm=100.0, between=[0.2, 0.45, 0.8], span=1800.0, step=0.001, named=False)
@example(half_hours=0, skew=0.0, ppm=10.0, between=[0.5, 0.4285, 0.0762], span=80_000.0, step=1.0, named=True)
def test_zone_skew_and_drift(
    half_hours: int, skew: float, ppm: float, between: list[float], span: float, step: float, named: bool
) -> None:
    """Five lines over half an hour, written at once, say the clock within 50 ms, or the stamp's own step; and each finds its reset."""
    times = [0.0, *sorted(share * span for share in between), span]
    if min(b - a for a, b in itertools.pairwise(times)) < 10:
        return  # nearer than that, lines that name nothing may tell nothing apart
    world, off = resets(times, half_hours * 1800 + skew, ppm, step, named)
    found = world.correlate()
    clock = found.clocks.iloc[0]
    assert clock["basis"] == ("identity" if named else "pattern")
    assert error(clock, times, off) <= max(0.05, step)
    assert {(m.line, m.ending) for m in found.matches.itertuples()} == {(i, f"r{i}") for i in range(1, len(times) + 1)}
    assert (found.matches["coincidence"] < 0.05).all()


@settings(max_examples=25, deadline=None)
@given(  # a line is written some ms after its packet: at the very limit that makes it more than 90 s
    half_hours=st.integers(-28, 28),
    skew=st.floats(-89.9, 89.9),
    times=st.lists(st.floats(0, 3000), min_size=1, max_size=2),
)
def test_two_lines_say_no_clock_unless_they_name_their_connections(
    half_hours: int, skew: float, times: list[float]
) -> None:
    if abs(skew) < 10:
        return  # a clock that is right but for its zone is another question: test_correlation
    world, off = resets(sorted(times), half_hours * 1800 + skew, 0.0, 0.001, named=False)
    found = world.correlate()
    assert found.clocks["basis"].tolist() == ["none"] and found.matches.empty
    world, off = resets(sorted(times), half_hours * 1800 + skew, 0.0, 0.001, named=True)
    assert error(world.correlate().clocks.iloc[0], sorted(times), off) < 0.05


def test_drift_is_told_and_taken_off() -> None:
    times = [0.0, 7000.0, 20_000.0, 41_000.0, 60_000.0, 80_000.0]
    world, _ = resets(times, 32_400.0, 80.0, 0.001, named=True)
    found = world.correlate()
    clock = found.clocks.iloc[0]
    assert clock["drift_ppm"] == pytest.approx(80, abs=0.5)
    assert "gaining 80 ppm (6.9 s a day)" in clock["sentence"]
    assert found.matches["lag"].abs().max() < 0.01


def test_a_change_of_summer_time_in_a_log_without_a_zone() -> None:
    """Berlin, 25 October: from 03:00 the same hour again. The stamps go back an hour, the lines do not."""
    world = World(span=(-10.0, 20_000.0))
    for i in range(10):
        t = 1000.0 + 1800.0 * i
        world.connection(40000 + i, t - 1, t, reset=t)
        world.named(t + (7200 if i < 5 else 3600) + 0.002, "reset_received", 40000 + i, zone="unknown")
    world.line(1000 + 1800 * 8.5 + 3600, "timed_out", zone="unknown")
    found = world.correlate()
    assert [m.ending for m in found.matches.itertuples()] == [f"r{i + 1}" for i in range(10)]
    assert found.matches["lag"].abs().max() < 0.01


def test_one_line_does_not_put_a_printed_zone_right() -> None:
    world, _ = resets([20.0], 900.0 * 13 + 40, 0.0, 0.001, named=True, zone="printed")
    found = world.correlate()
    assert found.matches.empty
    assert found.clocks["offset_seconds"].fillna(0).abs().max() == 0


def test_rotated_files_share_a_clock() -> None:
    world = World()
    for i, t in enumerate([10.0, 400.0, 900.0, 1500.0]):
        world.connection(40000 + i, t - 2, t, reset=t)
        more = {"source": "pg.log.1" if i < 2 else "pg.log", "log": "pg.log", "zone": "unknown"}
        if i % 2:
            world.line(t + 19_800.002, "reset_received", **more)
        else:
            world.named(t + 19_800.002, "reset_received", 40000 + i, **more)
    found = world.correlate()
    assert found.clocks["source"].tolist() == ["pg.log.1", "pg.log"]
    assert found.clocks["offset_seconds"].tolist() == pytest.approx([19_800.002] * 2, abs=0.002)
    assert found.matches["tie"].tolist() == ["connection", "time", "connection", "time"]
