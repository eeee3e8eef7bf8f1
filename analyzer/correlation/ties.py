"""Lines -> endings: by connection, by process, by host, by time.

Lives here: `tie_lines`, and the ties by name. A line that names its connection, or whose process does (in another line, or towards the
client in what the server says first), is tied to that connection's life and to nothing else. Lines that name less are tied in nearest.py, lines about
a service in services.py.
Never here: what remains (leftovers.py).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from analyzer.correlation.nearest import OUTBURST, by_host_and_time
from analyzer.correlation.rules import QUIET, RULES, SERVICES
from analyzer.correlation.scoring import by_name
from analyzer.correlation.services import by_service
from analyzer.correlation.wire import AFTERWARDS, NO_TIME, OTHER_POINT, SECOND, SERVED, TUPLE, Wire
from analyzer.language import N_, Sentence, say

_BODY = re.compile(r":\s{1,2}(\S.*)$")
COLUMNS = ["row", "ending", "lag", "tie", "tie_sentence", "coincidence"]


def tie_lines(lines: pd.DataFrame, wire: Wire) -> tuple[pd.DataFrame, pd.DataFrame]:
    """MATCHES, with the working column `row` (index of `lines`), and the ties by time that chance would have made as well (row, ending,
    coincidence), which are none."""
    rules = pd.DataFrame({event: [rule.kinds, rule.reset, rule.precedes] for event, rule in RULES.items()}).T
    rules.columns = pd.Index(["kinds", "reset", "precedes"])
    timed = lines[lines["offset"].notna() & lines["event"].isin(list(RULES))]
    plain = {
        "time": "int64",
        "tolerance": "int64",
        "reach": "int64",
        "latest": "int64",
        "offset": "int64",
        "clock_chance": "float64",
    }
    timed = timed.assign(row=timed.index).astype(plain).join(rules, on="event")
    of_service = timed["event"].isin(SERVICES)
    services = by_service(timed[of_service], wire, lines)
    timed = timed[~of_service]
    named = _by_connection(timed[timed["has_end"]], wire, lines)
    rest = timed[~timed["has_end"]]
    served = _by_process(rest, wire)
    named = pd.concat([part for part in (named, served) if len(part)] or [named], ignore_index=True)
    nearest, doubtful = by_host_and_time(rest[~rest["row"].isin(served["row"])], wire, named, lines)
    found = pd.concat([part for part in (named, nearest, services) if len(part)] or [named], ignore_index=True)[COLUMNS]
    out = found.join(lines[["source", "line", "event", "writer", "time"]], on="row")
    out["time"] = pd.to_datetime(out["time"].astype("int64"), utc=True)
    out["lag"] = out["lag"].astype(float) / SECOND
    return out.sort_values(["row", "ending"], ignore_index=True), doubtful


def life_of(lines: pd.DataFrame, wire: Wire, point: str) -> pd.DataFrame:
    """The life that each line's address had at its time, at one point: `row` and the columns of `Wire.lives`.

    A process's `opened` line says when its life began, which decides where a port was used again.
    """
    lives = wire.lives[wire.lives["point"] == point].drop(columns="point")
    tolerance = lines["tolerance"] + (0 if point == wire.point else OTHER_POINT)
    keyed = pd.DataFrame(
        {
            "row": lines["row"],
            "ip": lines["client_ip"].astype(object),
            "port": lines["client_port"].astype("int64"),
            "server_ip": lines["server_ip"].astype(object),
            "at": lines["time"].astype("int64") + tolerance,
            "opened": np.where(
                lines["opened_t"] == NO_TIME, NO_TIME, lines["opened_t"] - lines["offset"].astype("int64") + tolerance
            ),
        }
    )
    # long after the capture the port may be another connection's, unless the process says when it got this one
    ends = wire.spans.loc[wire.spans["point"] == point, "last"]
    in_time = keyed[keyed["at"] <= int(ends.max()) + AFTERWARDS] if len(ends) else keyed
    four = in_time[in_time["server_ip"].notna()].sort_values("at")
    by_four = pd.merge_asof(four, lives, left_on="at", right_on="first", by=["ip", "port", "server_ip"])
    lives, keyed, in_time = (table.drop(columns="server_ip") for table in (lives, keyed, in_time))
    by_line = pd.merge_asof(in_time.sort_values("at"), lives, left_on="at", right_on="first", by=["ip", "port"])
    with_opening = keyed[keyed["opened"] != NO_TIME].sort_values("opened")
    by_opening = pd.merge_asof(with_opening, lives, left_on="opened", right_on="first", by=["ip", "port"])
    by_opening = by_opening[by_opening["opened"] <= by_opening["last"] + 2 * SECOND]
    parts = [part.dropna(subset=["connection"]) for part in (by_opening, by_four.drop(columns="server_ip"), by_line)]
    life = pd.concat([part for part in parts if len(part)] or parts[:1]).drop_duplicates("row")
    return life.drop(columns=["ip", "port", "at", "opened"]).astype({"connection": "int64", "swapped": "bool"})


def last_reset(pairs: pd.DataFrame, wire: Wire, key: str, direction: pd.Series) -> pd.Series:
    """For each (`key`, until) of `pairs` the time of the latest reset up to then; `direction` is from_client, or NA for either.

    `key` is 'ending', whose resets may be of several points, or 'connection'.
    """
    resets = wire.resets.dropna(subset=[key])
    resets = resets.assign(
        key=resets[key].astype(object), moment=resets["t"] - np.where(resets["point"] == wire.point, 0, OTHER_POINT)
    )
    best = pd.Series(NO_TIME, index=pairs.index, dtype="int64")
    for value in (True, False):
        some = resets.loc[resets["from_client"] == value, ["key", "t", "moment"]].sort_values("moment")
        asked = pairs[(direction.isna() | (direction == value)).fillna(False).astype(bool)]
        if asked.empty or some.empty:
            continue
        keyed = pd.DataFrame(
            {"index": asked.index, "key": asked[key].astype(object), "until": asked["until"]}
        ).sort_values("until")
        found = pd.merge_asof(keyed, some, left_on="until", right_on="moment", by="key").dropna(subset=["t"])
        times = pd.Series(found["t"].astype("int64").to_numpy(), index=found["index"].to_numpy())
        best.loc[times.index] = np.maximum(best.loc[times.index], times)
    return best


def toward_writer(writer: pd.Series, swapped: pd.Series | bool) -> pd.Series:
    """Whether a reset toward the writer carries the client's address (`from_client`); NA where the writer is not known."""
    from_client = pd.Series(pd.NA, index=writer.index, dtype="boolean")
    from_client[(writer == "server").fillna(False)] = True
    from_client[(writer == "client").fillna(False)] = False
    return from_client ^ swapped


