"""Which log line is compared with which packet, to find out how a log's clock stands.

Lives here: pairs by a connection's name (`identity_pairs`), by what the lines' writers and addresses allow (`sides`, `differences`), and by
standing side by side (`side_by_side`).
Never here: a clock (clocks.py, fit.py), or a tie.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyzer.correlation import fit
from analyzer.correlation.fit import QUARTER
from analyzer.correlation.rules import ALONE, RULES
from analyzer.correlation.wire import SECOND, SERVED, Wire

HORIZON = 14 * 3600 * SECOND + 90 * SECOND  # the widest zone, and some skew
# What a clock may be wrong besides whole quarter hours, unless lines that name connections prove more.
SKEW = 90 * SECOND
REACH = 5 * SECOND  # how long after a packet a line that names no connection may come
# Where equal clocks are assumed: how far before and after its packet a line may seem to stand, closely or else loosely.
ASSUMED = ((SECOND // 20, SECOND // 5), (2 * SECOND, REACH))
SAMPLE = 4000  # lines of one log that are compared
PAIRS = 1_500_000  # (line, reset) pairs of one log that are compared
FEW = 60  # lines that are compared at least


def identity_pairs(lines: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """(line, packet) pairs of one connection's name: log, row, kind, t, difference, step."""
    columns = ["log", "row", "kind", "t", "difference", "step"]
    pairs = pd.concat([_by_address(lines, wire), _by_backend(lines, wire)], ignore_index=True)
    if pairs.empty:
        return pd.DataFrame({name: pd.Series(dtype=object if name in ("log", "kind") else "int64") for name in columns})
    pairs["difference"] = pairs["t"] - pairs["packet"]
    near = pairs["difference"].abs() <= HORIZON
    return pairs.loc[near, columns].astype({"row": "int64", "t": "int64", "difference": "int64", "step": "int64"})


