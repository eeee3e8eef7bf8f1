"""What the other connections say about an ending: probes, paths, the same moment, the next attempt.

Lives here: joins of ENDINGS with CONNECTIONS, GAPS and HOSTS, all by column.
Never here: a connection's own packets (packet_facts.py, exchange_facts.py).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyzer.endings import moments, timers
from analyzer.endings.keyed import Timeline, codes, nanoseconds

# An exchange without payload shorter than this can be a probe; monitors give up or hang up within seconds.
PROBE_SECONDS = 5.0
# Resets of one server within this time of each other may have one reason.
MOMENT = 1_000_000_000  # ns

PATH = ["point", "client_ip", "server_ip", "server_port"]
SERVICE = ["point", "server_ip", "server_port"]


def probes(connections: pd.DataFrame) -> pd.DataFrame:
    """Return PATH -> probe_count (Int64), probe_period [s] and probe_variation (Float64): handshakes that nothing followed."""
    c = connections
    length = (c["last"] - c["first"]).dt.total_seconds()
    quiet = (
        c["handshake"].fillna(False)
        & (c["client_bytes"] == 0).fillna(False)
        & (length <= PROBE_SECONDS)
        & (c["ended"] != "open")
    )
    probe = c.loc[quiet.astype(bool), [*PATH, "first"]].sort_values("first")
    if probe.empty:
        return pd.DataFrame(columns=[*PATH, "probe_count", "probe_period", "probe_variation"])
    step = probe.groupby(PATH)["first"].diff().dt.total_seconds()
    grouped = step.groupby([probe[name] for name in PATH])
    out = pd.DataFrame({"probe_count": probe.groupby(PATH).size(), "probe_period": grouped.median()})
    out["probe_variation"] = grouped.std(ddof=0) / grouped.mean()
    out.loc[out["probe_count"] < 3, ["probe_period", "probe_variation"]] = np.nan
    return out.reset_index()


def services(connections: pd.DataFrame) -> pd.DataFrame:
    """Return SERVICE -> port_accepts (boolean): a SYN-ACK came from that port."""
    accepted = connections["history"].str.contains("h", regex=False).fillna(False) | connections["server_isn"].notna()
    table = connections[SERVICE].assign(port_accepts=accepted.astype("boolean"))
    return table.groupby(SERVICE, as_index=False).agg(port_accepts=("port_accepts", "max"))


def next_attempts(endings: pd.DataFrame, connections: pd.DataFrame) -> pd.DataFrame:
    """Return per row of ENDINGS: reconnected [s], retry_refused, path_works_again, from the path's later connections."""
    out = pd.DataFrame(
        {
            "reconnected": pd.Series(pd.NA, index=endings.index, dtype="Float64"),
            "retry_refused": pd.Series(pd.NA, index=endings.index, dtype="boolean"),
            "path_works_again": pd.Series(False, index=endings.index, dtype="boolean"),
        }
    )
    later = connections.dropna(subset=["first"])
    if endings.empty or later.empty:
        return out
    path, of_later = codes(PATH, endings, later)
    at, first = nanoseconds(endings["time"]), nanoseconds(later["first"])
    opened = Timeline(of_later, first, int(min(at.min(), first.min())))
    place, there = opened.following(path, at)
    refused = (later["conn_state"] == "REJ").fillna(False).to_numpy(dtype=bool)[opened.order]
    worked = (
        ((later["server_bytes"] > 0) | (later["conn_state"] == "SF")).fillna(False).to_numpy(dtype=bool)[opened.order]
    )
    # Where each path's last connection that worked stands: after everything before it, the path works again.
    last_good = (
        pd.Series(np.flatnonzero(worked)).groupby(opened.group[worked]).max().reindex(path).to_numpy(dtype=float)
    )
    wait = pd.Series((opened.time[place] - at) / 1e9, index=endings.index)
    out["reconnected"] = wait.mask(~there).astype("Float64")
    out["retry_refused"] = pd.Series(refused[place], index=endings.index).astype("boolean").mask(~there)
    out["path_works_again"] = pd.Series(there & (last_good >= place), index=endings.index).astype("boolean")
    return out


def same_moment(endings: pd.DataFrame) -> pd.Series:
    """Return per row how many other resets of the same server address fell within MOMENT seconds (Int64)."""
    out = pd.Series(0, index=endings.index, dtype="Int64")
    resets = endings[endings["kind"] == "reset"]
    if resets.empty:
        return out
    (host,) = codes(["point", "server_ip"], resets)
    times = nanoseconds(resets["time"])
    line = Timeline(host, times, int(times.min()) - MOMENT)
    out.loc[resets.index] = line.count(host, times, MOMENT, MOMENT) - 1
    return out


def add(endings: pd.DataFrame, connections: pd.DataFrame, gaps: pd.DataFrame, hosts: pd.DataFrame) -> pd.DataFrame:
    """Return ENDINGS with the columns of the section "the population" filled in."""
    if endings.empty:
        return endings
    out = endings.reset_index(drop=True)
    survived = gaps.rename(columns={"longest_survived": "path_survived"})[[*PATH, "path_survived"]]
    spoke = hosts.assign(host_alive=(hosts["packets"] > hosts["resets"]).astype("boolean")).rename(
        columns={"ip": "server_ip"}
    )
    for table, keys in (
        (probes(connections), PATH), (services(connections), SERVICE), (survived, PATH),
        (spoke[["point", "server_ip", "host_alive"]], ["point", "server_ip"]),
    ):  # fmt: skip
        added = [name for name in table.columns if name not in keys]
        merged = out[keys].merge(table, on=keys, how="left")
        for name in added:
            out[name] = merged[name].to_numpy()
    for column, values in next_attempts(out, connections).items():
        out[column] = values
    out["same_moment"] = same_moment(out)
    for column, values in timers.brackets(out).items():
        out[column] = values
    return moments.add(out, connections)
