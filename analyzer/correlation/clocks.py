"""How each log's clock stands to the capture's.

Lives here: the offset per source. Lines that name a connection are compared with that connection's packets, whatever the zone; without
such lines the pattern of times is compared, and where that is too thin, clocks are taken as equal but for whole quarter hours, and the
sentence says so. A line is written after its packet, so the offset is the lower edge of the differences that agree, not their mean.
Never here: which line belongs to which ending.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.correlation.rules import RULES
from analyzer.correlation.wire import SECOND, Wire
from analyzer.language import Sentence, say, say_many

HORIZON = 14 * 3600 * SECOND + 90 * SECOND  # the widest zone, and some skew
QUARTER = 900 * SECOND
PROMPT = 300_000_000  # a line that is written at once is written within this time
SKEW = 90 * SECOND  # what a pattern may say besides whole quarter hours
REACH = 5 * SECOND  # how long after a packet a line that names no connection may come
# Where equal clocks are assumed: how far before and after its packet a line may seem to stand, closely or else loosely.
ASSUMED = ((SECOND // 20, SECOND // 5), (2 * SECOND, REACH))
ENOUGH, CLEAR = 3, 0.6  # lines that make a pattern; the share of them that a rival offset may have
SAMPLE = 4000  # lines of one source that are compared
PAIRS = 4_000_000

Ints = npt.NDArray[np.int64]


def estimate_clocks(lines: pd.DataFrame, wire: Wire, given: dict[str, float]) -> pd.DataFrame:
    """CLOCKS, with the working columns `offset` (ns), `tolerance` (ns: how much too early a line may seem) and `reach` (ns: how long
    after a packet a line without a name may come); an unknown offset has NA.
    """
    pairs = _identity_pairs(lines, wire)
    rows = []
    for source, own in lines.groupby("source", sort=False):
        name = str(source)
        if name in given:
            rows.append(_row(name, round(given[name] * SECOND), 0, 0, "given", own))
            continue
        rows.append(
            _by_identity(name, own, pairs[pairs["source"] == source])
            or _by_pattern(name, own, wire)
            or _assumed(name, own, wire)
            or _unknown(name)
        )
    columns = [
        "source",
        "offset_seconds",
        "spread_seconds",
        "support",
        "basis",
        "sentence",
        "offset",
        "tolerance",
        "reach",
    ]
    clocks = pd.DataFrame(rows, columns=columns)
    clocks["sentence"] = pd.Series([row["sentence"] for row in rows], dtype=object)
    for column in ("offset", "tolerance", "reach"):
        clocks[column] = clocks[column].astype("Int64")
    return clocks


def _identity_pairs(lines: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """(line, packet) pairs of one connection's name: source, line, kind, difference, step."""
    lives = wire.lives.assign(elsewhere=wire.lives["point"] != wire.point)
    named = lines[lines["has_end"] & lines["event"].isin(["opened", "closed", "reset_received"])]
    size = named.groupby("source")["t"].transform("size")
    place = named.groupby("source").cumcount()
    named = named[place % np.maximum(1, -(-size // SAMPLE)) == 0]
    if named.empty or lives.empty:
        return pd.DataFrame({"source": [], "row": [], "kind": [], "difference": [], "step": []})
    named = named.assign(
        ip=named["client_ip"].astype(object), port=named["client_port"].astype("int64"), row=named.index
    )
    both = named[["source", "row", "event", "writer", "ip", "port", "t", "step"]].merge(
        lives[["ip", "port", "point", "elsewhere", "connection", "began", "first", "last", "swapped"]],
        on=["ip", "port"],
    )
    # the reference point's packets set the clock; another point's only where that one does not show the connection
    both = both[~both["elsewhere"] | ~both["row"].isin(both.loc[~both["elsewhere"], "row"])]
    resets = wire.resets[["point", "connection", "t", "from_client"]].rename(columns={"t": "packet"})
    received = both[both["event"] == "reset_received"].merge(resets, on=["point", "connection"])
    toward = (received["from_client"] != received["swapped"]) == (received["writer"] == "server")
    received = received[toward | (received["writer"] == "unknown")]
    frames = [
        # a connection that was there before the capture does not show when it was opened
        both[(both["event"] == "opened") & both["began"]].assign(kind="opened", packet=lambda f: f["first"]),
        received.assign(kind="reset"),
        both[both["event"] == "closed"].assign(kind="closed", packet=lambda f: f["last"]),
    ]
    pairs = pd.concat(frames, ignore_index=True)
    pairs["difference"] = pairs["t"] - pairs["packet"]
    near = pairs["difference"].abs() <= HORIZON
    return pairs.loc[near, ["source", "row", "kind", "difference", "step"]]


def _by_identity(source: str, own: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, Any] | None:
    if pairs.empty:
        return None
    window = int(pairs["step"].max()) + PROMPT
    difference = pairs["difference"].to_numpy(dtype=np.int64)
    weight = np.where(pairs["kind"] == "closed", 0.5, 1.0)
    start = _densest(difference, weight, window)
    if start is None:
        return None
    inside = pairs[(pairs["difference"] >= start) & (pairs["difference"] <= start + window)]
    # both are written after their packet; what closes a session may be written before the last one
    prompt = inside[inside["kind"] != "closed"]
    if len(prompt):
        step = int(prompt["step"].max())
        offset = _lower_edge(prompt["difference"].to_numpy(dtype=np.int64), step)
    else:
        step = int(inside["step"].max())
        offset = int(inside["difference"].median())
    sharp = inside[inside["kind"] == ("opened" if (inside["kind"] == "opened").any() else inside["kind"].iloc[0])]
    spread = max(step // 2, int(np.ptp(sharp["difference"].to_numpy(dtype=np.int64))) // 2)
    support = int(inside["row"].nunique())
    return _row(source, offset, spread, support, "identity", own)


def _lower_edge(differences: Ints, step: int) -> int:
    """The offset of lines that are written at once and whose stamps are cut to whole steps: each lies in [offset - step, offset + lag]."""
    low, high = int(differences.min()), int(differences.max())
    return (high + low + step) // 2 if high < low + step else low + step if step > PROMPT else low


def _densest(differences: Ints, weight: npt.NDArray[np.float64], window: int) -> int | None:
    """The start of the window that holds most weight; None when a window elsewhere holds nearly as much and nothing else decides."""
    order = np.argsort(differences, kind="stable")
    values, sums = differences[order], np.concatenate([[0.0], np.cumsum(weight[order])])
    held = sums[np.searchsorted(values, values + window, side="right")] - sums[:-1]
    best = int(held.argmax())
    start = int(values[best])
    elsewhere = (values < start - window) | (values > start + window)
    rivals = elsewhere & (held >= 0.8 * held[best])
    if not rivals.any():
        return start
    candidates = np.concatenate([[start], values[rivals]])
    skew = np.abs((candidates + QUARTER // 2) % QUARTER - QUARTER // 2)
    near = np.unique(candidates[skew <= 2 * SECOND])
    return int(near[0]) if len(near) and near[-1] - near[0] <= window else None


def _reset_times(wire: Wire, toward_server: bool | None) -> pd.DataFrame:
    """First reset of each connection and direction, at the measuring point."""
    at_point = wire.resets["point"] == wire.point
    wanted = at_point if toward_server is None else at_point & (wire.resets["from_client"] == toward_server)
    return wire.resets[wanted].drop_duplicates(["connection", "from_client"])


def _differences(own: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """(line, reset) pairs that the lines' writers and addresses allow: row, difference, step."""
    parts = []
    alone = [event for event, rule in RULES.items() if rule.alone]
    lines = own[own["event"].isin(alone)]
    precedes = lines["event"].map({event: rule.precedes for event, rule in RULES.items()}).astype(bool)
    lines = lines.assign(side=lines["writer"].where(~precedes, "either"))
    for side, toward_server in (("server", True), ("client", False), ("unknown", None), ("either", None)):
        some = lines[lines["side"] == side]
        resets = _reset_times(wire, toward_server)
        if some.empty or resets.empty:
            continue
        keep = max(50, PAIRS // len(resets))
        some = some.iloc[:: max(1, len(some) // keep)]
        pairs = some[["t", "step", "client_ip", "client_port", "server_ip", "server_port"]].reset_index(names="row").merge(
            resets[["t", "client_ip", "client_port", "server_ip", "server_port"]], how="cross", suffixes=("", "_wire")
        )  # fmt: skip
        for name in ("client_ip", "client_port", "server_ip", "server_port"):
            pairs = pairs[(pairs[name].isna() | (pairs[name] == pairs[f"{name}_wire"])).fillna(False)]
        pairs["difference"] = pairs["t"] - pairs["t_wire"]
        parts.append(pairs.loc[pairs["difference"].abs() <= HORIZON, ["row", "difference", "step"]])
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame({"row": [], "difference": [], "step": []}, dtype="int64")
    )


def _by_pattern(source: str, own: pd.DataFrame, wire: Wire) -> dict[str, Any] | None:
    """The one shift, whole quarter hours and up to SKEW, that lays most lines just after resets."""
    pairs = _differences(own, wire)
    if pairs["row"].nunique() < ENOUGH:
        return None
    difference = pairs["difference"].to_numpy(dtype=np.int64)
    skew = np.abs((difference + QUARTER // 2) % QUARTER - QUARTER // 2)
    pairs = pairs[skew <= SKEW].sort_values("difference")
    values, rows = pairs["difference"].to_numpy(dtype=np.int64), pairs["row"].to_numpy(dtype=np.int64)
    if not len(values):
        return None
    step = int(pairs["step"].max())
    window = step + PROMPT
    ends = np.searchsorted(values, values + window, side="right")
    starts = np.argsort(np.arange(len(values)) - ends, kind="stable")[:2000]  # the fullest windows first
    held = {int(i): len(np.unique(rows[i : ends[i]])) for i in starts}
    best = max(held, key=lambda i: (held[i], -i))
    start = int(values[best])
    rival = max((count for i, count in held.items() if abs(int(values[i]) - start) > window), default=0)
    if held[best] < ENOUGH or held[best] < pairs["row"].nunique() / 2 or rival > CLEAR * held[best]:
        return None
    inside = values[best : ends[best]]
    return _row(source, _lower_edge(inside, step), max(step // 2, int(np.ptp(inside)) // 2), held[best], "pattern", own)


def _assumed(source: str, own: pd.DataFrame, wire: Wire) -> dict[str, Any] | None:
    """Equal clocks but for whole quarter hours, if exactly one such shift lays most lines beside resets, closely or else loosely, or
    else within the lives of the connections they name."""
    pairs = _differences(own, wire)
    pairs["shift"] = (pairs["difference"] + QUARTER // 2) // QUARTER * QUARTER
    pairs["lag"] = pairs["difference"] - pairs["shift"]
    for early, late in ASSUMED:
        beside = pairs[(pairs["lag"] >= -early - pairs["step"]) & (pairs["lag"] <= late)]
        if row := _one_shift(source, own, beside, early, late):
            return row
    early, late = ASSUMED[-1]
    return _one_shift(source, own, _alive(own, wire, early, late), early, late)


def _alive(own: pd.DataFrame, wire: Wire, early: int, late: int) -> pd.DataFrame:
    """(row, shift) for each whole quarter hour that lays a line within the life of the connection it names."""
    lives = wire.lives.loc[wire.lives["point"] == wire.point, ["ip", "port", "first", "last"]]
    named = own[own["has_end"] & own["event"].isin(list(RULES))].head(SAMPLE)
    if named.empty or lives.empty:
        return pd.DataFrame({"row": [], "shift": []}, dtype="int64")
    keyed = named.assign(
        ip=named["client_ip"].astype(object), port=named["client_port"].astype("int64"), row=named.index
    )
    pairs = keyed[["row", "ip", "port", "t"]].merge(lives, on=["ip", "port"])
    shifts = pd.DataFrame({"shift": np.arange(-HORIZON // QUARTER, HORIZON // QUARTER + 1, dtype=np.int64) * QUARTER})
    pairs = pairs.merge(shifts, how="cross")
    at = pairs["t"] - pairs["shift"]
    return pairs.loc[(at >= pairs["first"] - early) & (at <= pairs["last"] + late), ["row", "shift"]]


def _one_shift(source: str, own: pd.DataFrame, beside: pd.DataFrame, early: int, late: int) -> dict[str, Any] | None:
    if (own["zone"] != "unknown").all() and (beside["shift"] == 0).any():
        beside = beside[beside["shift"] == 0]
    counts = beside.groupby("shift")["row"].nunique().sort_values(ascending=False)
    if counts.empty or (len(counts) > 1 and counts.iloc[0] == counts.iloc[1]):
        return None
    row = _row(source, int(counts.index[0]), late, int(counts.iloc[0]), "assumed", own)
    return row | {"tolerance": int(own["step"].max()) + early, "reach": late}


def _row(source: str, offset: int, spread: int, support: int, basis: str, own: pd.DataFrame) -> dict[str, Any]:
    zone = (offset + QUARTER // 2) // QUARTER * QUARTER
    early = {"identity": 20_000_000, "pattern": 20_000_000, "assumed": 0, "given": 500_000_000}[basis]
    step = int(own["step"].max())
    return {
        "source": source,
        "offset_seconds": offset / SECOND,
        "spread_seconds": spread / SECOND,
        "support": support,
        "basis": "pattern" if basis == "assumed" else basis,
        "sentence": say(
            "{source} is {stands}; {why}.",
            source=source,
            stands=_stands(zone, offset - zone),
            why=_why(basis, support, spread),
        ),
        "offset": offset,
        "tolerance": step + min(spread, PROMPT) + early,
        "reach": REACH,
    }


def _stands(zone: int, skew: int) -> Sentence:
    """Return how a log's clock stands to the capture's: by whole quarter hours, and what is left."""
    if abs(skew) < SECOND // 1000:
        near = say("in step")
    elif skew > 0:
        near = say("{skew:.3f} s fast", skew=skew / SECOND)
    else:
        near = say("{skew:.3f} s slow", skew=-skew / SECOND)
    if not zone:
        return near
    if zone > 0:
        return say("ahead of the capture by {hours}, {near}", hours=_hours(zone), near=near)
    return say("behind the capture by {hours}, {near}", hours=_hours(-zone), near=near)


def _why(basis: str, support: int, spread: int) -> Sentence:
    """Return what the offset rests on."""
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
    if basis == "assumed":
        return say_many(
            "only assumed: {n} line stands beside packets if clocks are equal but for whole quarter hours",
            "only assumed: {n} lines stand beside packets if clocks are equal but for whole quarter hours", support,
        )  # fmt: skip
    return say("given")


def _hours(duration: int) -> str:
    hours, minutes = divmod(duration // (60 * SECOND), 60)
    return f"{hours} h" if not minutes else f"{hours} h {minutes:02} min"


def _unknown(source: str) -> dict[str, Any]:
    return {
        "source": source, "offset_seconds": None, "spread_seconds": None, "support": 0, "basis": "none",
        "sentence": say(
            "How the clock of {source} stands to the capture could not be found: no line names a connection of the capture, and "
            "too few lines stand in a pattern that fits its resets in only one way.", source=source,
        ),
        "offset": pd.NA, "tolerance": pd.NA, "reach": pd.NA,
    }  # fmt: skip
