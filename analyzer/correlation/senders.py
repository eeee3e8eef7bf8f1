"""Which resets a kernel says that it sent: a line of its trace beside the frame that is judged.

Lives here: `traced`. A trace names both ends and its host's end first, so it is a witness of who sent that reset, and since Linux 6.10 of why.
It is believed only where its clock rests on more than the one line, and of a frame that no other reset of that end, for which it has no
line, could be taken for.
Never here: what a line's words mean (logs), or what the kernel's reason says of the cause (causes).
"""

from __future__ import annotations

from collections.abc import Set

import pandas as pd

from analyzer.correlation.wire import SECOND, Wire

BESIDE = (
    SECOND // 20
)  # a kernel writes its trace as it sends; on the way to the capture a reset is delayed more or less than others were
SENDER = ["sender_ip", "sender_port"]
COLUMNS = ["ending", "source", "line", "reason"]


def traced(lines: pd.DataFrame, matches: pd.DataFrame, wire: Wire, *, alone: Set[str]) -> pd.DataFrame:
    """(ending, source, line, reason) of each ending whose reset the kernel of the host that it names says to have sent.

    lines    with `time`, `step` and `reason`
    matches  with the column `row`
    alone    sources whose clock was set by a single line, which may speak of another reset of that connection
    """
    said = lines[(lines["event"] == "reset_sent") & lines["time"].notna() & ~lines["source"].isin(alone)]
    own = (said["writer"] == "client").fillna(False)
    said = pd.DataFrame(
        {
            "source": said["source"],
            "line": said["line"],
            "reason": said["reason"],
            "time": said["time"].astype("int64"),
            "window": said["step"].astype("int64") + BESIDE,
            "sender_ip": said["client_ip"].where(own, said["server_ip"]).astype(object),
            "sender_port": said["client_port"].where(own, said["server_port"]).astype("Int64"),
            "bare": said["client_ip"].isna(),  # a listening socket answered: its line names nobody
        }
    )
    judged = wire.endings.astype({"sender_ip": "object", "sender_port": "Int64"})
    by_name = matches.loc[matches["tie"] == "connection", ["ending", "row"]].join(said, on="row", how="inner")
    named = _beside(by_name.merge(judged[["ending", "point", "t", *SENDER]], on=["ending", *SENDER]))
    if named.empty:
        return none_traced()
    ends = named.drop_duplicates("ending")[["ending", "point", "t", "window", *SENDER]]
    nameless = _beside(said[said["bare"]].drop(columns="window").merge(ends, on="sender_port", suffixes=("_said", "")))
    nameless = nameless[nameless["sender_ip_said"].isna() | (nameless["sender_ip_said"] == nameless["sender_ip"])]
    resets = wire.resets.rename(columns={"src": "sender_ip", "sport": "sender_port", "t": "time"})
    frames = _beside(
        resets.astype({"sender_ip": "object", "sender_port": "Int64"})[
            ["ending", "point", "seq", "time", *SENDER]
        ].merge(ends, on=["ending", "point", *SENDER])
    )
    heard = named.groupby("ending")["row"].nunique().add(nameless.groupby("ending").size(), fill_value=0)
    sent = frames.groupby("ending")["seq"].nunique()  # a reset that passes twice, or has a copy, is one
    sure = heard.index[sent.reindex(heard.index).fillna(0).to_numpy() <= heard.to_numpy()]
    nearest = named.assign(apart=(named["time"] - named["t"]).abs()).sort_values("apart", kind="stable")
    return nearest[nearest["ending"].isin(sure)].drop_duplicates("ending")[COLUMNS]


def none_traced() -> pd.DataFrame:
    """What `traced` says without such lines."""
    return pd.DataFrame(columns=COLUMNS)


def _beside(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs whose `time` is at the moment `t` of the judged frame."""
    return pairs[(pairs["time"] - pairs["t"]).abs() <= pairs["window"]]
