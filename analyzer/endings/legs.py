"""The two connections of a proxy: what its host had met on one of them just before it ended the other.

Lives here: which addresses are one host's, which resets it received and what it then ended, paired one to one in time (`add`); and the
same for connections that vantage found to carry the same messages at two capture points (`across`).
Never here: the same connection under two names (vantage), what a relayed end means (causes/relayed_reset.py).

At one point, two connections are taken for a proxy's two legs where one host is server on the one and client on the other. Two addresses are one
host's where the capture was taken there and shows segments of both being made (COVERAGE.local_hosts); what is not known is not paired.
A router that translates addresses also shows one connection under two names; that is no proxy, and is left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer import schema
from analyzer.endings.keyed import codes, nanoseconds
from analyzer.errors import Notice
from analyzer.language import say

LEG_WITHIN = 250_000_000  # ns; a proxy passes an end on within this time
MOST_LOOKED_AT = 50  # resets received in that time that are looked at for one end, the latest first
HERE = "the capturing host"  # stands for all its addresses


def add(
    endings: pd.DataFrame, packets: pd.DataFrame, connections: pd.DataFrame, coverage: pd.DataFrame
) -> pd.DataFrame:
    """Return ENDINGS of one or several points with other_leg, other_leg_delay and other_leg_connection filled in.

    The leg that broke first is a connection on which the apparent sender's host received a reset, in the opposite role, at most
    LEG_WITHIN before it closed or reset this one. Each such reset explains one end, the next.
    """
    out = endings
    out["other_leg"] = pd.Series(pd.NA, index=out.index, dtype="string")
    out["other_leg_delay"] = pd.Series(pd.NA, index=out.index, dtype="Float64")
    out["other_leg_connection"] = pd.Series(pd.NA, index=out.index, dtype="Int64")
    out["other_leg_messages"] = pd.Series(pd.NA, index=out.index, dtype="Int64")
    out["other_leg_error"] = pd.Series(pd.NA, index=out.index, dtype="Float64")
    own = ~out["connection"].isin(_translated(packets, connections)).to_numpy(bool)
    received, ended = out[own & _received(out)], out[own & _ended(out)]
    if received.empty or ended.empty:
        return out
    local = _local(coverage)
    # The receiver of a client's reset is a server there: as a proxy it is the client of its other leg.
    met = pd.DataFrame(
        {"point": received["point"], "host": _host(received, local, of_sender=False), "role": received["apparent_sender"]}
    )  # fmt: skip
    did = pd.DataFrame({"point": ended["point"], "host": _host(ended, local), "role": ended["apparent_sender"]})
    met_key, did_key = codes(["point", "host", "role"], met, did)
    some = np.intersect1d(met_key, did_key)
    if not len(some):
        return out
    opened = dict(zip(connections["connection"], nanoseconds(connections["first"]), strict=True))
    inside = _host(received, local) == met["host"].to_numpy()
    events = [
        *_events(received, met_key, some, nanoseconds(received["time"]), met=True, inside=inside),
        *_events(ended, did_key, some, nanoseconds(ended["time"]) - _since_fin(ended), met=False),
    ]
    pairs = _pairs(sorted(events, key=lambda e: (e["key"], e["at"], e["met"])), opened)
    rows = [did["row"] for did, _ in pairs]
    out.loc[rows, "other_leg"] = [met["sender"] for _, met in pairs]
    out.loc[rows, "other_leg_delay"] = [(did["at"] - met["at"]) / 1e9 for did, met in pairs]
    out.loc[rows, "other_leg_connection"] = [met["connection"] for _, met in pairs]
    return out


def across(endings: pd.DataFrame, carried: pd.DataFrame) -> tuple[pd.DataFrame, list[Notice]]:
    """Return ENDINGS of all points with the same columns, and other_leg_messages and other_leg_error, for the pairs of CARRIED.

    The leg that broke first is told only where the clocks leave no doubt of the order; else a notice says that they do.
    """
    if carried.empty:
        return endings, []
    known = endings[["connection", "point", "apparent_sender", "sender", "other_leg"]].assign(
        row=endings.index, at=nanoseconds(endings["time"]), begun=nanoseconds(endings["time"]) - _since_fin(endings),
        received=_received(endings), ended=_ended(endings),
    )  # fmt: skip
    of_connection = {e.connection: e for e in schema.rows(known)}
    out, notices = endings.copy(), []
    for pair in schema.rows(carried):
        front, back = of_connection.get(pair.front), of_connection.get(pair.back)
        if front is None or back is None or front.apparent_sender != back.apparent_sender:
            continue
        # The receiver of a server's reset is the client there: the proxy, on the connection that it opened.
        met, did, sign = (back, front, 1) if front.apparent_sender == "server" else (front, back, -1)
        if not (met.received and did.ended) or did.other_leg is not None:
            continue
        delay = (did.begun - met.at) / 1e9 + sign * (pair.offset_low + pair.offset_high) / 2
        since = max(abs(did.begun - pair.at.value), abs(met.at - pair.at.value)) / 1e9
        error = (pair.offset_high - pair.offset_low) / 2 + since * pair.drift
        if delay + error <= 0 or delay - error > LEG_WITHIN / 1e9:
            continue
        if delay - error <= 0:
            notices.append(_undecided(pair, met, did, delay, error))
            continue
        out.loc[did.row, "other_leg"] = met.sender
        out.loc[did.row, "other_leg_delay"] = delay
        out.loc[did.row, "other_leg_connection"] = met.connection
        out.loc[did.row, "other_leg_messages"] = pair.messages
        out.loc[did.row, "other_leg_error"] = error
    return out, notices


def _undecided(pair: Any, met: Any, did: Any, delay: float, error: float) -> Notice:
    sentence = say(
        "The connection that {met} reset and the one that {did} ended are two of one proxy, which carried the same {n} messages over both. "
        "Which of them ended first cannot be told: they are {delay:+.6f} s apart, and the clocks are known to {error:.6f} s.",
        n=pair.messages, met=met.sender, did=did.sender, delay=delay, error=error,
    )  # fmt: skip
    return Notice("warning", did.point, "", sentence)


def _received(endings: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return which endings are resets that had an effect on the end that received them."""
    moot = endings["ineffective"].fillna(False) | endings["both_fins_acked"].fillna(False)
    return np.asarray((endings["kind"] == "reset").to_numpy(bool) & ~moot.to_numpy(bool))


