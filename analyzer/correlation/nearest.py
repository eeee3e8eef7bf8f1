"""Lines that do not name their connection -> endings: by host and time, or by time alone.

Lives here: `by_host_and_time`. All lines of a log are assigned so that together they fit best: each ending once, the nearest that
vocabulary and direction allow. A line that names nothing is tied only where chance would hardly do as well.
Never here: what a pair is worth (scoring.py), or lines that name their connection (ties.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.correlation.assignment import assign, candidates
from analyzer.correlation.rules import ALONE, QUIET, RULES, SILENCE
from analyzer.correlation.scoring import STRAYS, ambiguity, by_time, either, scored
from analyzer.correlation.wire import SECOND, Wire
from analyzer.language import N_, say

OUTBURST = 10 * SECOND
SILENCE_REACH = (
    1200 * SECOND
)  # Linux gives up retransmitting after about 15 minutes (tcp_retries2, 924.6 s at the least)
SILENCE_EARLY = 120 * SECOND  # and an application before its kernel, which goes on repeating
HOSTS = ["client_ip", "server_ip", "server_port"]
# What a tie may rest on: with a host, on time that says little, since the host says something; on time alone, only where it says much.
MOST_CHANCE = {"host": 0.9, "time": 0.2}
FOREIGN = 0.05  # where a line names a host that the capture does not show
COLUMNS = ["row", "ending", "lag", "tie", "tie_sentence", "coincidence"]


def by_host_and_time(
    lines: pd.DataFrame, wire: Wire, named: pd.DataFrame, all_lines: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ties (COLUMNS) of lines without a connection's name, and those that chance would make as well, which are none.

    `named` holds the ties by name: their endings are taken, log by log.
    """
    lines = lines[lines["event"].isin(ALONE)]
    targets = _targets(wire)
    found = [pd.DataFrame(columns=COLUMNS)]
    if lines.empty or targets.empty:
        return found[0], found[0]
    lines = _translated(lines.assign(leader=_leaders(lines)), wire, all_lines)
    log_of = all_lines["log"]
    for log, own in lines.groupby("log", sort=False):
        taken = set(named.loc[named["row"].map(log_of) == log, "ending"])
        given = own[HOSTS].notna()
        for which in sorted(set(given.itertuples(index=False, name=None)), key=lambda some: -sum(some)):
            some = own[(given == list(which)).all(axis=1)]
            keys = [name for name, is_given in zip(HOSTS, which, strict=True) if is_given]
            free = targets[~targets["ending"].isin(taken)]
            tied = _nearest(some, free, targets, wire, keys)
            taken |= set(tied.loc[tied["certain"].astype(bool), "ending"])
            found.append(tied)
    out = pd.concat([part for part in found if len(part)] or found[:1], ignore_index=True)
    certain = out["certain"].astype(bool) if len(out) else pd.Series(dtype=bool)
    return out.loc[certain, COLUMNS], out.loc[~certain, COLUMNS]


def _nearest(
    lines: pd.DataFrame, free: pd.DataFrame, targets: pd.DataFrame, wire: Wire, keys: list[str]
) -> pd.DataFrame:
    pairs = _pairs(lines, free, keys)
    if pairs.empty:
        return pd.DataFrame(columns=[*COLUMNS, "certain"])
    density = lines["leader"].nunique() / max(
        wire.seconds, float(np.ptp(lines["time"].to_numpy(dtype=np.int64))) / SECOND
    )
    by_row = lines.set_index("row")
    pairs = scored(pairs, by_row, targets, density)
    group = free.groupby(keys, sort=False).ngroup() if keys else pd.Series(0, index=free.index)
    pairs["group"] = pairs["target"].map(group).astype("int64")
    pairs["ending"] = targets["ending"].reindex(pairs["target"]).to_numpy(dtype=object)
    leaders = pairs[pairs["row"].isin(lines["leader"])]
    chosen = assign(leaders, by_row["time"], targets["t"])
    if chosen.empty:
        return pd.DataFrame(columns=[*COLUMNS, "certain"])
    chance, among_unlike = _chance(chosen, leaders, by_row, targets, wire, keys, STRAYS * density)
    chosen = chosen.assign(coincidence=chance)
    limit = MOST_CHANCE["host" if {"client_ip", "server_ip"} & set(keys) else "time"]
    foreign = by_row["foreign"].notna().reindex(chosen["row"]).to_numpy()
    chosen["certain"] = among_unlike <= np.where(foreign, FOREIGN, limit)
    lead = chosen.set_index("row")
    follow = lines.assign(ending=lines["leader"].map(lead["ending"]).astype(object)).dropna(subset=["ending"])
    follow = follow.assign(**{name: follow["leader"].map(lead[name]) for name in ("coincidence", "certain")})
    tied = follow[["row", "ending", "leader", "coincidence", "certain"]].merge(
        pairs[["row", "ending", "lag"]], on=["row", "ending"]
    )
    tied = tied.sort_values("lag", key=abs).drop_duplicates("row")
    tied["tie"] = "host" if {"client_ip", "server_ip"} & set(keys) else "time"
    tied["tie_sentence"] = _sentences(tied, by_row, keys)
    return tied[[*COLUMNS, "certain"]]


