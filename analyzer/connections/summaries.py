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


def hosts_table(
    point: str, hosts: Array, texts: list[str], place: Array, connections: Array, paths: Array
) -> pd.DataFrame:
    """HOSTS, the busiest first.

    Parameters
    ----------
    hosts : array of layout.HOST
    texts : list of str
        The address of each row.
    place : integer array
        Of each row, in the order of addresses.
    connections : array of layout.CONNECTION
        Round trips.
    paths : array of sums.PATH
        A row for each connection: who was client and server.
    """
    ttl, ttl_count = _usual(hosts["ttl"], hosts["ttl_count"])
    syn_ttl, _ = _usual(hosts["syn_ttl"], hosts["syn_ttl_count"])
    established = hosts["established"]
    established4 = hosts["established4"]
    settled = hosts["as_client"] + hosts["as_server"] > 0
    trip = np.where(settled, hosts["rtt_min"], NEVER)
    for end in ("client", "server"):
        known = connections[f"{end}_rtt"] >= 0
        np.minimum.at(trip, paths[end][known], connections[f"{end}_rtt"][known])
    frame = pd.DataFrame(
        {
            "point": strings([point], np.zeros(len(hosts))),
            "ip": strings(texts, np.arange(len(hosts))),
            "packets": integers(hosts["packets"]),
            "as_client": integers(np.bincount(paths["client"], minlength=len(hosts)) + hosts["as_client"]),
            "as_server": integers(np.bincount(paths["server"], minlength=len(hosts)) + hosts["as_server"]),
            "ttl_usual": integers(ttl, established > 0),
            "ttl_share": floats(ttl_count / np.maximum(established, 1), established > 0),
            "syn_ttl_usual": integers(syn_ttl, syn_ttl >= 0),
            "zero_id_share": floats(hosts["zero_id"] / np.maximum(established4, 1), established4 > 0),
            "rtt_min": seconds(trip, trip != NEVER),
            "frames_in": integers(hosts["incoming"]),
            "frames_out": integers(hosts["outgoing"]),
            "resets": integers(hosts["resets"]),
        },
        copy=False,
    )
    return HOSTS.conform(frame.take(np.lexsort([place, -hosts["packets"]])))


def _usual(values: Array, counts: Array) -> tuple[Array, Array]:
    """The most frequent value of each row, the higher one of equals, and how often; -1 and 0 where there is none."""
    if len(values) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    best = np.argmax(counts * 256 + values, axis=1)
    rows = np.arange(len(values))
    return values[rows, best], counts[rows, best]


def _paths(rows: Array, texts: list[str]) -> dict[str, pd.Series]:
    """PATH of settled sums."""
    return {
        "client_ip": strings(texts, rows["client"]),
        "server_ip": strings(texts, rows["server"]),
        "server_port": integers(rows["port"]),
    }


def gaps_table(
    point: str, paths: Array, settled: Array, texts: list[str], place: Array, first_connection: int
) -> pd.DataFrame:
    """GAPS, by path: the longest silence that each is known to survive, and which connection survived it.

    Parameters
    ----------
    paths : array of sums.PATH
        A row for each connection; hosts are places in `texts`, numbers count from `first_connection`.
    settled : array of sums.PATH
        What connections came to that are no rows any more; the client may be sums.ANY.
    place : integer array
        Of each of `texts`, in the order of addresses.
    """
    if not len(paths):
        return GAPS.empty()
    rows = sums.merged_paths(np.concatenate([paths, settled]))
    last = np.append(place, len(texts))  # any client comes behind all others
    rows = rows.take(np.lexsort([rows["port"], last[rows["server"]], last[rows["client"]]]))
    survived = rows["survived"] > 0
    frame = pd.DataFrame(
        {
            "point": strings([point], np.zeros(len(rows))),
            **_paths(rows, texts),
            "connections": integers(rows["connections"]),
            "longest_survived": seconds(rows["survived"], survived),
            "survivor": integers(first_connection + rows["survivor"], survived),
        },
        copy=False,
    )
    return GAPS.conform(frame)


def traffic_table(
    point: str, rows: Array, ended: pd.Series, paths: Array, settled: Settled, texts: list[str], place: Array
) -> pd.DataFrame:
    """TRAFFIC, sorted by minute and path: all connections, settled or not.

    Parameters
    ----------
    rows : array of layout.CONNECTION
    ended : Series
        What became of each, as CONNECTIONS has it.
    paths : array of sums.PATH
        A row for each of them; hosts are places in `texts`.
    settled : Settled
        What connections came to that are no rows any more.
    place : integer array
        Of each of `texts`, in the order of addresses.
    """
    ends = [(ended == "well").to_numpy(bool), (ended == "reset").to_numpy(bool)]
    codes = np.select(ends, [sums.ENDED_WELL, sums.ENDED_RESET], sums.ENDED_ELSE)
    here = sums.minutes_of(rows["first"], rows["last"], codes, paths)
    minutes = sums.merged_minutes(np.concatenate([settled.minutes, *settled.late, here]))
    first = np.append(place, -1)  # any client comes before all others
    minutes = minutes.take(
        np.lexsort([minutes["port"], first[minutes["server"]], first[minutes["client"]], minutes["minute"]])
    )
    frame = pd.DataFrame(
        {
            "point": strings([point], np.zeros(len(minutes))),
            "minute": times(minutes["minute"] * MINUTE),
            **_paths(minutes, texts),
            **{name: integers(minutes[name]) for name in sums.COUNTS},
        },
        copy=False,
    )
    return TRAFFIC.conform(frame)
