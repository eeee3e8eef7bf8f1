"""Lines -> endings: by connection, by process, by host, by time.

Lives here: `tie_lines`. A line that names its connection, or whose process does, is tied to that connection's life and to nothing else;
a line that names only a host is assigned so that all lines of that host fit best together; a line that names nothing is tied only where
one ending alone fits.
Never here: what remains (leftovers.py).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from analyzer.correlation.assignment import assign, candidates
from analyzer.correlation.rules import QUIET, RULES, SPEAKING
from analyzer.correlation.wire import AFTERWARDS, NO_TIME, OTHER_POINT, SECOND, Wire
from analyzer.language import N_, say

OUTBURST = 10 * SECOND
LATEST = 2 * 24 * 3600 * SECOND  # a line that names its connection may come this late
_BODY = re.compile(r":\s{1,2}(\S.*)$")
COLUMNS = ["row", "ending", "lag", "tie", "tie_sentence"]


def tie_lines(lines: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """MATCHES, with the working column `row` (index of `lines`)."""
    rules = pd.DataFrame(
        {
            name: {event: getattr(rule, name) for event, rule in RULES.items()}
            for name in ("kinds", "reset", "precedes", "alone")
        }
    )
    timed = lines[lines["offset"].notna() & lines["event"].isin(list(RULES))]
    timed = timed.assign(
        time=timed["time"].astype("int64"), tolerance=timed["tolerance"].astype("int64"), row=timed.index
    ).join(rules, on="event")
    named = _by_connection(timed[timed["has_end"]], wire, lines)
    rest = timed[~timed["has_end"]]
    names_host = rest["client_ip"].notna() | rest["server_ip"].notna()
    hosted = _by_host(rest[names_host], wire, named)
    by_time = _by_time(rest[~names_host], wire, pd.concat([named, hosted], ignore_index=True), lines)
    found = pd.concat([part for part in (named, hosted, by_time) if len(part)] or [named], ignore_index=True)
    out = found.join(lines[["source", "line", "event", "writer", "time"]], on="row")
    out["time"] = pd.to_datetime(out["time"].astype("int64"), utc=True)
    out["lag"] = out["lag"].astype(float) / SECOND
    return out.sort_values(["row", "ending"], ignore_index=True)


def named_ends(lines: pd.DataFrame) -> set[tuple[str, int]]:
    """The ends (address, port) of connections that LOG_LINES speak of as broken: pass 2 looks at these, however they ended."""
    speaking = lines[lines["event"].isin(SPEAKING) & lines["client_ip"].notna() & lines["client_port"].notna()]
    return {(str(ip), int(port)) for ip, port in zip(speaking["client_ip"], speaking["client_port"], strict=True)}


def spoken_of(matches: pd.DataFrame) -> dict[str, set[str]]:
    """Ending -> the events of its lines in MATCHES that speak of a broken connection; endings without such a line have no place."""
    out: dict[str, set[str]] = {}
    for ending, event in zip(matches["ending"], matches["event"], strict=True):
        if event in SPEAKING:
            out.setdefault(ending, set()).add(event)
    return out


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
            "at": lines["time"] + tolerance,
            "opened": np.where(
                lines["opened_t"] == NO_TIME, NO_TIME, lines["opened_t"] - lines["offset"].astype("int64") + tolerance
            ),
        }
    )
    # long after the capture the port may be another connection's, unless the process says when it got this one
    ends = wire.spans.loc[wire.spans["point"] == point, "last"]
    in_time = keyed[keyed["at"] <= int(ends.max()) + AFTERWARDS] if len(ends) else keyed
    by_line = pd.merge_asof(in_time.sort_values("at"), lives, left_on="at", right_on="first", by=["ip", "port"])
    with_opening = keyed[keyed["opened"] != NO_TIME].sort_values("opened")
    by_opening = pd.merge_asof(with_opening, lives, left_on="opened", right_on="first", by=["ip", "port"])
    by_opening = by_opening[by_opening["opened"] <= by_opening["last"] + 2 * SECOND]
    life = pd.concat([by_opening, by_line]).drop_duplicates("row").dropna(subset=["connection"])
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
    process = (out["address_basis"] == "process").fillna(False)
    out["tie"] = np.where(process, "process", "connection")
    sentences = [
        _process_sentence(process, named_by, ip, port, all_lines)
        if by_process
        else say("the line names {end}", end=_end(ip, port))
        for by_process, process, named_by, ip, port in zip(
            process, out["process"], out["named_by"], out["client_ip"], out["client_port"], strict=True
        )
    ]
    out["tie_sentence"] = pd.Series(sentences, index=out.index, dtype=object)
    return out[COLUMNS]


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
    in_time = (lag <= LATEST) & (~quiet | (lag >= -(pairs["tolerance"] + OUTBURST)))
    return pairs.assign(lag=lag)[kind & (~needs | (wanted != NO_TIME)) & in_time]


def _end(ip: object, port: object) -> str:
    return f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}"


def _process_sentence(process: Any, named_by: Any, ip: object, port: object, lines: pd.DataFrame) -> str:
    if pd.isna(named_by):
        return say("process {process} served {end}", process=str(process), end=_end(ip, port))
    text, line = str(lines.at[named_by, "text"]), int(lines.at[named_by, "line"])  # type: ignore[arg-type]
    body = _BODY.search(text)
    quoted = (body[1] if body else text)[:160]
    return say('process {process} logged "{text}" at line {line}', process=str(process), text=quoted, line=line)


def _targets(wire: Wire) -> pd.DataFrame:
    """What a line without a connection's name can be tied to: each ending, once for each direction in which it was reset (at the
    first such reset), or at its own time when it was not."""
    resets = wire.resets.dropna(subset=["ending"]).drop_duplicates(["ending", "from_client"])[
        ["ending", "from_client", "t"]
    ]
    endings = wire.endings[~wire.endings["kind"].isin(QUIET)]
    merged = endings.drop(columns="t").merge(resets, on="ending")
    quiet = endings[~endings["ending"].isin(merged["ending"])].assign(from_client=None)
    return (
        pd.concat([merged, quiet], ignore_index=True)
        .astype({"from_client": "boolean", "t": "int64"})
        .reset_index(drop=True)
    )


def _leaders(lines: pd.DataFrame) -> pd.Series:
    """For each line the row of the first line of the same outburst of its process: what a process says of one end, it says at once."""
    ordered = lines.sort_values(["source", "process", "time"], kind="stable")
    known = ordered["process"].notna()
    previous = ordered.groupby(["source", "process"], sort=False, dropna=True)["time"].shift()
    begins = ~known | previous.isna() | (ordered["time"] - previous > OUTBURST)
    return ordered["row"].where(begins).ffill().astype("int64").reindex(lines.index)


def _fitting(lines: pd.DataFrame, targets: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Candidates by time and keys that rules and direction allow: row, target, lag, ending."""
    pairs = candidates(lines, targets, keys)
    if pairs.empty:
        return pairs.assign(ending=pd.Series(dtype=object))[["row", "target", "lag", "ending"]]
    line, target = lines.set_index("row").loc[pairs["row"]], targets.loc[pairs["target"]]
    # why the writer closed stands before a reset of either side
    direction = toward_writer(line["writer"], False).mask(line["precedes"].astype(bool))
    from_client = target["from_client"].set_axis(line.index)
    same = (direction == from_client).fillna(True)  # a silence has no direction, an unknown writer no side
    kind = [kind in kinds for kind, kinds in zip(target["kind"], line["kinds"], strict=True)]
    pairs["ending"] = target["ending"].to_numpy(dtype=object)
    fitting: pd.DataFrame = pairs.loc[same.to_numpy(dtype=bool) & np.array(kind)]
    return fitting


