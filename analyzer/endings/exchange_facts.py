"""What the reset answers, in what state of the exchange it came, and what followed it.

Lives here: the facts of the exchange, as ENDINGS columns; None means that it could not be seen.
Never here: the packet's own looks (packet_facts.py), other connections (population.py), any conclusion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.endings.answers import find_trigger, kind, next_attempt
from analyzer.endings.life import NONE, Context, Facts, Life, distance, highest, highest_ack, places
from analyzer.endings.patterns import unread_by_fin
from analyzer.schema import ACK, FIN, RST, SYN

# Round trips shorter than this are within the noise of schedulers and of capturing itself: nothing is too fast below it.
SHORTEST_TELLING_RTT = 0.002  # s
# A packet still counts as "just before" within this time, where the round trip is shorter or unknown.
JUST_BEFORE = 0.050  # s
# Resets of one end within this time belong to one burst (Khattak's gate for RST_SEQ_CHANGE, after Weaver et al. 2009).
BURST_SECONDS = 2.0  # s
# What later packets of a stack that sent a reset may still be: packets that were under way and arrive out of order.
REORDERING = 0.005  # s


def exchange_facts(life: Life, i: int, context: Context) -> Facts:
    """Return what the reset answers and in what state of the exchange it came."""
    client = bool(life.from_client[i])
    own, peer = life.speakers(i)
    rtt = context.rtt[client]
    trigger, answers = find_trigger(life, i, rtt)
    facts: Facts = {
        "trigger_frame": None if trigger is None else int(life.frame[trigger]),
        "trigger_kind": None if trigger is None else kind(life, trigger),
        "trigger_delay": None if trigger is None else life.seconds(i, trigger),
        "answers_trigger": None if trigger is None else answers,
        "trigger_had_ack": None if trigger is None else bool(int(life.flags[trigger]) & ACK),
        "rtt_usual": rtt,
        "too_fast": None,
        "duration": life.seconds(i, 0),
        "syn_frames": int(np.count_nonzero((life.flags[:i] & (SYN | ACK)) == SYN)),
    }
    if trigger is not None and answers and rtt is not None and rtt >= SHORTEST_TELLING_RTT:
        facts["too_fast"] = bool(life.seconds(i, trigger) < 0.5 * rtt)
    facts["idle_gap"] = _idle_gap(life, i, trigger if answers else None)
    # payload and closing
    own_data, peer_data = own[life.length[own] > 0], peer[life.length[peer] > 0]
    facts["sender_bytes"], facts["peer_bytes"] = bytes_sent(life, own), bytes_sent(life, peer)
    facts["client_bytes"] = facts["sender_bytes"] if client else facts["peer_bytes"]
    facts["server_bytes"] = facts["peer_bytes"] if client else facts["sender_bytes"]
    facts |= _closing(life, i, own, peer, peer_data)
    facts["stage"] = stage(life, i, facts)
    snd_nxt, peer_nxt = highest(life, own), highest(life, peer)
    acked_own, acked_before = highest_ack(life, peer), highest_ack(life, own)
    acked_peer = highest_ack(life, np.append(own, i))
    facts["unacked_sender"] = outstanding(snd_nxt, acked_own)
    facts["unacked_peer"] = outstanding(peer_nxt, acked_peer)
    last_own = int(own_data[-1]) if len(own_data) else -1
    fresh = peer_data[(peer_data > last_own) & ~life.keepalive[peer_data] & ~life.retransmission[peer_data]]
    facts["peer_bytes_since_sender_data"] = sum(life.length[fresh].tolist())
    facts["since_peer_data"] = life.seconds(i, int(peer_data[-1])) if len(peer_data) else None
    facts["since_sender_data"] = life.seconds(i, last_own) if last_own >= 0 else None
    just_before = max(JUST_BEFORE, (context.rtt[True] or 0) + (context.rtt[False] or 0))
    facts["peer_was_sending"] = bool(len(peer_data) and life.seconds(i, int(peer_data[-1])) <= just_before)
    # trouble on the way
    last_peer = int(peer[-1]) if len(peer) else -1
    last_sender = int(own[-1]) if len(own) else -1
    facts["retransmissions"] = int(np.count_nonzero(life.retransmission[peer[peer > last_sender]]))
    facts["sender_retransmissions"] = int(np.count_nonzero(life.retransmission[own[own > last_peer]]))
    kept_alive = own[life.keepalive[own]]
    own_words = own_data[~life.keepalive[own_data]]
    last_word = max(int(side[-1]) if len(side) else -1 for side in (own_words, peer_data))
    run = kept_alive[kept_alive > last_word]
    facts["keepalives"] = len(run)
    facts["keepalives_unanswered"] = int(np.count_nonzero(kept_alive > last_peer))
    facts["keepalive_interval"] = float(np.median(np.diff(life.time[run])) / 1e9) if len(run) > 1 else None
    facts["since_keepalive"] = life.seconds(i, int(run[-1])) if len(run) else None
    facts["zero_window"] = any(len(side) and int(life.window[side[-1]]) == 0 for side in (own, peer))
    facts["both_directions"] = bool(len(own) and len(peer))
    facts["lossless"] = not (_beyond(acked_own, snd_nxt) or _beyond(acked_before, peer_nxt))
    return facts


def bytes_sent(life: Life, indices: npt.NDArray[Any]) -> int:
    """Return the payload sent, by Wireshark's relative numbers: the first payload byte is number 1."""
    data = indices[(life.length[indices] > 0) & ~life.keepalive[indices]]
    known = data[life.relative_seq[data] != NONE]
    return int((life.relative_seq[known] + life.length[known]).max() - 1) if len(known) else 0


