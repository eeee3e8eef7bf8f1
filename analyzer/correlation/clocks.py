"""How each log's clock stands to the capture's.

Lives here: the clock per log, by the strongest means that it allows, and each line's time on the capture's clock. Lines that name a
connection are compared with that connection's packets, whatever the zone; without such lines the pattern of times is compared; where
that is too thin, clocks are taken as equal but for whole quarter hours, and the sentence says so.
Never here: which line is compared with which packet (pairs.py), how a clock is read out of differences (fit.py), or which line belongs to
which ending.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analyzer.correlation import fit
from analyzer.correlation.fit import AT_ONCE, HOUR, PROMPT, QUARTER, Line
from analyzer.correlation.pairs import ASSUMED, HORIZON, REACH, SKEW, differences, identity_pairs, side_by_side, sides
from analyzer.correlation.rules import ALONE
from analyzer.correlation.wire import AFTERWARDS, SECOND, Wire
from analyzer.language import Sentence, joined, say, say_many

LATEST = 2 * 24 * 3600 * SECOND  # a line that names its connection may come this late
ENOUGH, CLEAR = 3, 0.6  # lines that make a pattern; the share of them that a rival offset may have
PROVEN = 3  # lines that name connections and agree, from which on an offset may be anything
ACCIDENT = 0.05  # chance from which on lines that agree with a pattern prove nothing
CLOSE = 20_000_000  # ns; most lines that are written at once are written within this time
COLUMNS = [
    "source",
    "offset_seconds",
    "drift_ppm",
    "at",
    "spread_seconds",
    "support",
    "basis",
    "sentence",
    "coincidence",
]


def estimate_clocks(lines: pd.DataFrame, wire: Wire, given: dict[str, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """CLOCKS, and the lines with `offset` (ns; NA where it is not known), `time` (on the capture's clock), `tolerance` (ns: how much too
    early a line may seem), `reach` and `latest` (ns: how long after a packet a line may come that names no connection, or one) and `clock_chance`.
    """
    named = identity_pairs(lines, wire)
    rows, parts = [], []
    for log, own in lines.groupby("log", sort=False):
        sources = [str(name) for name in own["source"].unique()]
        label = sources[0] if len(sources) == 1 else str(log)
        told = next((given[name] for name in sources if name in given), None)
        pairs = named[named["log"] == log]
        clock = (
            _row(label, fit.Line(round(told * SECOND), 0, None), 0, 0, "given", own, 0.0)
            if told is not None
            else _by_identity(label, own, pairs)
            or _by_pattern(label, own, wire)
            or _assumed(label, own, wire)
            or _unknown(label, own, wire)
        )
        rows += [clock | {"source": name} for name in sources]
        parts.append(_moved(own, clock, pairs))
    clocks = pd.DataFrame([{name: row[name] for name in COLUMNS} for row in rows], columns=COLUMNS)
    clocks["sentence"] = pd.Series([row["sentence"] for row in rows], dtype=object)
    added = pd.DataFrame(
        columns=["offset", "time", "tolerance", "reach", "latest", "clock_chance"], index=lines.index[:0]
    )
    moved = pd.concat(parts) if parts else added
    return clocks, lines.join(moved)


def _moved(own: pd.DataFrame, clock: dict[str, Any], pairs: pd.DataFrame) -> pd.DataFrame:
    """Each line's own offset: the drift since the clock's moment, and the hour that summer time put in or took out midway."""
    out = pd.DataFrame(index=own.index)
    for name, value, dtype in (
        ("tolerance", clock["tolerance"], "Int64"),
        ("reach", clock["reach"], "Int64"),
        ("latest", clock["latest"], "Int64"),
        ("clock_chance", clock["coincidence"], "Float64"),
    ):
        out[name] = pd.Series(pd.NA if value is None else value, index=own.index, dtype=dtype)
    line = clock["line"]
    if line is None:
        nothing = pd.Series(pd.NA, index=own.index, dtype="Int64")
        return out.assign(offset=nothing, time=nothing)
    offset = line.at(own["t"].to_numpy(dtype=np.int64))
    if not (own["zone"] == "printed").any():
        offset = offset + _summer_time(own, offset, pairs)
    out["offset"] = pd.array(offset, dtype="Int64")
    out["time"] = pd.array(own["t"].to_numpy(dtype=np.int64) - offset, dtype="Int64")
    return out


def _summer_time(own: pd.DataFrame, offset: fit.Ints, pairs: pd.DataFrame) -> fit.Ints:
    """An hour more or less for the lines beyond a change of summer time: where all that name connections are an hour off, and none before."""
    shift = np.zeros(len(own), dtype=np.int64)
    if pairs.empty:
        return shift
    place = pd.Series(np.arange(len(own)), index=own.index)
    at = place.reindex(pairs["row"]).to_numpy()
    rest = pairs["difference"].to_numpy(dtype=np.int64) - offset[at]
    window = pairs["step"].to_numpy(dtype=np.int64) + PROMPT
    plain = at[np.abs(rest) <= window]
    for hour in (HOUR, -HOUR):
        off = np.unique(at[np.abs(rest - hour) <= window])
        if len(off) < 2 or not len(plain):
            continue
        if off.min() > plain.max():
            shift[(plain.max() + off.min() + 1) // 2 :] = hour
        elif off.max() < plain.min():
            shift[: (off.max() + plain.min() + 1) // 2] = hour
    return shift


def _by_identity(label: str, own: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, Any] | None:
    if pairs.empty:
        return None
    difference, t, step = (pairs[name].to_numpy(dtype=np.int64) for name in ("difference", "t", "step"))
    weight = np.where(pairs["kind"] == "closed", 0.5, 1.0)
    found = fit.densest(t, difference, weight, int(step.max()) + PROMPT)
    if found is None:
        return None
    inside = pairs[found.inside]
    support, named = int(inside["row"].nunique()), int(pairs["row"].nunique())
    if support < named / 2 and support < PROVEN:
        return None  # most lines that name a connection say otherwise
    # both are written after their packet; what closes a session may be written before the last one
    prompt = inside[inside["kind"] != "closed"]
    used = prompt if len(prompt) else inside
    line = fit.lower_edge(
        used["t"].to_numpy(dtype=np.int64),
        used["difference"].to_numpy(dtype=np.int64),
        int(used["step"].max()),
        found.slope,
        early=not len(prompt),
    )
    if support < PROVEN and not _allowed(int(line.offset), own, support):
        return None
    sharp = inside[inside["kind"] == ("opened" if (inside["kind"] == "opened").any() else inside["kind"].iloc[0])]
    rest = sharp["difference"].to_numpy(dtype=np.int64) - line.at(sharp["t"].to_numpy(dtype=np.int64))
    spread = max(int(used["step"].max()) // 2, int(np.ptp(rest)) // 2)
    hit = (PROMPT + int(step.max())) / (2 * HORIZON) * len(pairs)
    skew = abs((int(line.offset) + QUARTER // 2) % QUARTER - QUARTER // 2)
    alone = min(1.0, 2 * (skew + PROMPT + int(step.max())) / QUARTER)  # another connection's packet would lie anywhere
    chance = min(1.0, named * hit ** (support - 1)) if support > 1 else alone
    row = _row(label, line, spread, support, "identity", own, chance)
    # a line that the clock rests on is not too early by it
    earliest = used["difference"].to_numpy(dtype=np.int64) - line.at(used["t"].to_numpy(dtype=np.int64))
    return row | {"tolerance": max(row["tolerance"], AT_ONCE - int(earliest.min()))}


def _allowed(offset: int, own: pd.DataFrame, support: int) -> bool:
    """Whether so few lines may say so: a zone, and a clock that is at most SKEW wrong; a printed zone is not put right by a single line."""
    if support < 2 and (own["zone"] != "unknown").all():
        return abs(offset) <= SKEW
    return abs((offset + QUARTER // 2) % QUARTER - QUARTER // 2) <= SKEW


def _by_pattern(label: str, own: pd.DataFrame, wire: Wire) -> dict[str, Any] | None:
    """The one clock, whole quarter hours and up to SKEW, that lays most lines just after resets."""
    pairs = differences(own, wire)
    asked = int(pairs["row"].nunique())
    if asked < ENOUGH:
        return None
    difference, t, rows = (pairs[name].to_numpy(dtype=np.int64) for name in ("difference", "t", "row"))
    step = int(pairs["step"].max())
    for window in (
        step + CLOSE,
        step + PROMPT,
    ):  # where resets are dense, only lines that are written at once tell one offset from another
        found = fit.fullest(t, difference, rows, window)
        hit = len(pairs) / asked * window / (len(fit.ZONES) * 2 * SKEW)
        chance = min(1.0, len(pairs) * fit.tail(asked - 1, found.held - 1, hit))
        if found.held >= max(ENOUGH, asked / 2) and found.rival <= CLEAR * found.held and chance <= ACCIDENT:
            break
    else:
        return None
    line = fit.lower_edge(t[found.inside], difference[found.inside], step, found.slope)
    rest = difference[found.inside] - line.at(t[found.inside])
    support, spread = found.held, max(step // 2, int(np.ptp(rest)) // 2)
    lines, resets = max(sides(own, wire), key=lambda side: len(side[0]))
    if len(lines) > asked:
        every = lines["t"].to_numpy(dtype=np.int64)
        line, support = fit.followed(line, t, every, resets["t"].to_numpy(dtype=np.int64), step)
    return _row(label, line, spread, support, "pattern", own, chance)


def _assumed(label: str, own: pd.DataFrame, wire: Wire) -> dict[str, Any] | None:
    """Equal clocks but for whole quarter hours, if exactly one such shift lays most lines beside resets, closely or else loosely, or
    else within the lives of the connections they name. Without a zone, few lines that name nothing are not enough for a shift."""
    if (own["zone"] == "boot").any():
        return None  # it tells no time of day
    trusted = bool((own["zone"] != "unknown").all())
    for (early, late), beside in side_by_side(own, wire):
        counts = beside.groupby("shift")["row"].nunique().sort_values(ascending=False)
        if trusted and 0 in counts.index:
            counts = counts.loc[[0]]
        if counts.empty or (len(counts) > 1 and counts.iloc[0] == counts.iloc[1]):
            continue
        shift, support = int(counts.index[0]), int(counts.iloc[0])
        chosen = beside[beside["shift"] == shift]
        named = own.loc[chosen["row"].unique(), ["client_ip", "server_ip"]].isin(wire.addresses).any(axis=None)
        if shift and support < ENOUGH and (trusted or not named):
            break
        width = max(0, int(chosen.groupby("row")["lag"].min().max())) + 2 * int(own["step"].max())
        hit = float((wire.resets["point"] == wire.point).sum()) / wire.seconds * width / SECOND
        asked = int(own["event"].isin(ALONE).sum())
        chance = (
            0.0 if trusted and not shift else min(1.0, (len(fit.ZONES) if shift else 1) * fit.tail(asked, support, hit))
        )
        if chance > ACCIDENT:
            break
        row = _row(label, Line(shift, 0, None), late, support, "assumed", own, chance)
        return row | {"tolerance": int(own["step"].max()) + early, "reach": late, "latest": AFTERWARDS}
    if trusted:  # printed or told, and nothing speaks against it: silences, and what the capture does not show, are read by it as well
        row = _row(label, Line(0, 0, None), REACH, 0, "assumed", own, 0.0)
        return row | {"tolerance": int(own["step"].max()) + ASSUMED[-1][0], "reach": REACH, "latest": AFTERWARDS}
    return None


def _row(
    label: str, line: Line, spread: int, support: int, basis: str, own: pd.DataFrame, chance: float
) -> dict[str, Any]:
    early = {"identity": 20_000_000, "pattern": 20_000_000, "assumed": 0, "given": 500_000_000}[basis]
    return {
        "offset_seconds": line.offset / SECOND,
        "drift_ppm": line.ppm,
        "at": None if line.ppm is None else pd.Timestamp(line.at_capture, unit="ns", tz="UTC"),
        "spread_seconds": spread / SECOND,
        "support": support,
        "basis": basis,
        "sentence": say(
            "{source} is {stands}; {why}.", source=label, stands=_stands(line), why=_why(basis, support, spread)
        ),
        "coincidence": chance,
        "line": line,
        "tolerance": int(own["step"].max()) + min(spread, PROMPT) + early,
        "reach": REACH,
        "latest": LATEST,
    }


def _stands(line: Line) -> Sentence:
    """How a log's clock stands to the capture's: by whole quarter hours, what is left, and what it gains."""
    zone = (line.offset + QUARTER // 2) // QUARTER * QUARTER
    skew = line.offset - zone
    if abs(skew) < SECOND // 1000:
        near = say("in step")
    elif skew > 0:
        near = say("{skew:.3f} s fast", skew=skew / SECOND)
    else:
        near = say("{skew:.3f} s slow", skew=-skew / SECOND)
    if line.ppm:
        gained = {"near": near, "ppm": abs(line.ppm), "daily": abs(line.ppm) * 0.0864}
        if line.ppm > 0:
            near = say("{near}, gaining {ppm:.0f} ppm ({daily:.1f} s a day)", **gained)
        else:
            near = say("{near}, losing {ppm:.0f} ppm ({daily:.1f} s a day)", **gained)
    if zone > 0:
        return say("ahead of the capture by {hours}, {near}", hours=_hours(zone), near=near)
    return say("behind the capture by {hours}, {near}", hours=_hours(-zone), near=near) if zone else near


def _why(basis: str, support: int, spread: int) -> Sentence:
    """What the offset rests on."""
    within = spread / SECOND
    if basis == "identity":
        return say_many(
            "{n} line that names a connection agrees within {within:.3g} s",
            "{n} lines that name a connection agree within {within:.3g} s", support, within=within,
        )  # fmt: skip
    if basis == "pattern":
        return say_many(
            "the times of {n} line agree with resets within {within:.3g} s, no line names a connection",
            "the times of {n} lines agree with resets within {within:.3g} s, no line names a connection", support, within=within,
        )  # fmt: skip
    if basis == "assumed" and support:
        return say_many(
            "only assumed: {n} line stands beside packets if clocks are equal but for whole quarter hours",
            "only assumed: {n} lines stand beside packets if clocks are equal but for whole quarter hours", support,
        )  # fmt: skip
    if basis == "assumed":
        return say("only assumed: its zone is known, and no line stands beside a reset to measure by")
    return say("given")


def _hours(duration: int) -> str:
    hours, minutes = divmod(duration // (60 * SECOND), 60)
    return f"{hours} h" if not minutes else f"{hours} h {minutes:02} min"


def _unknown(label: str, own: pd.DataFrame, wire: Wire) -> dict[str, Any]:
    """No clock; where a few lines would fit one zone, that zone is offered as a question."""
    sentence = say(
        "How the clock of {source} stands to the capture could not be found: no line names a connection of the capture, and "
        "too few lines stand in a pattern that fits its resets in only one way.", source=label,
    )  # fmt: skip
    for _, beside in side_by_side(own, wire)[:1]:
        counts = beside.groupby("shift")["row"].nunique().sort_values(ascending=False)
        if len(counts) and (len(counts) == 1 or counts.iloc[0] > counts.iloc[1]):
            shift = int(counts.index[0])
            hours, minutes = divmod(abs(shift) // (60 * SECOND), 60)
            hint = say_many(
                "If it is written in UTC{zone}, {n} of its lines stands just after a reset: --log-timezone {zone} says so.",
                "If it is written in UTC{zone}, {n} of its lines stand just after a reset: --log-timezone {zone} says so.",
                int(counts.iloc[0]), zone=f"{'+' if shift >= 0 else '-'}{hours:02}:{minutes:02}",
            )  # fmt: skip
            sentence = joined([sentence, hint])
    return {
        "offset_seconds": None, "drift_ppm": None, "at": None, "spread_seconds": None, "support": 0, "basis": "none",
        "sentence": sentence, "coincidence": None, "line": None, "tolerance": None, "reach": None, "latest": None,
    }  # fmt: skip
