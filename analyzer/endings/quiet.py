"""Connections that ended without a reset: in silence, with a FIN in mid-work, or in order although a log complains.

Lives here: their facts from their own packets (`silence_facts`, `close_facts`), and `settle`, which decides what a close with FINs was
once words and log lines are known.
Never here: resets (packet_facts.py, exchange_facts.py), other connections (population.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.endings.exchange_facts import bytes_sent, fins_acknowledged, lossless, outstanding, stage
from analyzer.endings.life import Facts, Life, distance, highest, highest_ack, places
from analyzer.endings.patterns import loss_facts, syn_facts, unread_by_fin
from analyzer.schema import ACK, FIN, SYN

Indices = npt.NDArray[Any]

# What was said last is taken for a request only above this: goodbyes are shorter (analyzer.connections.candidates).
GOODBYE = 64  # bytes


def silence_facts(life: Life) -> tuple[int, Facts]:
    """Return (the last packet of the end that spoke in vain, the facts of a connection that died without a reset).

    That end plays the part of `sender`: the one with unacknowledged bytes, else the one that spoke last.
    """
    sides = {client: places(life.from_client == client) for client in (True, False)}
    client = bool(life.from_client[-1])
    if not _waits(life, sides[client], sides[not client]) and _waits(life, sides[not client], sides[client]):
        client = not client
    own, peer = sides[client], sides[not client]
    i = int(own[-1])
    run = own[(own > _last_progress(life, peer)) & life.retransmission[own]]
    before = int(run[0]) - 1 if len(run) else -1
    facts = _whole(life, i) | {
        "sender_retransmissions": len(run),
        "idle_gap": life.seconds(before, int(peer[peer < before][-1]))
        if before >= 0 and (peer < before).any()
        else None,
    }
    return i, facts | syn_facts(life, len(life)) | loss_facts(life, own, peer)


def close_facts(life: Life) -> tuple[int, Facts]:
    """Return (the first FIN, the facts of a connection that it ended); without a FIN, of the last packet.

    The end that closed first plays the part of `sender`; so does the end that spoke last where none closed.
    """
    fins = places(life.has(FIN))
    i = int(fins[0]) if len(fins) else len(life) - 1
    client = bool(life.from_client[i])
    index = np.arange(len(life))
    own, peer = (places((life.from_client == side) & (index <= i)) for side in (client, not client))
    peer_data = peer[(life.length[peer] > 0) & ~life.keepalive[peer] & ~life.retransmission[peer]]
    own_data = own[(life.length[own] > 0) & ~life.keepalive[own]]
    last_own = int(own_data[-1]) if len(own_data) else -1
    earlier = places(~life.keepalive[:i])
    later = places((life.from_client != client) & (life.length > 0))
    facts = _whole(life, i) | {
        "peer_bytes_since_sender_data": int(life.length[peer_data[peer_data > last_own]].sum()),
        "peer_data_after_sender_fin": bool(len(unread_by_fin(life, i, later))) if len(fins) else None,
        "idle_before_fin": life.seconds(i, int(earlier[-1])) if len(fins) and len(earlier) else None,
        "peer_data_after": bool((later > i).any()) if len(fins) else None,
        "both_fins_acked": fins_acknowledged(life, places(life.from_client == client), places(life.from_client != client)),
    }  # fmt: skip
    return i, facts | syn_facts(life, len(life))


def settle(endings: pd.DataFrame, told: Mapping[str, Set[str]] | None = None) -> pd.DataFrame:
    """Return ENDINGS in which every close with FINs has its kind; with `told`, without those of which nothing is told.

    'fin_midway': a transaction was open, a request unanswered, or, where no words could be read, the server closed on a request of a
    connection that it had answered before; or a log tells of an unexpected end. Every other one is 'log_only', and stays only where a log
    line that speaks of a broken connection is tied to it: `told` has the events of such lines, by ending.
    """
    quiet = endings["kind"].isin(["fin_midway", "log_only"])
    if not quiet.any():
        return endings
    out = endings.copy()
    # the words were read up to the FIN; after a half-close the answer comes later
    out.loc[quiet & endings["peer_data_after"].fillna(False), "request_unanswered"] = False
    said = (out["request_unanswered"] | out["transaction_open"]).fillna(False).astype(bool)
    unread = out["request_unanswered"].isna() & ~out["client_goodbye"].fillna(False) & ~out["encrypted"].fillna(False)
    by_server = (
        (out["apparent_sender"] == "server")
        & (out["peer_bytes_since_sender_data"] > GOODBYE)
        & (out["server_bytes"] > 0)
    )
    if told is not None:
        said |= pd.Series(["unexpected_end" in told.get(e, ()) for e in endings["ending"]], index=endings.index)
    midway = out["sender_fin"].fillna(False).astype(bool) & (said | (unread & by_server).fillna(False).astype(bool))
    out.loc[quiet, "kind"] = np.where(midway[quiet], "fin_midway", "log_only")
    if told is None:
        return out
    return out[(out["kind"] != "log_only") | out["ending"].isin(list(told))].reset_index(drop=True)


def _whole(life: Life, i: int) -> Facts:
    """Return the facts of the whole connection, the end that sent packet i as `sender`."""
    client = bool(life.from_client[i])
    own, peer = (places(life.from_client == side) for side in (client, not client))
    until = np.arange(len(life)) <= i
    own_data, peer_data = (side[(life.length[side] > 0) & until[side]] for side in (own, peer))
    facts: Facts = {
        "duration": life.seconds(i, 0),
        "unacked_sender": outstanding(highest(life, own), highest_ack(life, peer)),
        "unacked_peer": outstanding(highest(life, peer), highest_ack(life, own)),
        "sender_bytes": bytes_sent(life, own),
        "peer_bytes": bytes_sent(life, peer),
        "since_peer_data": life.seconds(i, int(peer_data[-1])) if len(peer_data) else None,
        "since_sender_data": life.seconds(i, int(own_data[-1])) if len(own_data) else None,
        "syn_frames": int(((life.flags & (SYN | ACK)) == SYN).sum()),
        "both_directions": bool(len(own) and len(peer)),
        "ttl": int(life.ttl[i]),
        "sender_fin": bool(life.has(FIN)[own].any()),
        "peer_fin": bool(life.has(FIN)[peer].any()) if len(peer) else False,
        "lossless": lossless(life),
    }
    facts["client_bytes"] = facts["sender_bytes"] if client else facts["peer_bytes"]
    facts["server_bytes"] = facts["peer_bytes"] if client else facts["sender_bytes"]
    facts["stage"] = stage(life, len(life), facts)
    return facts


def _waits(life: Life, own: Indices, peer: Indices) -> bool:
    """Tell whether this end had something unacknowledged under way."""
    sent, acked = highest(life, own), highest_ack(life, peer)
    return sent is not None and (acked is None or distance(sent, acked) > 0)


def _last_progress(life: Life, peer: Indices) -> int:
    """Return the index of the other end's packet that acknowledged most, first; -1 without any."""
    best, at = None, -1
    for i in map(int, peer):
        ack = int(life.ack[i])
        if ack >= 0 and (best is None or distance(ack, best) > 0):
            best, at = ack, i
    return at