def outstanding(sent: int | None, acknowledged: int | None) -> int | None:
    """Return how many bytes of what was sent are not acknowledged; None where either is unknown."""
    return None if sent is None or acknowledged is None else max(distance(sent, acknowledged), 0)


def _idle_gap(life: Life, i: int, trigger: int | None) -> float | None:
    """Return the silence before the trigger, or before the reset without one; a retransmitted trigger counts from its first copy."""
    at = i if trigger is None else trigger
    if trigger is not None:
        same = places(
            (life.from_client == life.from_client[trigger]) & (life.seq == life.seq[trigger]) & (life.length == life.length[trigger])
            & (life.flags == life.flags[trigger]) & (np.arange(len(life)) <= trigger) & ((life.length > 0) | life.has(SYN | FIN))
        )  # fmt: skip
        if len(same) and life.retransmission[trigger]:
            at = int(same[0])
    return life.seconds(at, at - 1) if at > 0 else None


def _closing(life: Life, i: int, own: npt.NDArray[Any], peer: npt.NDArray[Any], peer_data: npt.NDArray[Any]) -> Facts:
    own_fins, peer_fins = own[(life.flags[own] & FIN) != 0], peer[(life.flags[peer] & FIN) != 0]
    facts: Facts = {
        "sender_fin": bool(len(own_fins)),
        "peer_fin": bool(len(peer_fins)),
        "peer_data_after_sender_fin": None,
        "since_sender_fin": None,
        "sender_fin_to_peer_data": None,
        "peer_acked_fin_first": None,
    }
    facts["both_fins_acked"] = fins_acknowledged(life, np.append(own, i), peer)
    if len(own_fins):
        fin = int(own_fins[0])
        later = unread_by_fin(life, fin, peer_data)
        facts["since_sender_fin"] = life.seconds(i, fin)
        facts["peer_data_after_sender_fin"] = bool(len(later))
        if len(later):
            data = int(later[0])
            facts["sender_fin_to_peer_data"] = life.seconds(data, fin)
            between = peer[(peer > fin) & (peer < data)]
            acked = highest_ack(life, between)
            facts["peer_acked_fin_first"] = acked is not None and distance(acked, life.end(fin)) >= 0
    return facts


