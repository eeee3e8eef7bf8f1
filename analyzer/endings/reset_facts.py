"""The facts of one reset: what the packet looks like, what it answers, and in what state it met its connection.

Lives here: section B.1 of the fact base for one Life, as a dict of ENDINGS columns; None means that it could not be seen.
Never here: other connections (population.py), other capture points (vantage), or any conclusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analyzer.endings.life import NONE, Life, distance
from analyzer.schema import ACK, FIN, RST, SYN

Facts = dict[str, Any]

# Round trips shorter than this are within the noise of schedulers and of capturing itself: nothing is too fast below it.
SHORTEST_TELLING_RTT = 0.002  # s
# A packet still counts as "just before" within this time, where the round trip is shorter or unknown.
JUST_BEFORE = 0.050  # s
# Packets are one burst, all of them possible triggers, while no silence is longer than this (or four round trips).
BURST_SILENCE = 0.2  # s
# Resets of one end within this time belong to one burst (Khattak's gate for RST_SEQ_CHANGE, after Weaver et al. 2009).
BURST_SECONDS = 2.0  # s
# Linux, the BSDs and Windows tick timestamps between 1 Hz and 1 kHz (RFC 7323 5.4); half as much again for clock error.
TIMESTAMP_HZ = 1000
# What later packets of a stack that sent a reset may still be: packets that were under way and arrive out of order.
REORDERING = 0.005  # s


@dataclass(frozen=True)
class Context:
    """What a reset is measured against, from CONNECTIONS, HOSTS and COVERAGE; None where unknown. Indexed True for the client."""

    rtt: dict[bool, float | None]
    host_ttl: dict[bool, int | None]
    timestamps: bool | None


def first_effective(life: Life) -> int | None:
    """Return the index of the first reset that ended the connection; the first reset at all when none of them did.

    A reset had no effect when the end that received it went on speaking (RFC 5961 3.2: a challenge ACK, then business as usual).
    """
    resets = np.flatnonzero(life.has(RST))
    for i in resets:
        receiver = life.from_client != life.from_client[i]
        after = np.arange(len(life)) > i
        spoke = receiver & after & ~life.has(RST) & ((life.length > 0) | life.has(FIN)) & ~life.has(SYN)
        answered = life.from_client == life.from_client[i]
        heard = answered & after & ~life.has(RST) & life.has(ACK)
        # Words of the receiver that were under way do not count; an exchange in both directions afterwards does.
        if not (spoke.any() and heard.any() and (life.time[heard].max() > life.time[spoke].min())):
            return int(i)
    return int(resets[0]) if len(resets) else None


def _highest(life: Life, indices: np.ndarray[Any, Any]) -> int | None:
    """Return the highest sequence number after these packets (snd_nxt of their sender), or None without packets."""
    best: int | None = None
    for i in indices:
        end = life.end(int(i))
        if best is None or distance(end, best) > 0:
            best = end
    return best


def _highest_ack(life: Life, indices: np.ndarray[Any, Any]) -> int | None:
    """Return the highest acknowledgement in these packets, or None."""
    best: int | None = None
    for i in indices:
        ack = int(life.ack[i])
        if ack != NONE and (best is None or distance(ack, best) > 0):
            best = ack
    return best


def _usual(values: np.ndarray[Any, Any]) -> int | None:
    """Return the most frequent value that is not NONE."""
    values = values[values != NONE]
    if not len(values):
        return None
    unique, counts = np.unique(values, return_counts=True)
    return int(unique[counts.argmax()])


def is_reply(life: Life, reset: int, trigger: int) -> bool:
    """Tell whether the reset is exactly what RFC 9293 3.10.7.1 prescribes as the answer to the trigger."""
    if life.has(RST)[trigger] or life.from_client[reset] == life.from_client[trigger]:
        return False
    if int(life.flags[trigger]) & ACK:
        return not int(life.flags[reset]) & ACK and int(life.seq[reset]) == int(life.ack[trigger])
    return bool(int(life.flags[reset]) & ACK and int(life.seq[reset]) == 0 and int(life.ack[reset]) == life.end(trigger))


def find_trigger(life: Life, reset: int, rtt: float | None) -> tuple[int | None, bool]:
    """Return (index of the packet that the reset answers, True), else (the other end's last packet before it, False).

    Several packets of one burst can fit. The latest that leaves time for the round trip is taken, so that a busy line never
    makes an honest answer look too fast.
    """
    peer = np.flatnonzero((life.from_client != life.from_client[reset]) & (np.arange(len(life)) < reset))
    if not len(peer):
        return None, False
    fitting = [int(i) for i in peer if is_reply(life, reset, int(i))]
    if not fitting:
        return int(peer[-1]), False
    silence = max(BURST_SILENCE, 4 * (rtt or 0))
    burst = [fitting[-1]]
    for i in reversed(fitting[:-1]):
        if life.seconds(burst[-1], i) > silence:
            break
        burst.append(i)
    for i in burst:
        if life.seconds(reset, i) >= 0.5 * (rtt or 0):
            return i, True
    return burst[0], True


def _kind(life: Life, i: int) -> str:
    flags = int(life.flags[i])
    if flags & RST:
        return "reset"
    if flags & SYN:
        return "syn_ack" if flags & ACK else "syn"
    if flags & FIN:
        return "fin"
    if life.keepalive[i]:
        return "keepalive"
    return "data" if life.length[i] > 0 else "ack"


def _packet_facts(life: Life, i: int, context: Context, payload: bytes | None) -> Facts:
    """Return the facts that the reset packet itself and the same end's earlier packets give."""
    index = np.arange(len(life))
    client = bool(life.from_client[i])
    before = index < i
    own = np.flatnonzero(before & (life.from_client == client) & ~life.has(RST))
    peer = np.flatnonzero(before & (life.from_client != client) & ~life.has(RST))
    own_steady = own[(life.flags[own] & SYN) == 0]
    flags = int(life.flags[i])
    has_ack = bool(flags & ACK)
    snd_nxt, peer_nxt = _highest(life, own), _highest(life, peer)
    facts: Facts = {
        "has_ack": has_ack,
        "seq_delta": None if snd_nxt is None else distance(int(life.seq[i]), snd_nxt),
        "ack_delta": distance(int(life.ack[i]), peer_nxt) if has_ack and peer_nxt is not None and life.ack[i] != NONE else None,
        "window": int(life.window[i]),
        "window_zero": int(life.window[i]) == 0,
        "has_timestamps": bool(life.tsval[i] != NONE),
        "ttl": int(life.ttl[i]),
        "ip_id": None if life.ip_id[i] == NONE else int(life.ip_id[i]),
        "ip_id_zero": None if life.ip_id[i] == NONE else int(life.ip_id[i]) == 0,
        "dont_fragment": bool(life.dont_fragment[i]),
        "payload_length": int(life.length[i]),
        "payload_text": printable(payload) if payload else None,
        "checksum_ok": life.checksum_ok[i],
        "direction": life.direction[i],
    }
    facts["in_window"] = _in_window(life, i, peer)
    # timestamps
    negotiated = context.timestamps
    if negotiated is None and len(own_steady):
        negotiated = bool((life.tsval[own_steady] != NONE).any())
    facts["timestamps_negotiated"] = negotiated
    facts["timestamp_continues"] = None
    stamped = own[life.tsval[own] != NONE]
    if facts["has_timestamps"] and len(stamped):
        ticks = distance(int(life.tsval[i]), int(life.tsval[stamped[-1]]))
        elapsed = max(life.seconds(i, int(stamped[-1])), 0.0)
        facts["timestamp_continues"] = 0 <= ticks <= 1.5 * TIMESTAMP_HZ * elapsed + 2 * TIMESTAMP_HZ
    # TTL
    usual, basis = _usual(life.ttl[own_steady]), "connection"
    if usual is None:
        usual = _usual(life.ttl[own])
    if usual is None:
        usual, basis = context.host_ttl[client], "host"
    facts["ttl_usual"] = usual
    facts["ttl_delta"] = None if usual is None else int(life.ttl[i]) - usual
    facts["ttl_basis"] = None if usual is None else basis
    facts["tos_differs"] = (int(life.tos[i]) & 0xFC) != (_usual(life.tos[own] & 0xFC) or 0) if len(own) else None
    labels = _usual(life.flow_label[own_steady])
    facts["flow_label_same"] = None if labels is None else int(life.flow_label[i]) == labels
    # IP identification
    facts["ip_id_counts"], facts["ip_id_continues"] = _ip_id(life, i, own_steady)
    facts["live_socket"] = _live(facts, life, own_steady, i)
    facts["sender_is_local"], facts["incoming_copy"] = _direction(life, i, own)
    return facts


def _in_window(life: Life, i: int, peer: np.ndarray[Any, Any]) -> bool | None:
    """Tell whether the receiver would accept the reset's sequence number, by its last acknowledgement and window."""
    received = _highest_ack(life, peer)
    if received is None:
        return None
    last = [int(p) for p in peer if life.ack[p] != NONE][-1]
    shifts = [int(life.window_shift[p]) for p in peer if life.window_shift[p] != NONE]
    window = int(life.window[last]) << (shifts[0] if shifts else 0)
    offset = distance(int(life.seq[i]), received)
    return 0 <= offset <= max(window, 0)


def _ip_id(life: Life, i: int, own: np.ndarray[Any, Any]) -> tuple[bool | None, bool | None]:
    """Return (this end counts its IP IDs up in this connection, the reset's is the next); super-segments take several."""
    ids = life.ip_id[own]
    if life.ip_id[i] == NONE or len(own) < 3 or (ids == NONE).any():
        return None, None
    own, ids = own[-20:], ids[-20:]
    room = 2 + np.ceil(life.length[own[:-1]] / 1000).astype(np.int64)
    steps = np.diff(ids) % 65536
    counts = bool(((steps >= 1) & (steps <= room)).mean() >= 0.8)
    if not counts:
        return False, None
    step = (int(life.ip_id[i]) - int(ids[-1])) % 65536
    return True, 1 <= step <= 2 + -(-int(life.length[own[-1]]) // 1000)


def _live(facts: Facts, life: Life, own: np.ndarray[Any, Any], i: int) -> bool | None:
    """Tell whether the packet was built by the live socket of that end (SHAPE-3: tcp_send_active_reset).

    True needs RST+ACK at snd_nxt, a window as that socket advertised, and continuing timestamps where they are in use (without
    them a continuing IP ID). A stack that resets without options (Windows) gives False without being forged.
    """
    if not len(own):
        return None
    if not facts["has_ack"] or facts["seq_delta"] != 0:
        return False
    window = int(life.window[i])
    if window == 0 and int(life.window[own[-1]]) != 0:
        return False
    if facts["timestamps_negotiated"]:
        return bool(facts["timestamp_continues"]) if facts["has_timestamps"] else False
    if facts["ip_id_counts"]:
        return bool(facts["ip_id_continues"])
    return True if window else None


def _direction(life: Life, i: int, own: np.ndarray[Any, Any]) -> tuple[bool | None, bool | None]:
    """Return (that end's segments start at the capturing host, an incoming copy of this reset exists)."""
    if life.direction[i] is None:
        return None, None
    frame = int(life.frame[i])
    copy_in = any(first == frame and direction == "in" for first, direction in life.sightings)
    arrived = {first for first, direction in life.sightings if direction == "in"}
    known = [int(p) for p in own if life.direction[p] is not None]
    local = None
    if known:
        local = all(life.direction[p] == "out" and int(life.frame[p]) not in arrived for p in known)
    return local, copy_in or life.direction[i] == "in"


def _exchange_facts(life: Life, i: int, context: Context) -> Facts:
    """Return what the reset answers and in what state of the exchange it came."""
    index = np.arange(len(life))
    client = bool(life.from_client[i])
    before = (index < i) & ~life.has(RST)
    own, peer = np.flatnonzero(before & (life.from_client == client)), np.flatnonzero(before & (life.from_client != client))
    rtt = context.rtt[client]
    trigger, answers = find_trigger(life, i, rtt)
    facts: Facts = {
        "trigger_frame": None if trigger is None else int(life.frame[trigger]),
        "trigger_kind": None if trigger is None else _kind(life, trigger),
        "trigger_delay": None if trigger is None else life.seconds(i, trigger),
        "answers_trigger": None if trigger is None else answers,
        "trigger_had_ack": None if trigger is None else bool(int(life.flags[trigger]) & ACK),
        "rtt_usual": rtt,
        "too_fast": None,
        "duration": life.seconds(i, 0),
        "syn_frames": int(((life.flags & (SYN | ACK)) == SYN)[:i].sum()),
    }
    if trigger is not None and answers and rtt is not None and rtt >= SHORTEST_TELLING_RTT:
        facts["too_fast"] = bool(life.seconds(i, trigger) < 0.5 * rtt)
    facts["idle_gap"] = _idle_gap(life, i, trigger if answers else None)
    # payload and closing
    own_data, peer_data = own[life.length[own] > 0], peer[life.length[peer] > 0]
    facts["sender_bytes"], facts["peer_bytes"] = _bytes(life, own), _bytes(life, peer)
    facts["client_bytes"] = facts["sender_bytes"] if client else facts["peer_bytes"]
    facts["server_bytes"] = facts["peer_bytes"] if client else facts["sender_bytes"]
    facts |= _closing(life, i, own, peer, peer_data)
    facts["stage"] = _stage(life, i, facts)
    snd_nxt, peer_nxt = _highest(life, own), _highest(life, peer)
    acked_own, acked_peer = _highest_ack(life, peer), _highest_ack(life, np.append(own, i))
    facts["unacked_sender"] = _outstanding(snd_nxt, acked_own)
    facts["unacked_peer"] = _outstanding(peer_nxt, acked_peer)
    last_own = int(own_data[-1]) if len(own_data) else -1
    fresh = peer_data[(peer_data > last_own) & ~life.keepalive[peer_data] & ~life.retransmission[peer_data]]
    facts["peer_bytes_since_sender_data"] = int(life.length[fresh].sum())
    facts["since_peer_data"] = life.seconds(i, int(peer_data[-1])) if len(peer_data) else None
    facts["since_sender_data"] = life.seconds(i, last_own) if last_own >= 0 else None
    just_before = max(JUST_BEFORE, (context.rtt[True] or 0) + (context.rtt[False] or 0))
    facts["peer_was_sending"] = bool(len(peer_data) and life.seconds(i, int(peer_data[-1])) <= just_before)
    # trouble on the way
    last_peer = int(peer[-1]) if len(peer) else -1
    last_sender = int(own[-1]) if len(own) else -1
    facts["retransmissions"] = int((life.retransmission & (index > last_sender) & before & (life.from_client != client)).sum())
    facts["sender_retransmissions"] = int((life.retransmission & (index > last_peer) & before & (life.from_client == client)).sum())
    probes = own[life.keepalive[own] & (own > last_peer)]
    facts["keepalives_unanswered"] = len(probes)
    facts["keepalive_interval"] = float(np.median(np.diff(life.time[probes])) / 1e9) if len(probes) > 1 else None
    facts["since_keepalive"] = life.seconds(i, int(probes[-1])) if len(probes) else None
    facts["zero_window"] = any(len(side) and int(life.window[side[-1]]) == 0 for side in (own, peer))
    facts["both_directions"] = bool(len(own) and len(peer))
    facts["lossless"] = _lossless(life, i)
    return facts


def _bytes(life: Life, indices: np.ndarray[Any, Any]) -> int:
    """Return the payload sent, by Wireshark's relative numbers: the first payload byte is number 1."""
    data = indices[(life.length[indices] > 0) & ~life.keepalive[indices]]
    known = data[life.relative_seq[data] != NONE]
    return int((life.relative_seq[known] + life.length[known]).max() - 1) if len(known) else 0


def _outstanding(sent: int | None, acknowledged: int | None) -> int | None:
    return None if sent is None or acknowledged is None else max(distance(sent, acknowledged), 0)


def _idle_gap(life: Life, i: int, trigger: int | None) -> float | None:
    """Return the silence before the trigger, or before the reset without one; a retransmitted trigger counts from its first copy."""
    at = i if trigger is None else trigger
    if trigger is not None:
        same = np.flatnonzero(
            (life.from_client == life.from_client[trigger]) & (life.seq == life.seq[trigger]) & (life.length == life.length[trigger])
            & (life.flags == life.flags[trigger]) & (np.arange(len(life)) <= trigger) & ((life.length > 0) | life.has(SYN | FIN))
        )  # fmt: skip
        if len(same) and life.retransmission[trigger]:
            at = int(same[0])
    return life.seconds(at, at - 1) if at > 0 else None


def _closing(life: Life, i: int, own: np.ndarray[Any, Any], peer: np.ndarray[Any, Any], peer_data: np.ndarray[Any, Any]) -> Facts:
    own_fins, peer_fins = own[(life.flags[own] & FIN) != 0], peer[(life.flags[peer] & FIN) != 0]
    facts: Facts = {
        "sender_fin": bool(len(own_fins)),
        "peer_fin": bool(len(peer_fins)),
        "both_fins_acked": False,
        "peer_data_after_sender_fin": None,
        "since_sender_fin": None,
        "sender_fin_to_peer_data": None,
        "peer_acked_fin_first": None,
    }
    if len(own_fins) and len(peer_fins):
        of_own, of_peer = _highest_ack(life, peer), _highest_ack(life, np.append(own, i))
        facts["both_fins_acked"] = bool(
            of_own is not None and of_peer is not None
            and distance(of_own, life.end(int(own_fins[-1]))) >= 0 and distance(of_peer, life.end(int(peer_fins[-1]))) >= 0
        )  # fmt: skip
    if len(own_fins):
        fin = int(own_fins[0])
        later = peer_data[(peer_data > fin) & ~life.keepalive[peer_data]]
        facts["since_sender_fin"] = life.seconds(i, fin)
        facts["peer_data_after_sender_fin"] = bool(len(later))
        if len(later):
            data = int(later[0])
            facts["sender_fin_to_peer_data"] = life.seconds(data, fin)
            between = peer[(peer > fin) & (peer < data)]
            acked = _highest_ack(life, between)
            facts["peer_acked_fin_first"] = acked is not None and distance(acked, life.end(fin)) >= 0
    return facts


def _stage(life: Life, i: int, facts: Facts) -> str:
    flags = life.flags[:i]
    if facts["sender_fin"] or facts["peer_fin"]:
        return "closing"
    if facts["client_bytes"] or facts["server_bytes"]:
        return "data"
    plain = (flags & (SYN | RST)) == 0
    if plain.any():
        return "established"
    if ((flags & (SYN | ACK)) == (SYN | ACK)).any():
        return "syn_ack"
    return "syn" if ((flags & (SYN | ACK)) == SYN).any() else "established"


def _lossless(life: Life, i: int) -> bool:
    """Tell whether every acknowledged byte before the reset was seen: an ACK beyond it means that packets are missing."""
    for client in (True, False):
        indices = np.flatnonzero((life.from_client == client) & ~life.has(RST) & (np.arange(len(life)) < i))
        sent = _highest(life, indices)
        others = np.flatnonzero((life.from_client != client) & ~life.has(RST) & (np.arange(len(life)) < i))
        acked = _highest_ack(life, others)
        if sent is not None and acked is not None and distance(acked, sent) > 0:
            return False
    return True


def _aftermath(life: Life, i: int, context: Context) -> Facts:
    """Return what followed the reset in the same connection."""
    index = np.arange(len(life))
    client = bool(life.from_client[i])
    rtt = max(context.rtt[client] or 0.0, REORDERING)
    after_own = np.flatnonzero((index > i) & (life.from_client == client) & ~life.has(RST) & ~life.has(SYN))
    genuine = False
    for j in after_own:
        j = int(j)
        if life.length[j] == 0 and not int(life.flags[j]) & FIN:
            continue
        beyond = distance(int(life.seq[j]), int(life.seq[i])) >= 0 and bool(int(life.flags[i]) & ACK) and not life.retransmission[j]
        genuine = genuine or beyond or life.seconds(j, i) > rtt
    resets = np.flatnonzero(life.has(RST))
    others = [int(j) for j in resets if life.from_client[j] != client]
    burst, seen = 0, set()
    for j in resets:
        j = int(j)
        if life.from_client[j] == client and abs(life.seconds(j, i)) <= BURST_SECONDS and int(life.seq[j]) not in seen:
            trigger, answers = find_trigger(life, j, None)
            if not answers or trigger is None:
                seen.add(int(life.seq[j]))
                burst += 1
    crossing = [
        j for j in others
        if abs(life.seconds(j, i)) <= BURST_SECONDS and not find_trigger(life, j, None)[1] and not find_trigger(life, i, None)[1]
    ]  # fmt: skip
    peer_after = (index > i) & (life.from_client != client) & ~life.has(RST) & (life.length > 0)
    return {
        "data_after_reset": bool(genuine),
        "peer_data_after": bool(peer_after.any()),
        "burst": burst,
        "both_ends_reset": bool(crossing),
        "other_reset_frame": int(life.frame[others[0]]) if others else None,
    }


def printable(payload: bytes, limit: int = 200) -> str:
    """Return the printable ASCII of a payload, everything else as dots, at most `limit` characters."""
    return "".join(chr(b) if 32 <= b < 127 else "." for b in payload[:limit])


def reset_facts(life: Life, i: int, context: Context, payload: bytes | None = None) -> Facts:
    """Return all ENDINGS facts that this connection's own packets give for the reset at index i.

    `payload` are the bytes that the reset carries, where it carries any and they were captured.
    """
    return _packet_facts(life, i, context, payload) | _exchange_facts(life, i, context) | _aftermath(life, i, context)


def silence_facts(life: Life) -> Facts:
    """Return the facts of a connection that died without a reset: its last sender plays the part of `sender`."""
    i = len(life) - 1
    index = np.arange(len(life))
    client = bool(life.from_client[i])
    own, peer = np.flatnonzero(life.from_client == client), np.flatnonzero(life.from_client != client)
    last_peer = int(peer[-1]) if len(peer) else -1
    own_data, peer_data = own[life.length[own] > 0], peer[life.length[peer] > 0]
    run = own[(own > last_peer) & life.retransmission[own]]
    facts: Facts = {
        "duration": life.seconds(i, 0),
        "sender_retransmissions": len(run),
        "unacked_sender": _outstanding(_highest(life, own), _highest_ack(life, peer)),
        "sender_bytes": _bytes(life, own),
        "peer_bytes": _bytes(life, peer),
        "since_peer_data": life.seconds(i, int(peer_data[-1])) if len(peer_data) else None,
        "since_sender_data": life.seconds(i, int(own_data[-1])) if len(own_data) else None,
        "syn_frames": int(((life.flags & (SYN | ACK)) == SYN).sum()),
        "both_directions": bool(len(own) and len(peer)),
        "ttl": int(life.ttl[i]),
        "sender_fin": bool(life.has(FIN)[own].any()),
        "peer_fin": bool(life.has(FIN)[peer].any()) if len(peer) else False,
        "idle_gap": life.seconds(int(run[0]) - 1, last_peer) if len(run) and last_peer >= 0 and int(run[0]) - 1 > last_peer else None,
        "lossless": _lossless(life, len(life)),
    }
    facts["client_bytes"] = facts["sender_bytes"] if client else facts["peer_bytes"]
    facts["server_bytes"] = facts["peer_bytes"] if client else facts["sender_bytes"]
    facts["stage"] = _stage(life, i + 1, facts)
    return facts
