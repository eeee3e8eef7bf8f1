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

from analyzer.connections.settling import Settled
from analyzer.language import N_, Sentence, joined, say, say_many
from analyzer.schema import COVERAGE, TUNNELS

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
    basis: Sentence


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


def _by_hosts(places: Array, numbers: Array, by_direction: bool) -> Place | None:
    """The place of most connections, by what their hosts show; each place stands for so many of them."""
    told, numbers = places[places != ""], numbers[places != ""]
    if len(told) == 0:
        return None
    names, which = np.unique(told, return_inverse=True)
    counts = np.bincount(which, weights=numbers).astype(np.int64)
    best = names[np.argmax(counts)]
    share = counts.max() / counts.sum()
    why = (
        say("the frames' own directions say which segments left the capturing host")
        if by_direction
        else say("its segments were captured before a network card had finished their checksums")
    )
    if share <= 0.5:
        return Place(
            "unknown", say("The capturing host is client in some connections and server in others: {why}.", why=why)
        )
    part = say("") if share == 1 else say(" in {share:.0%} of the connections that tell", share=share)
    if best == "between":
        return Place(
            "between",
            say("Segments of both ends came in before they went out{part}: the host forwarded them.", part=part),
        )
    if best == "both":
        both = say("the frames' own directions") if by_direction else say("unfinished checksums")
        return Place(
            "both", say("Client and server are the capturing host itself{part}: {both} say so.", part=part, both=both)
        )
    return Place(str(best), say(_CAPTURING[str(best)], part=part, why=why))


_CAPTURING = {
    "client": N_("The client is the capturing host{part}: {why}."),
    "server": N_("The server is the capturing host{part}: {why}."),
}


def _by_ttl(connections: pd.DataFrame, settled: Array) -> Place:
    """What TTLs and round trips say where no host shows itself; `settled` counts connections that are no rows any more, by TTL."""
    seen = connections.dropna(subset=["client_ttl", "server_ttl"])
    counts = settled.copy()
    np.add.at(counts, (seen["client_ttl"].to_numpy(np.int64), seen["server_ttl"].to_numpy(np.int64)), 1)
    if not counts.any():
        return Place("unknown", say("Frames carry no direction, and no connection shows the TTL of both ends."))
    first, second = np.nonzero(counts)
    numbers = counts[first, second]
    client, server = np.isin(first, INITIAL_TTLS), np.isin(second, INITIAL_TTLS)
    usual_client, usual_server = int(counts.sum(axis=1).argmax()), int(counts.sum(axis=0).argmax())

    def share(rows: Array) -> float:
        return float(numbers[rows].sum() / numbers.sum())

    values = say("TTL {client} from the clients, {server} from the servers", client=usual_client, server=usual_server)
    if share(~client & ~server) >= MOSTLY:
        return Place("between", say("Segments of both ends had crossed routers ({values}).", values=values))
    for name, near in (("client", client & ~server), ("server", server & ~client)):
        if share(near) >= MOSTLY:
            return Place("unknown", say(_NEAR[name], values=values, trip=_trip(seen, name)))
    if share(client & server) >= MOSTLY:
        return Place("unknown", say("No router lies between the two ends and the capture ({values}).", values=values))
    return Place(
        "unknown", say("The TTLs of different connections contradict each other (usually {values}).", values=values)
    )


_NEAR = {
    "client": N_(
        "No router lies between the client and the capture ({values}{trip}): it was taken on the client's host or on the first device "
        "behind it, and neither frame directions nor checksums tell which."
    ),
    "server": N_(
        "No router lies between the server and the capture ({values}{trip}): it was taken on the server's host or on the first device "
        "behind it, and neither frame directions nor checksums tell which."
    ),
}


def _trip(connections: pd.DataFrame, name: str) -> Sentence:
    trip = connections[f"{name}_rtt"].median()
    return say("") if pd.isna(trip) else say(", {trip:.3g} ms to it and back", trip=trip * 1e3)