def fins_acknowledged(life: Life, own: npt.NDArray[Any], peer: npt.NDArray[Any]) -> bool:
    """Tell whether both ends sent a FIN and had it acknowledged."""
    own_fins, peer_fins = own[(life.flags[own] & FIN) != 0], peer[(life.flags[peer] & FIN) != 0]
    if not len(own_fins) or not len(peer_fins):
        return False
    of_own, of_peer = highest_ack(life, peer), highest_ack(life, own)
    return bool(
        of_own is not None and of_peer is not None
        and distance(of_own, life.end(int(own_fins[-1]))) >= 0 and distance(of_peer, life.end(int(peer_fins[-1]))) >= 0
    )  # fmt: skip


def stage(life: Life, i: int, facts: Facts) -> str:
    """Return ENDINGS.stage for the packets before index i."""
    flags = life.flags[:i]
    if facts["sender_fin"] or facts["peer_fin"]:
        return "closing"
    if facts["client_bytes"] or facts["server_bytes"]:
        return "data"
    plain = (flags & (SYN | RST)) == 0
    if ((flags & (SYN | ACK)) == SYN).any():
        plain &= life.from_client[:i]  # a bare ACK of the server is no answer to a SYN
    if plain.any():
        return "established"
    if ((flags & (SYN | ACK)) == (SYN | ACK)).any():
        return "syn_ack"
    return "syn" if ((flags & (SYN | ACK)) == SYN).any() else "established"


def lossless(life: Life) -> bool:
    """Tell whether every acknowledged byte was seen: an ACK beyond it means that packets are missing."""
    plain = ~life.resets
    sides = [places(plain & (life.from_client == client)) for client in (True, False)]
    return not any(_beyond(highest_ack(life, b), highest(life, a)) for a, b in (sides, sides[::-1]))


def _beyond(acked: int | None, sent: int | None) -> bool:
    return acked is not None and sent is not None and distance(acked, sent) > 0


def aftermath(life: Life, i: int, context: Context) -> Facts:
    """Return what followed the reset in the same connection."""
    after = slice(i + 1, next_attempt(life, i))  # what follows on the same ports is no aftermath
    client = bool(life.from_client[i])
    own, plain = life.from_client[after] == client, ~life.resets[after]
    rtt = max(context.rtt[client] or 0.0, REORDERING)
    genuine = False
    for j in (i + 1 + places(own & plain & ((life.flags[after] & SYN) == 0))).tolist():
        if life.length[j] == 0 and not int(life.flags[j]) & FIN:
            continue
        beyond = (
            distance(int(life.seq[j]), int(life.seq[i])) >= 0
            and bool(int(life.flags[i]) & ACK)
            and not life.retransmission[j]
        )
        genuine = genuine or beyond or life.seconds(j, i) > rtt
    resets = places(life.resets)
    others = [int(j) for j in resets if life.from_client[j] != client]
    burst, seen = 0, set()
    for j in map(int, resets):
        if life.from_client[j] == client and abs(life.seconds(j, i)) <= BURST_SECONDS and int(life.seq[j]) not in seen:
            trigger, answers = find_trigger(life, j, None)
            if not answers or trigger is None:
                seen.add(int(life.seq[j]))
                burst += 1
    crossing = [
        j for j in others
        if abs(life.seconds(j, i)) <= BURST_SECONDS and not find_trigger(life, j, None)[1] and not find_trigger(life, i, None)[1]
    ]  # fmt: skip
    peer_after = ~own & plain & (life.length[after] > 0)
    return {
        "data_after_reset": bool(genuine),
        "peer_data_after": bool(peer_after.any()),
        "burst": burst,
        "both_ends_reset": bool(crossing),
        "other_reset_frame": int(life.frame[others[0]]) if others else None,
    }
