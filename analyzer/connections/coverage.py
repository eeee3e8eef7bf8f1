"""What one capture point could see, said before any verdict: COVERAGE.

Lives here: where the capture was taken and what that rests on, whether both directions are there, what was lost.
Never here: where it was taken for one ending (endings), what the name of a point says (vantage).

The evidence for "on this host", the strongest first:
1. Frame directions: a packet that is first seen going out was made there; a forwarded one comes in first.
2. Unfinished checksums: a segment that has not yet passed its sender's network card.
An untouched TTL is not among it: the first router behind a host sees the same 64. Two TTLs that both were counted down do say
"between".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.schema import COVERAGE

Array = npt.NDArray[Any]

INITIAL_TTLS = (64, 128, 255)  # what stacks send with: Linux, BSD and macOS; Windows; Solaris and network devices
MOSTLY = 0.9  # share of a host's segments that must agree; the rest are forged or of a stack's other code paths
UNFINISHED = 0.5  # share of unfinished checksums; a stack finishes some itself, and by chance it is 1 in 30,000
LEAST_SUMMED = 2  # segments needed to say so
ONLY_RESETS = 0.95  # share of resets among all segments that no traffic reaches, only a filter
HOSTS_NAMED = 20


@dataclass(frozen=True)
class Place:
    """Where a capture was taken, and why one may say so."""

    where: str
    basis: str


def local_hosts(hosts: Array) -> tuple[Array, Array, Array]:
    """Which addresses belong to the capturing host.

    Returns
    -------
    (local, remote, by_direction) : boolean arrays, a row each
        `local` and `remote` both False: unknown. `by_direction`: frame directions say so, else checksums.
    """
    directed = hosts["first_incoming"] + hosts["first_outgoing"]
    out = hosts["first_outgoing"] / np.maximum(directed, 1)
    by_direction = directed > 0
    unfinished = hosts["unfinished"] / np.maximum(hosts["summed"], 1)
    summed = ~by_direction & (hosts["summed"] >= LEAST_SUMMED) & (unfinished >= UNFINISHED)
    return (by_direction & (out >= MOSTLY)) | summed, by_direction & (out <= 1 - MOSTLY), by_direction


def place(local_client: Array, local_server: Array, remote_client: Array, remote_server: Array) -> Array:
    """Per connection 'client', 'server', 'both', 'between' or ''."""
    return np.select(
        [
            local_client & local_server,
            local_client,
            local_server,
            remote_client & remote_server,
        ],
        ["both", "client", "server", "between"],
        "",
    )


def _by_hosts(places: Array, by_direction: bool) -> Place | None:
    """The place of most connections, by what their hosts show."""
    told = places[places != ""]
    if len(told) == 0:
        return None
    names, counts = np.unique(told, return_counts=True)
    best = names[np.argmax(counts)]
    share = counts.max() / len(told)
    why = (
        "the frames' own directions say which segments left the capturing host"
        if by_direction
        else "its segments were captured before a network card had finished their checksums"
    )
    if share <= 0.5:
        return Place("unknown", f"The capturing host is client in some connections and server in others: {why}.")
    part = "" if share == 1 else f" in {share:.0%} of the connections that tell"
    if best == "between":
        return Place("between", f"Segments of both ends came in before they went out{part}: the host forwarded them.")
    if best == "both":
        both = "the frames' own directions" if by_direction else "unfinished checksums"
        return Place("both", f"Client and server are the capturing host itself{part}: {both} say so.")
    return Place(str(best), f"The {best} is the capturing host{part}: {why}.")


def _by_ttl(connections: pd.DataFrame) -> Place:
    """What TTLs and round trips say where no host shows itself."""
    seen = connections.dropna(subset=["client_ttl", "server_ttl"])
    if seen.empty:
        return Place("unknown", "Frames carry no direction, and no connection shows the TTL of both ends.")
    client = seen["client_ttl"].isin(INITIAL_TTLS).to_numpy(bool)
    server = seen["server_ttl"].isin(INITIAL_TTLS).to_numpy(bool)
    usual_client, usual_server = int(seen["client_ttl"].mode()[0]), int(seen["server_ttl"].mode()[0])
    values = f"TTL {usual_client} from the clients, {usual_server} from the servers"
    if np.mean(~client & ~server) >= MOSTLY:
        return Place("between", f"Segments of both ends had crossed routers ({values}).")
    for name, near in (("client", client & ~server), ("server", server & ~client)):
        if near.mean() >= MOSTLY:
            return Place(
                "unknown",
                f"No router lies between the {name} and the capture ({values}{_trip(seen, name)}): it was taken on the {name}'s "
                "host or on the first device behind it, and neither frame directions nor checksums tell which.",
            )
    if np.mean(client & server) >= MOSTLY:
        return Place("unknown", f"No router lies between the two ends and the capture ({values}).")
    return Place("unknown", f"The TTLs of different connections contradict each other (usually {values}).")


def _trip(connections: pd.DataFrame, name: str) -> str:
    trip = connections[f"{name}_rtt"].median()
    return "" if pd.isna(trip) else f", {trip * 1e3:.3g} ms to it and back"


def _directions(connections: pd.DataFrame) -> str:
    """'both' or 'one' for most of the connections that got past a SYN and are not bare resets; 'unknown' without any."""
    client = (connections["client_packets"] - connections["client_resets"] - connections["syn_frames"]).to_numpy(
        np.int64
    )
    server = (connections["server_packets"] - connections["server_resets"]).to_numpy(np.int64)
    both = (connections["client_packets"] > 0).to_numpy(bool) & (connections["server_packets"] > 0).to_numpy(bool)
    telling = both | (client > 0) | (server > 0)
    if not telling.any():
        return "unknown"
    return "both" if both[telling].mean() >= 0.5 else "one"


def coverage_table(
    point: str,
    connections: pd.DataFrame,
    hosts: Array,
    texts: list[str],
    client_host: Array,
    server_host: Array,
    segments: int,
    unseen_acked: int,
    captures: pd.DataFrame | None,
) -> pd.DataFrame:
    """COVERAGE of one capture point, one row.

    Parameters
    ----------
    connections : CONNECTIONS
    hosts : array of layout.HOST
    texts : list of str
        The address of each of them.
    client_host, server_host : integer arrays
        Per connection the row in `hosts`.
    segments : int
        TCP segments seen.
    unseen_acked : int
        Connections in which bytes were acknowledged that were never seen.
    captures : CAPTURES or None
        The files of this point.
    """
    local, remote, by_direction = local_hosts(hosts)
    places = place(local[client_host], local[server_host], remote[client_host], remote[server_host])
    found = _by_hosts(places, bool(by_direction.any())) or _by_ttl(connections)
    resets = int(hosts["resets"].sum())
    only_resets = segments > 0 and resets >= ONLY_RESETS * segments
    if only_resets:
        found = Place("unknown", "There is nothing but resets to tell it by.") if found.where == "unknown" else found
    busiest = np.argsort(-hosts["packets"], kind="stable")
    here = [texts[i] for i in busiest if local[i]]
    directions = "unknown" if only_resets else _directions(connections)
    first, last = connections["first"].min(), connections["last"].max()
    drops: Any = pd.NA
    if captures is not None and len(captures):
        first, last = captures["first"].min(), captures["last"].max()
        drops = captures["drops"].sum(min_count=1)
    row: dict[str, Any] = {
        "point": point,
        "first": pd.to_datetime(pd.Series([first]), utc=True),
        "last": pd.to_datetime(pd.Series([last]), utc=True),
        "where": found.where,
        "where_basis": found.basis,
        "directions": directions,
        "only_resets": only_resets,
        "drops": drops,
        "unseen_acked": unseen_acked,
        "local_hosts": ", ".join(here) or pd.NA,
        "hosts": ", ".join(texts[i] for i in busiest[:HOSTS_NAMED]) or pd.NA,
        "connections": len(connections),
        "sentence": _sentence(found, here, directions, only_resets, drops, unseen_acked, len(connections)),
    }
    return COVERAGE.conform(
        pd.DataFrame({name: value if isinstance(value, pd.Series) else [value] for name, value in row.items()})
    )


_TAKEN = {
    "client": "Taken on the client's host",
    "server": "Taken on the server's host",
    "both": "Taken on the host that is both client and server",
    "between": "Taken between client and server",
    "unknown": "Where it was taken is not certain",
}


def _sentence(
    found: Place, here: list[str], directions: str, only_resets: bool, drops: Any, unseen_acked: int, connections: int
) -> str:
    if connections == 0:
        return "It holds no TCP."
    named = (
        f" ({', '.join(here[:3])}{' …' if len(here) > 3 else ''})"
        if here and found.where in ("client", "server", "both")
        else ""
    )
    count = "1 connection" if connections == 1 else f"{connections:,} connections"
    facts = [count]
    if only_resets:
        facts.append("practically nothing but resets, as if a capture filter had dropped the rest")
    elif directions == "one":
        facts.append("only one direction of most")
    if not pd.isna(drops) and drops > 0:
        facts.append(f"{int(drops):,} packets known to be lost")
    if unseen_acked:
        facts.append(f"{unseen_acked:,} with acknowledged bytes that it does not hold")
    return f"{_TAKEN[found.where]}{named}: {found.basis[0].lower()}{found.basis[1:]} It holds {', '.join(facts)}."
