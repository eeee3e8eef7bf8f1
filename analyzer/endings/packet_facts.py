"""What the reset packet looks like beside the same end's earlier packets: numbers, stamps, TTL, IP ID, direction.

Lives here: the facts of the packet itself, as ENDINGS columns; None means that it could not be seen.
Never here: what it answers and in what state it came (exchange_facts.py), other connections, any conclusion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.endings.life import NONE, Context, Facts, Life, distance, highest, highest_ack, usual
from analyzer.schema import ACK, SYN

# The fastest timestamp clock (RFC 7323 5.4 allows 1 ms to 1 s a tick), where a connection is too short to measure its own.
TIMESTAMP_HZ = 1000
# A connection's own clock is measured over at least this many ticks and seconds.
MEASURED_TICKS, MEASURED_SECONDS = 10, 0.010
# A stamp may differ from that clock by a tenth of the time gone by, and by this much for waiting in queues.
CLOCK_SLACK = 0.1  # s
# Index of `lo` in every Linux network namespace (SLL2, draft-ietf-opsawg-pcaplinktype).
LOOPBACK = 1


def packet_facts(life: Life, i: int, context: Context, payload: bytes | None) -> Facts:
    """Return the facts that the reset packet itself and the same end's earlier packets give."""
    client = bool(life.from_client[i])
    own, peer = life.speakers(i)
    own_steady = own[(life.flags[own] & SYN) == 0]
    flags = int(life.flags[i])
    has_ack = bool(flags & ACK)
    snd_nxt, peer_nxt = highest(life, own), highest(life, peer)
    facts: Facts = {
        "has_ack": has_ack,
        "seq_delta": None if snd_nxt is None else distance(int(life.seq[i]), snd_nxt),
        "ack_delta": distance(int(life.ack[i]), peer_nxt)
        if has_ack and peer_nxt is not None and life.ack[i] != NONE
        else None,
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
    facts["timestamp_continues"] = (
        _clock_goes_on(life, i, own[life.tsval[own] != NONE]) if facts["has_timestamps"] else None
    )
    # TTL
    ttl, basis = usual(life.ttl[own_steady]), "connection"
    if ttl is None:
        ttl = usual(life.ttl[own])
    if ttl is None:
        ttl, basis = context.host_ttl[client], "host"
    facts["ttl_usual"] = ttl
    facts["ttl_delta"] = None if ttl is None else int(life.ttl[i]) - ttl
    facts["ttl_basis"] = None if ttl is None else basis
    facts["tos_differs"] = (int(life.tos[i]) & 0xFC) != (usual(life.tos[own] & 0xFC) or 0) if len(own) else None
    labels = usual(life.flow_label[own_steady])
    facts["flow_label_same"] = None if labels is None else int(life.flow_label[i]) == labels
    # IP identification
    facts["ip_id_counts"], facts["ip_id_continues"] = _ip_id(life, i, own_steady)
    facts["live_socket"] = _live(facts, life, own_steady, i)
    facts["sender_is_local"], facts["incoming_copy"] = _direction(life, i, own, context.local[client])
    # Linux numbers its loopback interface 1; an address pair that both live on it is not judged here.
    facts["loopback"] = (
        None if life.direction[i] is None or life.interface[i] == NONE else bool(life.interface[i] == LOOPBACK)
    )
    facts["built_here"] = _built_here(life, i, own_steady)
    return facts


def _clock_goes_on(life: Life, i: int, stamped: npt.NDArray[Any]) -> bool | None:
    """Tell whether the reset's timestamp is what that end's clock would show by then; a copied stamp stands still."""
    if not len(stamped):
        return None
    last = int(stamped[-1])
    ticks, elapsed = distance(int(life.tsval[i]), int(life.tsval[last])), max(life.seconds(i, last), 0.0)
    measured = distance(int(life.tsval[last]), int(life.tsval[stamped[0]]))
    over = life.seconds(last, int(stamped[0]))
    if measured < MEASURED_TICKS or over < MEASURED_SECONDS:
        return 0 <= ticks <= 1.5 * TIMESTAMP_HZ * elapsed + 2 * TIMESTAMP_HZ
    rate = measured / over
    return abs(ticks - rate * elapsed) <= rate * (0.1 * elapsed + CLOCK_SLACK)


def _in_window(life: Life, i: int, peer: npt.NDArray[Any]) -> bool | None:
    """Tell whether the receiver would accept the reset's sequence number, by its last acknowledgement and window."""
    received = highest_ack(life, peer)
    if received is None:
        return None
    last = [int(p) for p in peer if life.ack[p] != NONE][-1]
    shifts = [int(life.window_shift[p]) for p in peer if life.window_shift[p] != NONE]
    window = int(life.window[last]) << (shifts[0] if shifts else 0)
    offset = distance(int(life.seq[i]), received)
    return 0 <= offset <= max(window, 0)


def _ip_id(life: Life, i: int, own: npt.NDArray[Any]) -> tuple[bool | None, bool | None]:
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


def _live(facts: Facts, life: Life, own: npt.NDArray[Any], i: int) -> bool | None:
    """Tell whether the packet was built by the live socket of that end (Linux tcp_send_active_reset).

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


def _built_here(life: Life, i: int, own: npt.NDArray[Any]) -> bool | None:
    """Tell whether the reset's checksum is unfinished (Linux CHECKSUM_PARTIAL) while this end's other segments come finished.

    Only two segments that verified count; where that end's segments are unfinished too, nothing follows.
    """
    finished = [p for p in own if life.checksum_ok[p] is True and not life.unfinished_checksum[p]]
    if len(finished) < 2:
        return None
    return bool(life.unfinished_checksum[i])


def _direction(life: Life, i: int, own: npt.NDArray[Any], host: bool | None) -> tuple[bool | None, bool | None]:
    """Return (that end's segments start at the capturing host, an incoming copy of this reset exists).

    `host` says the first of all segments with that address; it counts where this connection has none.
    """
    if life.direction[i] is None:
        return None, None
    frame = int(life.frame[i])
    copy_in = any(first == frame and direction == "in" for first, direction in life.sightings)
    arrived = {first for first, direction in life.sightings if direction == "in"}
    known = [int(p) for p in own if life.direction[p] is not None]
    local = host
    if known:
        local = all(life.direction[p] == "out" and int(life.frame[p]) not in arrived for p in known)
    return local, copy_in or life.direction[i] == "in"


def printable(payload: bytes, limit: int = 200) -> str:
    """Return the printable ASCII of a payload, everything else as dots, at most `limit` characters."""
    return "".join(chr(b) if 32 <= b < 127 else "." for b in payload[:limit])
