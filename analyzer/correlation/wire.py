"""What the capture offers to correlation, in integer nanoseconds, and the log lines likewise.

Lives here: `Wire` (connections, resets with their direction, endings, spans) and `prepare_lines` (which process a line is of, which line
opened it). Never here: a decision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

SECOND = 10**9
NO_TIME = np.iinfo(np.int64).min
AFTERWARDS = 60 * SECOND  # how long after the capture a line may speak of what is in it
TUPLE = ["client_ip", "client_port", "server_ip", "server_port"]
SERVED = ["application", "backend_pid"]  # a server's own number for a connection
LEAST_SPAN = (
    600.0  # s; an unrelated line may be of any moment of its log, not only of the moments that a short capture shows
)
OTHER_POINT = SECOND  # what the clocks of two capture points may differ


def nanoseconds(times: pd.Series) -> pd.Series:
    """Integer nanoseconds since 1970 of a time column; NO_TIME where it is null."""
    return times.astype("datetime64[ns, UTC]").astype("int64")


@dataclass(frozen=True)
class Wire:
    """The capture's side.

    lives      one row per connection and point (a second one for the server's end where roles are guessed): point, connection, ip, port, began
               (its first packets are captured), first, accepted (the handshake was over), last, client_fin, server_fin, ending (null where
               it ended well)
    resets     one row per reset frame: point, connection, ending, t, src, sport, seq, from_client (it carries the client's address), and
               the addresses
    endings    ending, kind, point, connection, the addresses, stage, application, backend_pid, lossless, `t`, and sender_ip and sender_port, which
               the reset carries
    spans      first and last moment seen, by point
    point      the point whose clock is the measure
    addresses  every address in the capture
    opened     by client address: connections in the capture
    lossy      packets are known to be missing
    """

    lives: pd.DataFrame
    resets: pd.DataFrame
    endings: pd.DataFrame
    spans: pd.DataFrame
    point: str
    addresses: frozenset[str]
    opened: pd.DataFrame
    lossy: bool

    @property
    def seconds(self) -> float:
        """The time over which the capture's events are spread when chances are reckoned: the measuring point's, at least LEAST_SPAN."""
        own = self.spans[self.spans["point"] == self.point]
        known = own[(own["first"] != NO_TIME) & (own["last"] != NO_TIME)]
        return max(LEAST_SPAN, float((known["last"] - known["first"]).max()) / SECOND) if len(known) else LEAST_SPAN

    @staticmethod
    def of(
        endings: pd.DataFrame,
        connections: pd.DataFrame,
        reset_frames: pd.DataFrame,
        coverage: pd.DataFrame,
        reference_point: str,
        sightings: pd.DataFrame | None = None,
    ) -> Wire:
        """Prepare the tables."""
        seen = _seen(sightings, reset_frames)
        point = reference_point
        if len(connections) and not (connections["point"] == point).any():
            point = str(connections["point"].iloc[0])
        ended = endings[
            ["ending", "kind", "point", "connection", *TUPLE, "stage", "application", "backend_pid", "lossless"]
        ].copy()
        ended["t"] = nanoseconds(endings["time"])
        by_client = endings["apparent_sender"] == "client"
        for name in ("ip", "port"):
            ended[f"sender_{name}"] = endings[f"client_{name}"].where(
                by_client.fillna(False), endings[f"server_{name}"]
            )
        known = connections.assign(ending=_ending_of(connections, ended, seen).astype("string"))
        spans = pd.DataFrame(
            {"point": coverage["point"], "first": nanoseconds(coverage["first"]), "last": nanoseconds(coverage["last"])}
        )
        addresses = frozenset(connections["client_ip"].dropna()) | frozenset(connections["server_ip"].dropna())
        lives = _lives(known)
        opened = lives[lives["point"] == point].groupby("ip").size().rename("connections").to_frame()
        lossy = bool((coverage[["drops", "unseen_acked"]].fillna(0) > 0).any(axis=None))
        resets = _resets(reset_frames, known)
        return Wire(lives, resets, ended.reset_index(drop=True), spans, point, addresses, opened, lossy)


def _seen(sightings: pd.DataFrame | None, reset_frames: pd.DataFrame) -> pd.DataFrame:
    """Which connection of which point shows which ending's reset: point, connection, ending."""
    columns = ["point", "connection", "ending"]
    if sightings is None or sightings.empty:
        return pd.DataFrame({name: [] for name in columns})
    frames = reset_frames[["point", "capture", "frame", "connection"]].dropna(subset=["connection"])
    return sightings[["ending", "point", "capture", "frame"]].merge(frames, on=["point", "capture", "frame"])[columns]


def _ending_of(connections: pd.DataFrame, endings: pd.DataFrame, seen: pd.DataFrame) -> pd.Series:
    """The ending of each connection: its own, or that of which it shows a sighting (`seen`: point, connection, ending: other addresses
    behind NAT), else that of the same addresses and ports at another point at the same time.
    """
    named = pd.concat([endings[["point", "connection", "ending"]], seen], ignore_index=True)
    own = named.drop_duplicates(["point", "connection"]).set_index(["point", "connection"])["ending"]
    out = pd.Series(
        own.reindex(pd.MultiIndex.from_frame(connections[["point", "connection"]])).to_numpy(),
        index=connections.index,
        dtype="object",
    )
    rest = connections[out.isna() & (connections["point"].nunique() > 1)]
    keyed = rest.assign(
        key=_ends(rest), index_=rest.index, first_=nanoseconds(rest["first"]), last_=nanoseconds(rest["last"])
    )
    pairs = keyed.merge(
        endings.assign(key=_ends(endings))[["key", "ending", "point", "t"]], on="key", suffixes=("", "_ending")
    )
    near = pairs[
        (pairs["point"] != pairs["point_ending"])
        & (pairs["first_"] <= pairs["t"] + 2 * SECOND)
        & (pairs["last_"] >= pairs["t"] - 2 * SECOND)
    ].drop_duplicates("index_")
    out.loc[near["index_"]] = near["ending"].to_numpy()
    return out


def _ends(rows: pd.DataFrame) -> pd.Series:
    """Both ends of a connection, the same whichever is called the client."""
    client = rows["client_ip"].astype(str) + " " + rows["client_port"].astype(str)
    server = rows["server_ip"].astype(str) + " " + rows["server_port"].astype(str)
    return (client + " " + server).where(client < server, server + " " + client)


def _lives(connections: pd.DataFrame) -> pd.DataFrame:
    guessed = connections[~connections["roles_known"].fillna(False).astype(bool)]
    ends = []
    for side, rows in (("client", connections), ("server", guessed)):
        end = rows[["point", "connection", "server_ip", "client_fin", "server_fin", "ending"]].copy()
        end["began"] = rows["roles_known"].fillna(False).astype(bool)  # a SYN or SYN-ACK was seen
        end["ip"], end["port"] = rows[f"{side}_ip"], rows[f"{side}_port"]
        end["first"], end["last"], end["swapped"] = (
            nanoseconds(rows["first"]),
            nanoseconds(rows["last"]),
            side == "server",
        )
        # accept() returns when the handshake is over, a round trip after its first packet
        handshake = (rows["server_rtt"].fillna(0.0) + rows["client_rtt"].fillna(0.0)).astype(float)
        end["accepted"] = end["first"] + (handshake * SECOND).round().astype("int64")
        ends.append(end)
    lives = pd.concat(ends, ignore_index=True).dropna(subset=["ip", "port"])
    lives = lives[lives["first"] != NO_TIME]
    return lives.astype({"port": "int64", "ip": "object", "server_ip": "object", "connection": "int64"}).sort_values(
        "first", ignore_index=True
    )


def _resets(reset_frames: pd.DataFrame, connections: pd.DataFrame) -> pd.DataFrame:
    resets = reset_frames[["point", "connection", "src", "sport", "seq"]].assign(t=nanoseconds(reset_frames["time"]))
    resets = resets[resets["t"] != NO_TIME].merge(
        connections[["point", "connection", "ending", *TUPLE]], on=["point", "connection"]
    )
    same = (resets["src"] == resets["client_ip"]) & (resets["sport"] == resets["client_port"])
    resets["from_client"] = same.fillna(False).astype(bool)
    return resets.astype({"connection": "int64"}).sort_values("t", ignore_index=True)


def prepare_lines(log_lines: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """LOG_LINES with `t`, `step` (resolution, ns), `process`, and what that process said of its client.

    log       rotated files of one log share it; a file's own name where nothing is known
    application, backend_pid  where a server wrote it that tells its client a number for the connection (PostgreSQL's process, MySQL's
              connection): which server, and that number; else NA
    opened_t  when that process's `opened` line for this client was written; NO_TIME without one
    named_by  row number of the line of that process that names the client
    has_end   the line, or its process, names an address and port that the capture knows
    foreign   addresses that it names and the capture does not show, which may be translated on the way: they weaken a tie, and forbid none
    """
    lines = log_lines.reset_index(drop=True).copy()
    lines["t"] = nanoseconds(lines["written"])
    lines["step"] = (lines["resolution"].fillna(0.0).astype(float) * SECOND).round().astype("int64")
    lines["log"] = lines["log"].fillna(lines["source"])
    pid = lines["pid"].astype("string")
    lines["process"] = lines["session"].fillna(pid)
    lines["application"] = lines["format"].str.extract(r"^(postgresql|mysql$)", expand=False)
    server = (lines["writer"] == "server").fillna(False)
    number = pid.where(lines["application"] != "mysql", lines["session"]).where(server & lines["application"].notna())
    lines["backend_pid"] = pd.to_numeric(number.where(number.str.fullmatch(r"\d{1,10}").fillna(False))).astype("Int64")
    lines = _with_host(lines[lines["t"] != NO_TIME].reset_index(drop=True), wire)
    named = (lines["address_basis"] == "line") & lines["client_port"].notna()
    lines["named_by"] = _of_same_client(lines, named.fillna(False))
    opened = _of_same_client(lines, (lines["event"] == "opened").fillna(False))
    lines["opened_t"] = opened.map(lines["t"]).fillna(NO_TIME).astype("int64")
    lines["foreign"] = pd.Series(pd.NA, index=lines.index, dtype="string")
    for side in ("server", "client"):
        ip = lines[f"{side}_ip"]
        strange = ip.notna() & ~ip.isin(wire.addresses)
        lines.loc[strange, "foreign"] = ip[strange]
    lines["has_end"] = (
        lines["client_ip"].notna() & lines["client_port"].notna() & lines["client_ip"].isin(wire.addresses)
    )
    return lines


def _with_host(lines: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """The lines with what is known of their writer's machine: it is the server's, or the client's, if the capture knows it as only that."""
    if lines["writer_host"].isna().all():
        return lines
    servers = frozenset(wire.endings["server_ip"].dropna()) | frozenset(wire.lives["server_ip"].dropna())
    clients = frozenset(wire.endings["client_ip"].dropna()) | frozenset(wire.lives["ip"].dropna())
    is_server = (lines["writer_host"] == "server") | (
        lines["writer_host"].isin(servers) & ~lines["writer_host"].isin(clients)
    )
    is_client = (lines["writer_host"] == "client") | (
        lines["writer_host"].isin(clients) & ~lines["writer_host"].isin(servers)
    )
    lines.loc[(is_server & (lines["writer"] == "unknown")).fillna(False).astype(bool), "writer"] = "server"
    lines.loc[(is_client & (lines["writer"] == "unknown")).fillna(False).astype(bool), "writer"] = "client"
    for side in ("server", "client"):
        told = lines["writer_host"].isin(servers if side == "server" else clients) & (lines["writer"] == side)
        told = (told & lines[f"{side}_ip"].isna()).fillna(False).astype(bool)
        lines.loc[told, f"{side}_ip"] = lines.loc[told, "host"]
    return lines


def _of_same_client(lines: pd.DataFrame, which: pd.Series) -> pd.Series:
    """For each line the nearest earlier (else later) line of `which`, by row number, of the same process with the same client; else NA."""
    rows = pd.Series(lines.index, index=lines.index).where(which.astype(bool)).astype("Int64")
    known = lines["process"].notna() & lines["client_ip"].notna() & lines["client_port"].notna()
    some = lines[known]
    group = some.groupby(["log", "process", "client_ip", "client_port"], sort=False).ngroup()
    grouped = rows[known].groupby(group, sort=False)
    return grouped.ffill().fillna(grouped.bfill()).reindex(lines.index).astype("Int64")