def _by_connection(lines: pd.DataFrame, wire: Wire, all_lines: pd.DataFrame) -> pd.DataFrame:
    lives = [life_of(lines, wire, point) for point in points(wire)] if len(lines) else []
    if not lives:
        return pd.DataFrame(columns=COLUMNS)
    life = pd.concat(lives).dropna(subset=["ending"]).drop_duplicates("row")[["row", "ending", "swapped"]]
    pairs = lines.merge(life, on="row").merge(
        wire.endings[["ending", "kind", "t"]], on="ending", suffixes=("", "_ending")
    )
    out = _measured(pairs, wire)
    out["coincidence"] = _by_name(out, wire)
    process = (out["address_basis"] == "process").fillna(False)
    out["tie"] = np.where(process, "process", "connection")
    texts, numbers = (all_lines[name].to_numpy(dtype=object) for name in ("text", "line"))
    sentences = [
        _process_sentence(process, named_by, ip, port, texts, numbers)
        if by_process
        else say("the line names {end}", end=_end(ip, port))
        for by_process, process, named_by, ip, port in zip(
            process, out["process"], out["named_by"], out["client_ip"], out["client_port"], strict=True
        )
    ]
    out["tie_sentence"] = pd.Series(sentences, index=out.index, dtype=object)
    return out[COLUMNS]


def _by_name(pairs: pd.DataFrame, wire: Wire) -> np.ndarray[Any, np.dtype[np.float64]]:
    opened = pairs["client_ip"].map(wire.opened["connections"]).fillna(1).to_numpy(dtype=np.float64)
    return by_name(pairs["lag"].to_numpy(dtype=np.float64) / SECOND, opened, opened / wire.seconds)