def _targets(wire: Wire) -> pd.DataFrame:
    """What such a line can be tied to: each ending, once for each direction in which it was reset (at the first such reset), or at its
    own time when it was not."""
    resets = wire.resets.dropna(subset=["ending"]).drop_duplicates(["ending", "from_client"])[
        ["ending", "from_client", "t"]
    ]
    endings = wire.endings[~wire.endings["kind"].isin(QUIET)]
    merged = endings.drop(columns="t").merge(resets, on="ending")
    quiet = endings[~endings["ending"].isin(merged["ending"])].assign(from_client=None)
    return (
        pd.concat([part for part in (merged, quiet) if len(part)] or [merged], ignore_index=True)
        .astype({"from_client": "boolean", "t": "int64"})
        .reset_index(drop=True)
    )


def _translated(lines: pd.DataFrame, wire: Wire, all_lines: pd.DataFrame) -> pd.DataFrame:
    """The lines with addresses that the capture does not show left out; lines of other hosts left out.

    An address that the capture does not show may be the same host's before or after translation, unless the same log names others of
    that side which the capture does show: then it is simply another host.
    """
    for side in ("client", "server"):
        shown = all_lines[f"{side}_ip"].isin(wire.addresses).groupby(all_lines["log"]).any()
        strange = lines[f"{side}_ip"].notna() & ~lines[f"{side}_ip"].isin(wire.addresses)
        other = strange & lines["log"].map(shown).astype(bool)
        blank = (strange & ~other).astype(bool)
        lines = lines.assign(
            **{name: lines[name].mask(blank) for name in (f"{side}_ip", f"{side}_port")},
        )[~other.astype(bool)]
    return lines


def _leaders(lines: pd.DataFrame) -> pd.Series:
    """For each line the row of the first line of the same outburst of its process: what a process says of one end, it says at once."""
    ordered = lines.sort_values(["log", "process", "time"], kind="stable")
    known = ordered["process"].notna()
    previous = ordered.groupby(["log", "process"], sort=False, dropna=True)["time"].shift()
    begins = ~known | previous.isna() | (ordered["time"] - previous > OUTBURST)
    return ordered["row"].where(begins).ffill().astype("int64").reindex(lines.index)


def _pairs(lines: pd.DataFrame, targets: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Candidates: resets and FINs within the log's reach, silences within what a stack takes to give up."""
    silent = (targets["kind"] == "silence").fillna(False).astype(bool)
    patient = lines[lines["event"].map(lambda event: SILENCE in RULES[event].alone).astype(bool)]
    near = candidates(lines, targets[~silent], keys)
    near["reach"] = lines.set_index("row")["reach"].reindex(near["row"]).to_numpy(dtype=np.int64)
    late = patient.assign(reach=SILENCE_REACH, tolerance=patient["tolerance"] + SILENCE_EARLY)
    far = candidates(late, targets[silent], keys).assign(reach=SILENCE_REACH)
    return pd.concat([part for part in (near, far) if len(part)] or [near], ignore_index=True)


def _chance(
    chosen: pd.DataFrame,
    pairs: pd.DataFrame,
    lines: pd.DataFrame,
    targets: pd.DataFrame,
    wire: Wire,
    keys: list[str],
    stray: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The chance that time alone made the tie, that another ending is meant, or that the clock it rests on is itself an accident; and
    the same where endings that are alike and all have their lines count as one."""
    group = targets.groupby(keys, sort=False).ngroup() if keys else pd.Series(0, index=targets.index)
    count = group.map(group.value_counts()).reindex(chosen["target"]).to_numpy(dtype=np.float64)
    own = lines.loc[chosen["row"]]
    lag = np.abs(chosen["lag"].to_numpy(dtype=np.float64)) / SECOND
    near = by_time(lag, own["tolerance"].to_numpy(dtype=np.float64) / SECOND, count / wire.seconds)
    clock = own["clock_chance"].fillna(0.0).to_numpy(dtype=np.float64)
    alike = targets.groupby(["kind", "client_ip", "server_ip", "server_port"], dropna=False, sort=False).ngroup()
    others, unlike = ambiguity(chosen, pairs, stray, alike)
    return either(near, others, clock), either(near, unlike, clock)


# By what the line names.
_FITTING = {
    ("client_ip", "server_ip", "server_port"): N_(
        "the line's client ip and server ip and port, and its time, fit this connection"
    ),
    ("client_ip", "server_ip"): N_("the line's client ip and server ip, and its time, fit this connection"),
    ("client_ip", "server_port"): N_("the line's client ip and server port, and its time, fit this connection"),
    ("server_ip", "server_port"): N_("the line's server ip and port, and its time, fit this connection"),
    ("client_ip",): N_("the line's client ip and its time fit this connection"),
    ("server_ip",): N_("the line's server ip and its time fit this connection"),
    ("server_port",): N_("the line's server port and its time fit this connection"),
    (): N_("its time fits this ending better than any other; it names no address"),
}


def _sentences(tied: pd.DataFrame, lines: pd.DataFrame, keys: list[str]) -> pd.Series:
    base = say(_FITTING[tuple(keys)])
    places: dict[Any, Any] = lines["line"].to_dict()
    foreign, process = lines["foreign"].to_dict(), lines["process"].to_dict()
    out = []
    for row, leader in zip(tied["row"], tied["leader"], strict=True):
        if row != leader:
            values = {"process": str(process[row]), "line": int(places[leader])}
            out.append(say("process {process} wrote it together with line {line}, which is tied by time", **values))
        elif isinstance(foreign[row], str):
            out.append(
                say(
                    "its time fits this connection; it names {ip}, which the capture does not show (translated on the way?)",
                    ip=foreign[row],
                )
            )
        else:
            out.append(base)
    return pd.Series(out, index=tied.index, dtype=object)
