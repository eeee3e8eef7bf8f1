"""Where logs and capture do not go together: endings that no line speaks of, and lines that the capture contradicts.

Lives here: `remarks`. A log that should have spoken and did not is a fact about that log, never about the ending.
Never here: why a line is left over (leftovers.py).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyzer.correlation.leftovers import clock
from analyzer.correlation.wire import SECOND, Wire
from analyzer.language import N_, say

COLUMNS = ["ending", "source", "line", "kind", "sentence"]
MARGIN = 60 * SECOND  # a log goes on for a while before its first and after its last line that says anything


def remarks(lines: pd.DataFrame, matches: pd.DataFrame, unmatched: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """LOG_REMARKS: first what contradicts, then what is silent.

    matches    with the column `row`
    unmatched  with the columns `ending` and `against`: lines whose writer's own reset is the only one
    """
    if lines.empty or wire.endings.empty:
        return pd.DataFrame(columns=COLUMNS)
    parts = [_against(unmatched), _after_own(lines, matches, wire), _silent(lines, matches, wire)]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)[COLUMNS]


def _against(unmatched: pd.DataFrame) -> pd.DataFrame:
    """Lines that say "by peer" where the capture shows only a reset with the writer's own address."""
    found = unmatched[unmatched["against"].notna() & unmatched["ending"].notna()].copy()
    found["kind"] = "contradiction"
    found["sentence"] = [
        say(
            "{source} line {line} says that a reset came to its host; the capture shows none, only one with that host's own address, at {time}",
            source=source, line=int(line), time=clock(int(at)),
        )
        for source, line, at in zip(found["source"], found["line"], found["against"], strict=True)
    ]  # fmt: skip
    return found


def _after_own(lines: pd.DataFrame, matches: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """Lines that say "by peer" of a connection whose first reset carries the writer's own address."""
    said = matches[(matches["event"] == "reset_received") & matches["writer"].isin(["client", "server"])]
    first = (
        wire.resets.dropna(subset=["ending"]).sort_values("t").drop_duplicates("ending")[["ending", "from_client", "t"]]
    )
    found = said.merge(first, on="ending")
    own = found["from_client"].to_numpy(dtype=bool) == (found["writer"] == "client").to_numpy()
    found = pd.DataFrame(found[own])
    found["kind"] = "contradiction"
    found["sentence"] = [
        say(_FIRST[writer], source=source, line=int(line), time=clock(int(t)))
        for source, line, writer, t in zip(found["source"], found["line"], found["writer"], found["t"], strict=True)
    ]
    return found


# By the side that wrote the line.
_FIRST = {
    "client": N_(
        "{source} line {line} blames the peer; the capture shows a reset with the client's address first, at {time}, and the peer's only after it"
    ),
    "server": N_(
        "{source} line {line} blames the peer; the capture shows a reset with the server's address first, at {time}, and the peer's only after it"
    ),
}


def _silent(lines: pd.DataFrame, matches: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """Endings that no line of a log speaks of although the log is one of their two hosts: did it cover that moment?"""
    hosts = _hosts(lines, matches, wire)
    timed = lines[lines["time"].notna()].astype({"time": "int64"})
    spans = timed.groupby("log")["time"].agg(["min", "max"])
    heard = matches.join(lines["log"], on="row")[["ending", "log"]].drop_duplicates()
    parts = []
    for side in ("client", "server"):
        pairs = wire.endings[["ending", "t", f"{side}_ip"]].merge(
            hosts[hosts["side"] == side], left_on=f"{side}_ip", right_on="ip"
        )
        parts.append(pairs[["ending", "t", "log", "ip", "side"]])
    pairs = pd.concat(parts, ignore_index=True).merge(heard.assign(heard=True), on=["ending", "log"], how="left")
    pairs = pairs[pairs["heard"].isna()].join(spans, on="log")
    covered = (pairs["t"] >= pairs["min"] - MARGIN) & (pairs["t"] <= pairs["max"] + MARGIN)
    pairs["kind"] = np.where(covered, "silent", "not_covered")
    pairs["source"], pairs["line"] = pairs["log"], pd.NA
    names, ips = pairs["log"].astype(str), pairs["ip"].astype(str)
    first, last = (pairs["log"].map(spans[name].map(clock)) for name in ("min", "max"))
    pairs["sentence"] = [
        say("{log} is of {ip} and has lines from before and after, but none of this ending", log=log, ip=ip)
        if inside
        else say("{log} is of {ip} and says nothing of this moment: its lines that say anything reach from {first} to {last}",
                 log=log, ip=ip, first=begin, last=end)
        for log, ip, inside, begin, end in zip(names, ips, covered, first, last, strict=True)
    ]  # fmt: skip
    return pairs


def _hosts(lines: pd.DataFrame, matches: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """(log, ip, side): whose log each is: as told, else the machines at the writer's end of the connections that its lines are tied to."""
    told = lines[["log", "writer_host", "writer"]].dropna().drop_duplicates()
    told = told[told["writer_host"].isin(wire.addresses)].rename(columns={"writer_host": "ip", "writer": "side"})
    ends = matches.join(lines["log"], on="row").merge(wire.endings[["ending", "client_ip", "server_ip"]], on="ending")
    parts = [told]
    for side in ("client", "server"):
        own = ends[ends["writer"] == side]
        parts.append(own[["log", f"{side}_ip"]].rename(columns={f"{side}_ip": "ip"}).assign(side=side))
    return pd.concat(parts, ignore_index=True).drop_duplicates(["log", "ip", "side"])