def _by_process(lines: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """Lines with the number that the server told its client, as the capture shows: PostgreSQL's process, MySQL's connection."""
    served = wire.endings.dropna(subset=["backend_pid"])
    own = lines[lines["backend_pid"].notna()]
    if served.empty or own.empty:
        return pd.DataFrame(columns=COLUMNS)
    pairs = own.merge(
        served[["ending", "kind", "t", *SERVED, *TUPLE]],
        on=SERVED,
        suffixes=("", "_ending"),
    )
    for name in (
        "client_ip",
        "server_ip",
    ):  # a line may name a host that the capture does not show, but no other one of it
        other = pairs[name].notna() & (pairs[name] != pairs[f"{name}_ending"]) & pairs[name].isin(wire.addresses)
        pairs = pairs[~other.fillna(False).astype(bool)]
    began = pairs["ending"].map(wire.lives.dropna(subset=["ending"]).groupby("ending")["first"].min())
    pairs = pairs[pairs["time"] + pairs["tolerance"] >= began.fillna(0)]
    out = _measured(pairs.assign(swapped=False), wire)
    out = out.sort_values("lag", key=abs).drop_duplicates("row")  # a number may come round: the nearest such process
    out["coincidence"] = _by_name(out.assign(client_ip=out["client_ip_ending"]), wire)
    out["tie"] = "process"
    names = (*SERVED, "client_ip_ending", "client_port_ending")
    sentences = [
        say(_NUMBERED[application], process=str(pid), end=_end(ip, port))
        for application, pid, ip, port in zip(*(out[name] for name in names), strict=True)
    ]
    out["tie_sentence"] = pd.Series(sentences, index=out.index, dtype=object)
    return out[COLUMNS]


# By the server that gave the number.
_NUMBERED = {
    "postgresql": N_(
        "process {process} wrote it, the number that the server gave {end} as its backend's (BackendKeyData)"
    ),
    "mysql": N_("it is of connection {process}, the number that the server gave {end} in its greeting"),
}


def points(wire: Wire) -> list[str]:
    """The capture points, the measuring one first."""
    return list(dict.fromkeys([wire.point, *wire.lives["point"].unique()]))


def _measured(pairs: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """The pairs that their rules allow, with `lag`."""
    direction = toward_writer(pairs["writer"], pairs["swapped"])
    direction = direction.where(pairs["reset"] != "from", ~direction)
    pairs = pairs.assign(until=pairs["time"] + pairs["tolerance"])
    wanted = last_reset(pairs, wire, "ending", direction)
    either = last_reset(pairs, wire, "ending", pd.Series(pd.NA, index=pairs.index, dtype="boolean"))
    quiet = pairs["kind"].isin(QUIET)
    needs = pairs["reset"].isin(["toward", "from"]) & ~quiet
    measure = wanted.where(wanted != NO_TIME, either).where(~pairs["precedes"].astype(bool), pairs["t_ending"])
    measure = measure.where(measure != NO_TIME, pairs["t_ending"])
    kind = pd.Series(
        [kind in kinds for kind, kinds in zip(pairs["kind"], pairs["kinds"], strict=True)],
        index=pairs.index,
        dtype=bool,
    )
    lag = pairs["time"] - measure
    # a line about the end of a connection that went on afterwards is about something else
    in_time = (lag <= pairs["latest"]) & (~quiet | (lag >= -(pairs["tolerance"] + OUTBURST)))
    return pairs.assign(lag=lag)[kind & (~needs | (wanted != NO_TIME)) & in_time]


def _end(ip: object, port: object) -> str:
    return f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}"


def _process_sentence(process: Any, named_by: Any, ip: object, port: object, texts: Any, numbers: Any) -> Sentence:
    """Whose line it is; `named_by` is the place of the line that names its process's client, in `texts` and `numbers`."""
    if named_by is pd.NA:
        return say("process {process} served {end}", process=str(process), end=_end(ip, port))
    text = str(texts[named_by])
    body = _BODY.search(text)
    quoted = (body[1] if body else text)[:160]
    line = int(numbers[named_by])
    return say('process {process} logged "{text}" at line {line}', process=str(process), text=quoted, line=line)