def _by_host(lines: pd.DataFrame, wire: Wire, named: pd.DataFrame) -> pd.DataFrame:
    lines = lines[lines["alone"].astype(bool)]
    targets = _targets(wire)
    if lines.empty or targets.empty:
        return pd.DataFrame(columns=COLUMNS)
    lines = lines.assign(leader=_leaders(lines))
    found = []
    for keys in (["client_ip", "server_ip", "server_port"], ["client_ip"], ["server_ip", "server_port"]):
        absent = [name for name in ("client_ip", "server_ip") if name not in keys]
        some = lines[lines[keys].notna().all(axis=1) & lines[absent].isna().all(axis=1)]
        pairs = _fitting(some, targets, keys)
        for source, own in some.groupby("source", sort=False):
            mine = pairs[pairs["row"].isin(own["row"]) & ~pairs["ending"].isin(_explained(named, lines, source))]
            leaders = mine[mine["row"].isin(own["leader"])]
            chosen = assign(leaders, own.set_index("row")["time"], targets["t"])
            where = chosen.set_index("row")["ending"]
            follow = own.assign(ending=own["leader"].map(where).astype(object)).dropna(subset=["ending"])
            tied = follow[["row", "ending"]].merge(mine, on=["row", "ending"]).sort_values("lag").drop_duplicates("row")
            sentences = pd.Series(say(_FITTING[tuple(keys)]), index=tied.index, dtype=object)
            found.append(tied.assign(tie="host", tie_sentence=sentences))
    return pd.concat(found, ignore_index=True)[COLUMNS] if found else pd.DataFrame(columns=COLUMNS)


