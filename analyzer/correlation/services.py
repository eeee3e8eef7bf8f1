"""Lines about a service, not about one connection: a server that could not listen, and the connections that were refused meanwhile.

Lives here: `by_service`. One such line may explain many refusals, so these ties alone are not one to one.
Never here: lines about one connection (ties.py, nearest.py), or how much the explanation weighs (causes).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyzer.correlation.rules import REFUSAL_STAGE
from analyzer.correlation.scoring import by_time, either
from analyzer.correlation.wire import SECOND, Wire
from analyzer.language import Sentence, say

# How long after a failed attempt to listen a refusal may come (services are started again and again), and how long before it.
BEFORE, AFTER = 600 * SECOND, 60 * SECOND
COLUMNS = ["row", "ending", "lag", "tie", "tie_sentence", "coincidence"]


def by_service(lines: pd.DataFrame, wire: Wire, all_lines: pd.DataFrame) -> pd.DataFrame:
    """Ties (COLUMNS) of lines that say that a port was in use (`lines`: row, time, tolerance …) to refusals of that port or, where the line
    names none, of the only service that refused around then; not across a line of `all_lines` that says that the server started.
    """
    refused = wire.endings[(wire.endings["kind"] == "reset") & (wire.endings["stage"] == REFUSAL_STAGE)]
    refused = refused[refused["sender_ip"] == refused["server_ip"]].sort_values("t")
    if lines.empty or refused.empty:
        return pd.DataFrame(columns=COLUMNS)
    started = all_lines[(all_lines["event"] == "started") & all_lines["time"].notna()]
    found = [
        _of_log(own, refused, started[started["log"] == log], wire) for log, own in lines.groupby("log", sort=False)
    ]
    return pd.concat([part for part in found if len(part)] or found[:1], ignore_index=True)


def _of_log(own: pd.DataFrame, refused: pd.DataFrame, started: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """For each refusal the nearest line of one log that may explain it."""
    lines = pd.DataFrame(
        {
            "row": own["row"],
            "time": own["time"].astype("int64"),
            "tolerance": own["tolerance"].astype("int64"),
            "clock": own["clock_chance"].fillna(0.0).astype("float64"),
            "own_ip": own["server_ip"].astype(object),
            "port": own["server_port"].astype("Int64"),
        }
    ).sort_values("time")
    targets = refused[["ending", "t", "server_ip", "server_port"]].astype({"t": "int64", "server_ip": "object"})
    targets["port"] = targets["server_port"].astype("Int64")
    begun = np.sort(started["time"].to_numpy(dtype=np.int64))
    pairs = []
    for named in (True, False):
        some = _nearest(targets, lines[lines["port"].notna() == named], ["port"] if named else None)
        elsewhere = some["own_ip"].isin(wire.addresses) & (some["own_ip"] != some["server_ip"])
        since = np.searchsorted(begun, some["time"].to_numpy()) < np.searchsorted(begun, some["t"].to_numpy())
        some = some[(some["time"] <= some["t"] + AFTER) & ~elsewhere & ~since]
        if named or len(some[["server_ip", "server_port"]].drop_duplicates()) == 1:
            pairs.append(some.assign(named=named))
    both = pd.concat(pairs, ignore_index=True).drop_duplicates("ending")
    lag = (both["time"] - both["t"]).astype("int64")
    rate = np.full(len(both), 1 / wire.seconds)  # of outages of a service, however many it turned away
    seconds, tolerance = (values.to_numpy(dtype=np.float64) / SECOND for values in (lag.abs(), both["tolerance"]))
    chance = either(by_time(seconds, tolerance, rate), both["clock"].to_numpy(dtype=np.float64))
    sentences = [_sentence(*row) for row in zip(both["server_ip"], both["server_port"], both["named"], strict=True)]
    told = pd.Series(sentences, index=both.index, dtype=object)
    return both.assign(lag=lag, tie="host", tie_sentence=told, coincidence=chance)[COLUMNS].astype({"row": "int64"})


def _nearest(targets: pd.DataFrame, lines: pd.DataFrame, by: list[str] | None) -> pd.DataFrame:
    """Each refusal with the line nearest in time, of those that name its port (`by`) or of all."""
    if by is None:
        lines = lines.drop(columns="port")
    found = pd.merge_asof(targets, lines, left_on="t", right_on="time", by=by, direction="nearest", tolerance=BEFORE)
    return found.dropna(subset=["row"])


def _sentence(ip: str, port: int, named: bool) -> Sentence:
    if named:
        return say(
            "its writer could not listen on port {port}, and {ip} refuses connections to it around that time",
            ip=ip,
            port=port,
        )
    return say(
        "its writer could not listen, and port {port} of {ip} is the only one that refuses connections around that time",
        ip=ip,
        port=port,
    )
