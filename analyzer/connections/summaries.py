"""Sums over the connections of one capture point: HOSTS, GAPS and TRAFFIC.

Lives here: the baselines of the population.
Never here: single connections (closing.py), where the capture was taken (coverage.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.connections.columns import floats, integers
from analyzer.schema import GAPS, HOSTS, TRAFFIC

Array = npt.NDArray[Any]
PATH = ["client_ip", "server_ip", "server_port"]


def hosts_table(point: str, hosts: Array, texts: list[str], connections: pd.DataFrame) -> pd.DataFrame:
    """HOSTS, the busiest first.

    Parameters
    ----------
    hosts : array of layout.HOST
    texts : list of str
        The address of each row.
    connections : CONNECTIONS
        Of this point: roles and round trips.
    """
    ttl, ttl_count = _usual(hosts["ttl"], hosts["ttl_count"])
    syn_ttl, _ = _usual(hosts["syn_ttl"], hosts["syn_ttl_count"])
    established = hosts["established"]
    established4 = hosts["established4"]
    trips = pd.concat(
        [
            connections[["client_ip", "client_rtt"]].set_axis(["ip", "rtt"], axis=1),
            connections[["server_ip", "server_rtt"]].set_axis(["ip", "rtt"], axis=1),
        ]
    )
    ip = pd.Series(texts, dtype="string")
    frame = pd.DataFrame(
        {
            "point": pd.Series([point] * len(hosts), dtype="string"),
            "ip": ip,
            "packets": integers(hosts["packets"]),
            "as_client": _counted(connections["client_ip"], ip),
            "as_server": _counted(connections["server_ip"], ip),
            "ttl_usual": integers(ttl, established > 0),
            "ttl_share": floats(ttl_count / np.maximum(established, 1), established > 0),
            "syn_ttl_usual": integers(syn_ttl, syn_ttl >= 0),
            "zero_id_share": floats(hosts["zero_id"] / np.maximum(established4, 1), established4 > 0),
            "rtt_min": trips.groupby("ip")["rtt"].min().reindex(ip).reset_index(drop=True),
            "frames_in": integers(hosts["incoming"]),
            "frames_out": integers(hosts["outgoing"]),
            "resets": integers(hosts["resets"]),
        }
    )
    return HOSTS.conform(frame.sort_values(["packets", "ip"], ascending=[False, True]))


def _usual(values: Array, counts: Array) -> tuple[Array, Array]:
    """The most frequent value of each row, the higher one of equals, and how often; -1 and 0 where there is none."""
    if len(values) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    best = np.argmax(counts * 256 + values, axis=1)
    rows = np.arange(len(values))
    return values[rows, best], counts[rows, best]


def _counted(column: pd.Series, ip: pd.Series) -> pd.Series:
    return column.value_counts().reindex(ip, fill_value=0).reset_index(drop=True)


def gaps_table(point: str, connections: pd.DataFrame) -> pd.DataFrame:
    """GAPS, by path: the longest silence that each is known to survive, and which connection survived it."""
    if connections.empty:
        return GAPS.empty()
    columns = [*PATH, "connection", "longest_gap_survived"]
    best_first = connections[columns].sort_values(
        ["longest_gap_survived", "connection"], ascending=[False, True], na_position="last"
    )
    paths = best_first.groupby(PATH, sort=True)
    frame = paths.agg(
        connections=("connection", "size"),
        longest_survived=("longest_gap_survived", "max"),
        survivor=("connection", "first"),
    ).reset_index()
    frame["survivor"] = frame["survivor"].where(frame["longest_survived"].notna())
    return GAPS.conform(frame.assign(point=point))


def traffic_table(point: str, connections: pd.DataFrame) -> pd.DataFrame:
    """TRAFFIC, by minute and path: what was opened in it, and what had its last packet in it and ended well or was reset."""
    moments = [
        ("opened", "first", pd.Series(True, index=connections.index)),
        ("ended_well", "last", connections["ended"] == "well"),
        ("reset", "last", connections["ended"] == "reset"),
    ]
    parts = []
    for name, time, chosen in moments:
        rows = connections.loc[chosen.to_numpy(bool) & connections[time].notna().to_numpy(), [*PATH, time]]
        parts.append(rows.assign(minute=rows[time].dt.floor("min"), word=name)[["minute", *PATH, "word"]])
    rows = pd.concat(parts)
    if rows.empty:
        return TRAFFIC.empty()
    counted = rows.groupby(["minute", *PATH, "word"]).size().unstack("word", fill_value=0)
    counted = counted.reindex(columns=[name for name, _, _ in moments], fill_value=0).reset_index()
    counted.columns.name = None
    return TRAFFIC.conform(counted.assign(point=point))
