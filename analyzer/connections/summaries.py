"""Sums over the connections of one capture point: HOSTS, GAPS and TRAFFIC.

Lives here: the baselines of the population.
Never here: single connections (closing.py), where the capture was taken (coverage.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.connections import sums
from analyzer.connections.columns import floats, integers, seconds, strings, times
from analyzer.connections.kernels import NEVER
from analyzer.connections.layout import MINUTE
from analyzer.connections.settling import Settled
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
    settled = seconds(hosts["rtt_min"], hosts["as_client"] + hosts["as_server"] > 0).where(hosts["rtt_min"] != NEVER)
    frame = pd.DataFrame(
        {
            "point": strings([point], np.zeros(len(hosts))),
            "ip": ip,
            "packets": integers(hosts["packets"]),
            "as_client": _counted(connections["client_ip"], ip) + hosts["as_client"],
            "as_server": _counted(connections["server_ip"], ip) + hosts["as_server"],
            "ttl_usual": integers(ttl, established > 0),
            "ttl_share": floats(ttl_count / np.maximum(established, 1), established > 0),
            "syn_ttl_usual": integers(syn_ttl, syn_ttl >= 0),
            "zero_id_share": floats(hosts["zero_id"] / np.maximum(established4, 1), established4 > 0),
            "rtt_min": pd.concat(
                [trips.groupby("ip")["rtt"].min().reindex(ip).reset_index(drop=True), settled], axis=1
            ).min(axis=1),
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


def _paths(rows: Array, texts: list[str]) -> dict[str, pd.Series]:
    """PATH of settled sums."""
    return {
        "client_ip": strings(texts, rows["client"]),
        "server_ip": strings(texts, rows["server"]),
        "server_port": integers(rows["port"]),
    }


def gaps_table(
    point: str, connections: pd.DataFrame, settled: Array, texts: list[str], first_connection: int
) -> pd.DataFrame:
    """GAPS, by path: the longest silence that each is known to survive, and which connection survived it.

    Parameters
    ----------
    connections : CONNECTIONS
        Of this point.
    settled : array of sums.PATH
        What connections came to that are no rows any more; hosts are places in `texts` or sums.ANY, numbers count from `first_connection`.
    """
    if connections.empty:
        return GAPS.empty()
    columns = [*PATH, "connection", "longest_gap_survived"]
    rows = connections[columns].assign(connections=1)
    if len(settled):
        more = pd.DataFrame(
            {
                **_paths(settled, texts),
                "connection": integers(first_connection + settled["survivor"]),
                "longest_gap_survived": seconds(settled["survived"], settled["survived"] > 0),
                "connections": settled["connections"],
            }
        )
        rows = pd.concat([rows, more], ignore_index=True)
    best_first = rows.sort_values(["longest_gap_survived", "connection"], ascending=[False, True], na_position="last")
    paths = best_first.groupby(PATH, sort=True, dropna=False)
    frame = paths.agg(
        connections=("connections", "sum"),
        longest_survived=("longest_gap_survived", "max"),
        survivor=("connection", "first"),
    ).reset_index()
    frame["survivor"] = frame["survivor"].where(frame["longest_survived"].notna())
    return GAPS.conform(frame.assign(point=point))


def traffic_table(
    point: str, rows: Array, ended: pd.Series, path: tuple[Array, Array, Array], settled: Settled, texts: list[str]
) -> pd.DataFrame:
    """TRAFFIC, sorted by minute and path: all connections, settled or not.

    Parameters
    ----------
    rows : array of layout.CONNECTION
    ended : Series
        What became of each, as CONNECTIONS has it.
    path : (client, server, port)
        Of each row; hosts are places in `texts`.
    settled : Settled
        What connections came to that are no rows any more.
    """
    paths = np.zeros(len(rows), sums.PATH)
    paths["client"], paths["server"], paths["port"] = path
    ends = [(ended == "well").to_numpy(bool), (ended == "reset").to_numpy(bool)]
    codes = np.select(ends, [sums.ENDED_WELL, sums.ENDED_RESET], sums.ENDED_ELSE)
    here = sums.minutes_of(rows["first"], rows["last"], codes, paths)
    minutes = sums.merged_minutes(np.concatenate([settled.minutes, *settled.late, here]))
    place = np.argsort(np.argsort(np.array([*texts, ""])))
    order = np.lexsort([minutes["port"], place[minutes["server"]], place[minutes["client"]], minutes["minute"]])
    minutes = minutes[order]
    frame = pd.DataFrame(
        {
            "point": strings([point], np.zeros(len(minutes))),
            "minute": times(minutes["minute"] * MINUTE),
            **_paths(minutes, texts),
            **{name: integers(minutes[name]) for name in sums.COUNTS},
        }
    )
    return TRAFFIC.conform(frame)