def _by_address(lines: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    lives = wire.lives.assign(elsewhere=wire.lives["point"] != wire.point)
    named = lines[lines["has_end"] & lines["event"].isin(["opened", "closed", "reset_received"])]
    size = named.groupby("log")["t"].transform("size")
    named = named[named.groupby("log").cumcount() % np.maximum(1, -(-size // SAMPLE)) == 0]
    if named.empty or lives.empty:
        return pd.DataFrame()
    named = named.assign(
        ip=named["client_ip"].astype(object), port=named["client_port"].astype("int64"), row=named.index
    )
    both = named[["log", "row", "event", "writer", "ip", "port", "t", "step"]].merge(
        lives[["ip", "port", "point", "elsewhere", "connection", "began", "accepted", "last", "swapped"]],
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
        both[(both["event"] == "opened") & both["began"]].assign(kind="opened", packet=lambda f: f["accepted"]),
        received.assign(kind="reset"),
        both[both["event"] == "closed"].assign(kind="closed", packet=lambda f: f["last"]),
    ]
    return pd.concat(frames, ignore_index=True)


def _by_backend(lines: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """Pairs by the number that the server told its client: what the server says of a reset of that number, and the reset."""
    served = wire.endings.dropna(subset=["backend_pid"])[["ending", *SERVED]]
    own = lines[(lines["event"] == "reset_received") & lines["backend_pid"].notna() & ~lines["has_end"]]
    if served.empty or own.empty:
        return pd.DataFrame()
    resets = wire.resets[wire.resets["from_client"]].drop_duplicates("ending")[["ending", "t"]]
    resets = served.merge(resets.rename(columns={"t": "packet"}), on="ending")
    return own.assign(row=own.index, kind="reset")[["log", "row", "kind", "t", "step", *SERVED]].merge(
        resets, on=SERVED
    )


def sides(own: pd.DataFrame, wire: Wire) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Lines that can be tied without a name, and the first resets that could be theirs, by the direction that their writers allow."""
    lines = own[own["event"].isin(ALONE)]
    precedes = lines["event"].map({event: rule.precedes for event, rule in RULES.items()}).astype(bool)
    away = lines["event"] == "timed_out"  # its writer's own reset, if any
    writer = lines["writer"]
    side = writer.where(~precedes, "either")
    side = side.mask(away & (writer == "server"), "client").mask(away & (writer == "client"), "server")
    first = _first_resets(wire)
    out = []
    for name, toward_server in (("server", True), ("client", False), ("unknown", None), ("either", None)):
        resets = first if toward_server is None else first[first["from_client"] == toward_server]
        some = lines[side == name]
        if len(some) and len(resets):
            out.append((some.sort_values("t"), resets.sort_values("t")))
    return out


def _first_resets(wire: Wire) -> pd.DataFrame:
    """The first reset of each connection and direction at the measuring point, and of what only another point shows: of a proxy's two
    connections the client's capture holds one."""
    here = wire.resets["point"] == wire.point
    elsewhere = wire.resets[~here & ~wire.resets["ending"].isin(wire.resets.loc[here, "ending"])].dropna(
        subset=["ending"]
    )
    parts = [
        wire.resets[here].drop_duplicates(["connection", "from_client"]),
        elsewhere.drop_duplicates(["ending", "from_client"]),
    ]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def differences(own: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """(line, reset) pairs that the lines' writers and addresses allow, whole quarter hours and up to SKEW apart: row, t, difference, step.

    Of many lines those in the middle are taken, one after the other: over a short time drift does not blur what they say.
    """
    parts = []
    zones = np.array(fit.ZONES, dtype=np.int64)
    for lines, resets in sides(own, wire):
        when = resets["t"].to_numpy(dtype=np.int64)
        each = len(when) / max(1.0, float(np.ptp(when)) / SECOND) * len(zones) * 2 * SKEW / SECOND
        keep = int(min(SAMPLE, max(FEW, PAIRS // max(1, round(min(each, len(when)))))))
        begin = max(0, (len(lines) - keep) // 2)
        some = lines.iloc[begin : begin + keep]
        at = some["t"].to_numpy(dtype=np.int64)[:, None] - zones
        low, high = np.searchsorted(when, at - SKEW), np.searchsorted(when, at + SKEW, side="right")
        count = (high - low).ravel()
        line = np.repeat(np.arange(len(some)), (high - low).sum(axis=1))
        reset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low.ravel(), count)
        fits = np.ones(len(line), dtype=bool)
        for end in ("client", "server"):
            ours = some[f"{end}_ip"].isin(wire.addresses).to_numpy()
            for name in (f"{end}_ip", f"{end}_port"):
                known = ours & some[name].notna().to_numpy()
                if known.any():
                    told = some[name].astype(object).where(known, None).to_numpy()[line]
                    seen = resets[name].astype(object).where(resets[name].notna(), None).to_numpy()[reset]
                    fits &= ~known[line] | (told == seen)
        line, reset = line[fits], reset[fits]
        t = some["t"].to_numpy(dtype=np.int64)[line]
        parts.append(
            pd.DataFrame(
                {
                    "row": some.index.to_numpy()[line],
                    "t": t,
                    "difference": t - when[reset],
                    "step": some["step"].to_numpy(dtype=np.int64)[line],
                }
            )
        )
    if not parts:
        return pd.DataFrame({"row": [], "t": [], "difference": [], "step": []}, dtype="int64")
    return pd.concat(parts, ignore_index=True)


def side_by_side(own: pd.DataFrame, wire: Wire) -> list[tuple[tuple[int, int], pd.DataFrame]]:
    """(window, (row, shift, lag)) of each way for lines to stand beside packets, the closest first."""
    pairs = differences(own, wire)
    pairs["shift"] = (pairs["difference"] + QUARTER // 2) // QUARTER * QUARTER
    pairs["lag"] = pairs["difference"] - pairs["shift"]
    out = []
    for early, late in ASSUMED:
        beside = pairs[(pairs["lag"] >= -early - pairs["step"]) & (pairs["lag"] <= late)]
        out.append(((early, late), beside[["row", "shift", "lag"]]))
    early, late = ASSUMED[-1]
    return [*out, ((early, late), _alive(own, wire, early, late))]


def _alive(own: pd.DataFrame, wire: Wire, early: int, late: int) -> pd.DataFrame:
    """(row, shift, lag) for each whole quarter hour that lays a line within the life of the connection it names."""
    lives = wire.lives.loc[wire.lives["point"] == wire.point, ["ip", "port", "first", "last"]]
    named = own[own["has_end"] & own["event"].isin(list(RULES))].head(SAMPLE)
    if named.empty or lives.empty:
        return pd.DataFrame({"row": [], "shift": [], "lag": []}, dtype="int64")
    keyed = named.assign(
        ip=named["client_ip"].astype(object), port=named["client_port"].astype("int64"), row=named.index
    )
    pairs = keyed[["row", "ip", "port", "t"]].merge(lives, on=["ip", "port"])
    pairs = pairs.merge(pd.DataFrame({"shift": np.array(fit.ZONES, dtype=np.int64)}), how="cross")
    at = pairs["t"] - pairs["shift"]
    pairs["lag"] = at - pairs["last"]
    return pairs.loc[(at >= pairs["first"] - early) & (pairs["lag"] <= late), ["row", "shift", "lag"]]