def _directions(connections: pd.DataFrame, settled: int) -> str:
    """'both' or 'one' for most of the connections that got past a SYN and are not bare resets; 'unknown' without any.

    `settled` more showed both.
    """
    client = (connections["client_packets"] - connections["client_resets"] - connections["syn_frames"]).to_numpy(
        np.int64
    )
    server = (connections["server_packets"] - connections["server_resets"]).to_numpy(np.int64)
    both = (connections["client_packets"] > 0).to_numpy(bool) & (connections["server_packets"] > 0).to_numpy(bool)
    telling = both | (client > 0) | (server > 0)
    told = int(telling.sum()) + settled
    if not told:
        return "unknown"
    return "both" if 2 * (int(both.sum()) + settled) >= told else "one"


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
    settled: Settled,
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
    settled : Settled
        What connections come to that are no rows any more.
    """
    unseen_acked += settled.unseen
    total = len(connections) + settled.connections + settled.attempts
    local, remote, by_direction = local_hosts(hosts)
    clients = np.concatenate([client_host, settled.paths["client"]])
    servers = np.concatenate([server_host, settled.paths["server"]])
    numbers = np.concatenate([np.ones(len(client_host), np.int64), settled.paths["connections"]])
    near, far = np.append(local, False), np.append(remote, False)  # nothing is known of sums.ANY
    places = place(near[clients], near[servers], far[clients], far[servers])
    found = _by_hosts(places, numbers, bool(by_direction.any())) or _by_ttl(connections, settled.ttls)
    resets = int(hosts["resets"].sum())
    only_resets = segments > 0 and resets >= ONLY_RESETS * segments
    if only_resets:
        found = (
            Place("unknown", say("There is nothing but resets to tell it by.")) if found.where == "unknown" else found
        )
    busiest = np.argsort(-hosts["packets"], kind="stable")
    here = [texts[i] for i in busiest if local[i]]
    directions = "unknown" if only_resets else _directions(connections, settled.connections)
    first, last = connections["first"].min(), connections["last"].max()
    drops: Any = pd.NA
    tunnels: list[str] = []
    if captures is not None and len(captures):
        first, last = captures["first"].min(), captures["last"].max()
        drops = captures["drops"].sum(min_count=1)
        found_in = set(", ".join(captures["tunnels"].dropna()).split(", "))
        tunnels = [name for name in TUNNELS if name in found_in]
    row: dict[str, Any] = {
        "point": point,
        "first": first,
        "last": last,
        "where": found.where,
        "where_basis": found.basis,
        "directions": directions,
        "only_resets": only_resets,
        "drops": drops,
        "unseen_acked": unseen_acked,
        "local_hosts": ", ".join(here) or pd.NA,
        "hosts": ", ".join(texts[i] for i in busiest[:HOSTS_NAMED]) or pd.NA,
        "connections": total,
        "sentence": _sentence(found, here, directions, only_resets, drops, unseen_acked, total, tunnels),
    }
    return COVERAGE.of([row])


_TAKEN = {
    "client": N_("Taken on the client's host{hosts}."),
    "server": N_("Taken on the server's host{hosts}."),
    "both": N_("Taken on the host that is both client and server{hosts}."),
    "between": N_("Taken between client and server."),
    "unknown": N_("Where it was taken is not certain."),
}


def _sentence(
    found: Place,
    here: list[str],
    directions: str,
    only_resets: bool,
    drops: Any,
    unseen_acked: int,
    connections: int,
    tunnels: list[str],
) -> Sentence | str:
    if connections == 0:
        return say("It holds no TCP.")
    names = ", ".join(here[:3]) + (" …" if len(here) > 3 else "")
    hosts = say(" ({names})", names=names) if here else say("")
    facts = say_many("{n:,} connection", "{n:,} connections", connections)
    more = []
    if only_resets:
        more.append(say("practically nothing but resets, as if a capture filter had dropped the rest"))
    elif directions == "one":
        more.append(say("only one direction of most"))
    if not pd.isna(drops) and drops > 0:
        more.append(say_many("{n:,} packet known to be lost", "{n:,} packets known to be lost", int(drops)))
    if unseen_acked:
        more.append(say("{n:,} with acknowledged bytes that it does not hold", n=unseen_acked))
    for fact in more:
        facts = say("{facts}, {fact}", facts=facts, fact=fact)
    taken = say(_TAKEN[found.where], hosts=hosts)
    sentences = [taken, found.basis, say("It holds {facts}.", facts=facts)]
    if tunnels:
        names = ", ".join(tunnels)
        sentences.append(say("Packets came in tunnels ({names}): the connections inside were judged.", names=names))
    return joined(sentences)
