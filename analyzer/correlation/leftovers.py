"""Lines that speak of a broken connection and that nothing in the capture explains: why.

Lives here: `unmatched_lines`. Never here: another try at a tie.
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


def unmatched_lines(lines: pd.DataFrame, matches: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """UNMATCHED_LOG_LINES."""
    left = lines[lines["event"].isin(SPEAKING) & ~lines.index.isin(matches["row"])]
    left = left.assign(row=left.index)
    out = left[["source", "line", "event", "text"]].copy()
    out["time"] = pd.to_datetime(left["time"].astype("Int64"), utc=True)
    reason = pd.Series(pd.NA, index=left.index, dtype="object")
    reason[left["offset"].isna()] = _CLOCK
    for writer in ("client", "server"):
        if not (wire.resets["from_client"] == (writer == "server")).any():
            reason[left["offset"].isna() & (left["writer"] == writer)] = _NO_RESET[writer]
    timed = left[left["offset"].notna()].astype({"time": "int64", "tolerance": "int64"})
    reason = reason.fillna(_outside(timed, wire))
    reason = reason.fillna(_strangers(timed, wire))
    reason = reason.fillna(_of_connection(timed[timed["has_end"]], wire))
    reason = reason.fillna(_of_host(timed[~timed["has_end"]], wire))
    out["reason"] = reason
    bare = left["client_port"].isna() & left["format"].str.startswith("postgresql").fillna(False)
    out["next_log"] = pd.Series(POSTGRESQL_NEXT, index=left.index, dtype=object).where(bare)
    return out.reset_index(drop=True)


def _clock(t: int) -> str:
    return pd.Timestamp(t, unit="ns", tz="UTC").strftime("%Y-%m-%d %H:%M:%S UTC")


def _outside(lines: pd.DataFrame, wire: Wire) -> pd.Series:
    spans = wire.spans[(wire.spans["first"] != NO_TIME) & (wire.spans["last"] != NO_TIME)]
    if spans.empty:
        return pd.Series(say("the capture holds no packet with a time"), index=lines.index, dtype="object")
    first, last = int(spans["first"].min()), int(spans["last"].max())
    out = pd.Series(pd.NA, index=lines.index, dtype="object")
    span = {"first": _clock(first), "last": _clock(last)}
    late = (lines["time"] + lines["tolerance"] < first) | (lines["time"] > last + AFTERWARDS)
    out[late] = [
        say("the capture covers {first} to {last}, and this line is of {time}", time=_clock(t), **span)
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


def _of_connection(lines: pd.DataFrame, wire: Wire) -> pd.Series:
    """What the capture shows of the connection that the line names, as it was at the measuring point (or at any other)."""
    out = pd.Series(pd.NA, index=lines.index, dtype="object")
    for point in points(wire):
        asked = lines[out.isna()]
        if asked.empty:
            break
        pairs = asked[["row", "event", "writer", "time", "tolerance", "client_ip", "client_port"]].merge(
            life_of(asked, wire, point), on="row"
        )
        pairs["until"] = pairs["time"] + pairs["tolerance"] + 60 * SECOND
        direction = toward_writer(pairs["writer"], pairs["swapped"])
        toward = last_reset(pairs, wire, "connection", direction)
        away = last_reset(pairs, wire, "connection", ~direction)
        stories = [_story(pair, int(t), int(a)) for pair, t, a in zip(pairs.itertuples(), toward, away, strict=True)]
        out.loc[pairs["row"].to_numpy()] = stories
    rest = out.isna()
    out[rest] = [
        say("no connection from {ip} port {port} is in the capture at that time", ip=ip, port=int(port))
        for ip, port in zip(lines.loc[rest, "client_ip"], lines.loc[rest, "client_port"], strict=True)
    ]
    return out


def _story(pair: object, toward: int, away: int) -> Sentence:
    end = {"ip": getattr(pair, "client_ip"), "port": int(getattr(pair, "client_port"))}  # noqa: B009
    fins = tuple(
        side
        for side in ("client", "server")
        if getattr(pair, f"{side}_fin") is not pd.NA and getattr(pair, f"{side}_fin")
    )
    if RULES[str(getattr(pair, "event"))].reset == "toward" and away != NO_TIME and toward == NO_TIME:  # noqa: B009
        return say(
            "the only reset of the connection of {ip} port {port} was sent with the writer's own address, at {time}",
            time=_clock(away), **end,
        )  # fmt: skip
    if toward != NO_TIME:
        return say(
            "the connection of {ip} port {port} was reset only after this line, at {time}", time=_clock(toward), **end
        )
    if fins:
        return say(_FINS[fins], **end)
    return say("the connection of {ip} port {port} was not reset as far as the capture shows", **end)


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


def _of_host(lines: pd.DataFrame, wire: Wire) -> pd.Series:
    named = lines["client_ip"].notna() | lines["server_ip"].notna()
    out = pd.Series(
        say("the line names no address, and no single ending of the capture stands out at its time"),
        index=lines.index,
        dtype="object",
    )
    out[named] = say("the line names no port, and no free reset of that host stands just before it")
    return out