def _ended(endings: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return which endings are what the apparent sender did: its reset, or its FIN."""
    closed = endings["sender_fin"].fillna(False).to_numpy(bool) & (endings["kind"] != "silence").to_numpy(bool)
    return np.asarray((endings["kind"] == "reset").to_numpy(bool) | closed)


def _translated(packets: pd.DataFrame, connections: pd.DataFrame) -> set[int]:
    """Return the connections that one point shows under two names: the same initial numbers, or a reset with the same numbers."""
    numbers = connections[["point", "client_isn", "server_isn"]]
    twice = numbers.duplicated(keep=False) & numbers.notna().all(axis=1)
    resets = packets.loc[(packets["flags"] & schema.RST).gt(0).fillna(False), ["point", "seq", "ack", "connection"]]
    resets = resets.drop_duplicates()
    again = resets[resets.duplicated(["point", "seq", "ack"], keep=False)]
    return {*connections.loc[twice, "connection"], *again["connection"]}


def _local(coverage: pd.DataFrame) -> set[tuple[str, str]]:
    """Return (point, address) of each capturing host."""
    return {
        (str(point), ip)
        for point, hosts in zip(coverage["point"], coverage["local_hosts"].fillna(""), strict=True)
        for ip in hosts.split(", ")
    }


def _host(endings: pd.DataFrame, local: set[tuple[str, str]], of_sender: bool = True) -> npt.NDArray[Any]:
    """Return the host of the apparent sender, or of the other end: its address, or HERE."""
    client = (endings["apparent_sender"] == "client") == of_sender
    ips = endings["client_ip"].where(client, endings["server_ip"])
    here = [(point, ip) in local for point, ip in zip(endings["point"], ips, strict=True)]
    return ips.mask(pd.Series(here, index=endings.index), HERE).to_numpy(dtype=object)


def _since_fin(ended: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return how long before its end (ns) the apparent sender had closed, 0 where it had not."""
    since = ended["since_sender_fin"].where(ended["sender_fin"].fillna(False)).fillna(0.0)
    return np.asarray((since.astype("float64") * 1e9).round().to_numpy(), dtype=np.int64)


def _events(rows: pd.DataFrame, key: Any, some: Any, at: Any, *, met: bool, inside: Any = None) -> list[dict[str, Any]]:
    """Return the rows of those keys as plain dicts."""
    chosen = np.isin(key, some)
    table = rows.loc[chosen, ["connection", "sender", "apparent_sender", "client_port", "server_port", "client_bytes"]]
    table = table.assign(
        row=table.index, key=key[chosen], at=at[chosen], met=met, inside=False if inside is None else inside[chosen]
    )
    return schema.records(table)


def _pairs(events: list[dict[str, Any]], opened: dict[int, int]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return (what was ended, the reset met before), from events in order of key and time; each reset is used once."""
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    waiting: list[dict[str, Any]] = []
    key = None
    for event in events:
        if event["key"] != key:
            key, waiting = event["key"], []
        if event["met"]:
            waiting.append(event)
            continue
        for n in range(len(waiting) - 1, max(len(waiting) - 1 - MOST_LOOKED_AT, -1), -1):
            if event["at"] - waiting[n]["at"] > LEG_WITHIN:
                break
            if _may_be_legs(waiting[n], event, opened):
                found.append((event, waiting.pop(n)))
                break
    return found


def _may_be_legs(met: dict[str, Any], did: dict[str, Any], opened: dict[int, int]) -> bool:
    """Tell whether nothing speaks against it that the one broke because of the other.

    The second was open when the first broke. A client that had said nothing (a probe) is no reason to end a session in which was spoken.
    A service that also has clients on its own host passes nothing on when it resets them and others.
    """
    if met["connection"] == did["connection"] or opened.get(did["connection"], did["at"]) > met["at"]:
        return False
    side = f"{did['apparent_sender']}_port"
    if met["inside"] and met[side] == did[side]:
        return False
    return not (met["apparent_sender"] == "client" and met["client_bytes"] == 0 and (did["client_bytes"] or 0) > 0)
