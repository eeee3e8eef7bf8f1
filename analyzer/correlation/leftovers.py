"""Lines that speak of a broken connection and that nothing in the capture explains: why.

Lives here: `unmatched_lines`. Never here: another try at a tie, or endings that no line speaks of (remarks.py).
"""

from __future__ import annotations

import pandas as pd

from analyzer.correlation.rules import RULES, SPEAKING
from analyzer.correlation.ties import last_reset, life_of, points, toward_writer
from analyzer.correlation.wire import AFTERWARDS, NO_TIME, SECOND, Wire
from analyzer.language import N_, Sentence, say

POSTGRESQL_NEXT = "log_connections = on, log_disconnections = on, log_line_prefix = '%m [%p] %r '"
_CLOCK = say("how this log's clock stands to the capture could not be found")
_NO_RESET = {
    "client": say("the capture shows no reset toward a client"),
    "server": say("the capture shows no reset toward a server"),
}
_LOSS = N_("{told}; the capture lost packets, and a reset may be among them")


def unmatched_lines(lines: pd.DataFrame, matches: pd.DataFrame, doubtful: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """UNMATCHED_LOG_LINES, with the working columns `row`, and `ending` and `against` where the line speaks of an ending that it contradicts:
    the first reset carries the writer's own address.

    doubtful  (row, ending, coincidence) of ties by time that chance would have made as well
    """
    left = lines[lines["event"].isin(SPEAKING) & ~lines.index.isin(matches["row"])]
    left = left.assign(row=left.index)
    out = left[["source", "line", "event", "text", "row"]].copy()
    out["time"] = pd.to_datetime(left["time"].astype("Int64"), utc=True)
    reason = pd.Series(pd.NA, index=left.index, dtype="object")
    reason[left["offset"].isna()] = _CLOCK
    for writer in ("client", "server"):
        if not (wire.resets["from_client"] == (writer == "server")).any():
            reason[left["offset"].isna() & (left["writer"] == writer)] = _NO_RESET[writer]
    timed = left[left["offset"].notna()].astype({"time": "int64", "tolerance": "int64"})
    told = _of_connection(timed[timed["has_end"]], wire)
    for found in (
        _outside(timed, wire),
        told["reason"].where(~told["absent"]),
        _strangers(timed, wire),
        told["reason"],
        _of_host(timed[~timed["has_end"]], doubtful, wire),
    ):
        reason = reason.fillna(found.astype(object))
    out["reason"] = reason
    out["ending"], out["against"] = told["ending"], told["against"]
    bare = left["client_port"].isna() & left["format"].str.startswith("postgresql").fillna(False)
    out["next_log"] = pd.Series(POSTGRESQL_NEXT, index=left.index, dtype=object).where(bare)
    return out.reset_index(drop=True)


def clock(t: int) -> str:
    """A moment of the capture, for a sentence."""
    return pd.Timestamp(t, unit="ns", tz="UTC").strftime("%Y-%m-%d %H:%M:%S UTC")


def _outside(lines: pd.DataFrame, wire: Wire) -> pd.Series:
    spans = wire.spans[(wire.spans["first"] != NO_TIME) & (wire.spans["last"] != NO_TIME)]
    if spans.empty:
        return pd.Series(say("the capture holds no packet with a time"), index=lines.index, dtype="object")
    first, last = int(spans["first"].min()), int(spans["last"].max())
    out = pd.Series(pd.NA, index=lines.index, dtype="object")
    span = {"first": clock(first), "last": clock(last)}
    late = (lines["time"] + lines["tolerance"] < first) | (lines["time"] > last + AFTERWARDS)
    out[late] = [
        say("the capture covers {first} to {last}, and this line is of {time}", time=clock(t), **span)
        for t in lines.loc[late, "time"]
    ]
    return out


def _strangers(lines: pd.DataFrame, wire: Wire) -> pd.Series:
    out = pd.Series(pd.NA, index=lines.index, dtype="object")
    for name in ("client_ip", "server_ip"):
        unknown = lines[name].notna() & ~lines[name].isin(wire.addresses)
        out[unknown] = [
            say(
                "no packet of {ip} is in the capture; behind address translation the capture shows another address",
                ip=ip,
            )
            for ip in lines.loc[unknown, name]
        ]
    return out


def _of_connection(lines: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """What the capture shows of the connection that the line names, as it was at the measuring point (or at any other).

    reason, ending, against (when the writer's own reset came, ns; NA without one), absent (no such connection at that time)
    """
    out = pd.DataFrame(
        {
            "reason": pd.Series(pd.NA, index=lines.index, dtype="object"),
            "ending": None,
            "against": pd.NA,
            "absent": True,
        }
    ).astype({"ending": "object", "against": "Int64"})
    for point in points(wire):
        asked = lines[out["reason"].isna()]
        if asked.empty:
            break
        life = life_of(asked, wire, point)
        pairs = asked[["row", "event", "writer", "time", "tolerance", "client_ip", "client_port"]].merge(life, on="row")
        if pairs.empty:
            continue
        pairs["until"] = pairs["time"] + pairs["tolerance"] + 60 * SECOND
        direction = toward_writer(pairs["writer"], pairs["swapped"])
        toward = last_reset(pairs, wire, "connection", direction)
        away = last_reset(pairs, wire, "connection", ~direction)
        out.loc[pairs["row"], "reason"] = pd.Series(
            _stories(pairs, toward, away, wire), index=pairs["row"], dtype=object
        )
        out.loc[pairs["row"], "ending"] = pairs["ending"].astype(object).where(pairs["ending"].notna(), None).to_numpy()
        own = pairs["event"].map(lambda event: RULES[event].reset == "toward") & (away != NO_TIME) & (toward == NO_TIME)
        out.loc[pairs.loc[own, "row"], "against"] = away[own].to_numpy()
        out.loc[pairs["row"], "absent"] = False
    rest = out["reason"].isna()
    out.loc[rest, "reason"] = [
        say("no connection from {ip} port {port} is in the capture at that time", ip=ip, port=int(port))
        for ip, port in zip(lines.loc[rest, "client_ip"], lines.loc[rest, "client_port"], strict=True)
    ]
    return out


def _stories(pairs: pd.DataFrame, toward: pd.Series, away: pd.Series, wire: Wire) -> list[Sentence]:
    """What became of each line's connection, one clause each."""
    known = wire.endings.set_index("ending")
    kinds = pairs["ending"].map(known["kind"]).astype(object).fillna("")
    lossy = wire.lossy | pairs["ending"].map(known["lossless"]).eq(False).fillna(False).astype(bool)
    named = (pairs[name] for name in ("event", "client_ip", "client_port"))
    ended = (pairs[f"{side}_fin"].fillna(False).astype(bool) for side in ("client", "server"))
    out = []
    for event, ip, port, *fins, kind, came, went, lost in zip(*named, *ended, kinds, toward, away, lossy, strict=True):
        end = {"ip": ip, "port": int(port)}
        sides = tuple(side for side, fin in zip(("client", "server"), fins, strict=True) if fin)
        if came != NO_TIME:
            told = say(
                "the connection of {ip} port {port} was reset only after this line, at {time}", time=clock(came), **end
            )
        elif RULES[event].reset == "toward" and went != NO_TIME:
            told = say(
                "the only reset of the connection of {ip} port {port} was sent with the writer's own address, at {time}",
                time=clock(went), **end,
            )  # fmt: skip
        elif kind == "silence":
            told = say(
                "the connection of {ip} port {port} died in silence: its last packets were never answered", **end
            )
        elif sides:
            told = say(_FINS[sides], **end)
        else:
            told = say("the connection of {ip} port {port} was not reset as far as the capture shows", **end)
        out.append(say(_LOSS, told=told) if lost and came == NO_TIME else told)
    return out


# By the sides that sent a FIN.
_FINS = {
    ("client",): N_(
        "the connection of {ip} port {port} ended with a FIN of the client, not with a reset; under TLS an end of stream without "
        "close_notify reads as one"
    ),
    ("server",): N_(
        "the connection of {ip} port {port} ended with a FIN of the server, not with a reset; under TLS an end of stream without "
        "close_notify reads as one"
    ),
    ("client", "server"): N_(
        "the connection of {ip} port {port} ended with a FIN of the client and server, not with a reset; under TLS an end of stream "
        "without close_notify reads as one"
    ),
}


def _of_host(lines: pd.DataFrame, doubtful: pd.DataFrame, wire: Wire) -> pd.Series:
    named = lines["client_ip"].notna() | lines["server_ip"].notna()
    host = say("the line names no port, and no free reset of that host stands just before it")
    none = say("the line names no address, and no single ending of the capture stands out at its time")
    if wire.lossy:
        host, none = say(_LOSS, told=host), say(_LOSS, told=none)
    out = pd.Series([host if some else none for some in named], index=lines.index, dtype=object)
    near = doubtful[doubtful["row"].isin(lines.index)].drop_duplicates("row").set_index("row")
    when = wire.endings.set_index("ending")["t"].to_dict()
    told = [
        say(
            "what ended at {time} stands near it, but by time alone that may be chance, or another's line ({chance:.0%})",
            time=clock(when[ending]), chance=chance,
        )
        for ending, chance in zip(near["ending"], near["coincidence"], strict=True)
    ]  # fmt: skip
    return pd.Series(told, index=near.index, dtype=object).reindex(out.index).fillna(out)