# By what the line names.
_FITTING = {
    ("client_ip", "server_ip", "server_port"): N_(
        "the line's client ip and server ip and port, and its time, fit this connection"
    ),
    ("client_ip",): N_("the line's client ip and its time fit this connection"),
    ("server_ip", "server_port"): N_("the line's server ip and port, and its time, fit this connection"),
}


def _explained(found: pd.DataFrame, lines: pd.DataFrame, source: object) -> set[object]:
    """Endings that a line of this source is tied to already."""
    rows = lines.index[lines["source"] == source]
    return set(found.loc[found["row"].isin(rows), "ending"])


def _by_time(lines: pd.DataFrame, wire: Wire, tied: pd.DataFrame, all_lines: pd.DataFrame) -> pd.DataFrame:
    lines = lines[lines["alone"].astype(bool)]
    targets = _targets(wire)
    if lines.empty or targets.empty:
        return pd.DataFrame(columns=COLUMNS)
    lines = lines.assign(leader=_leaders(lines))
    pairs = _fitting(lines, targets, [])
    found = []
    number_of = all_lines["line"].to_dict()
    for source, own in lines.groupby("source", sort=False):
        mine = pairs[pairs["row"].isin(own["row"]) & ~pairs["ending"].isin(_explained(tied, all_lines, source))]
        leaders = mine[mine["row"].isin(own["leader"])].sort_values("lag", key=abs).drop_duplicates(["row", "ending"])
        single = leaders[~leaders["row"].duplicated(keep=False) & ~leaders["ending"].duplicated(keep=False)]
        sentence = say(
            "it is the only ending that fits within {seconds} s before this line, which names no address",
            seconds=int(own["reach"].max()) // SECOND,
        )
        where = single.set_index("row")["ending"]
        follow = own.assign(ending=own["leader"].map(where).astype(object)).dropna(subset=["ending"])
        both = follow[["row", "ending", "leader", "process"]].merge(mine, on=["row", "ending"])
        both = both.sort_values("lag", key=abs).drop_duplicates("row")
        sentences = [
            sentence
            if row == leader
            else say(
                "process {process} wrote it together with line {line}, which is tied by time",
                process=str(process),
                line=int(number_of[leader]),
            )
            for row, leader, process in zip(both["row"], both["leader"], both["process"], strict=True)
        ]
        both["tie_sentence"] = pd.Series(sentences, index=both.index, dtype=object)
        found.append(both.assign(tie="time"))
    return pd.concat(found, ignore_index=True)[COLUMNS] if found else pd.DataFrame(columns=COLUMNS)
