"""Which packet a reset answers, and which reset ended a connection.

Lives here: RFC 9293's reply rule applied to a Life. Never here: the facts that follow from it (packet_facts, exchange_facts).
"""

from __future__ import annotations

import numpy as np

from analyzer.endings.life import Life, places
from analyzer.schema import ACK, FIN, RST, SYN

# Packets are one burst, all of them possible triggers, while no silence is longer than this (or four round trips).
BURST_SILENCE = 0.2  # s
# A kernel answers at once. On a quiet connection every reset with the next number fits the last packet, however old that is; only
# one that came within this time, or within eight round trips, can be what it answers.
ANSWERS_WITHIN = 1.0  # s


def first_effective(life: Life) -> int | None:
    """Return the index of the first reset that ended the connection; the first reset at all when none of them did.

    A reset had no effect when the end that received it went on speaking (RFC 5961 3.2: a challenge ACK, then business as usual).
    """
    resets = places(life.resets)
    return next((int(i) for i in resets if not had_no_effect(life, int(i))), int(resets[0]) if len(resets) else None)


def had_no_effect(life: Life, reset: int) -> bool:
    """Tell whether the end that received this reset went on speaking and was answered."""
    if reset + 1 == len(life):
        return False
    later = slice(reset + 1, next_attempt(life, reset))
    same = life.from_client[later] == life.from_client[reset]
    flags, time = life.flags[later], life.time[later]
    plain = (flags & RST) == 0
    spoke = ~same & plain & ((life.length[later] > 0) | ((flags & FIN) != 0)) & ((flags & SYN) == 0)
    if not spoke.any():
        return False
    heard = same & plain & ((flags & ACK) != 0)
    # Words of the receiver that were under way do not count; an exchange in both directions afterwards does.
    return bool(heard.any() and time[heard].max() > time[spoke].min())


def next_attempt(life: Life, reset: int) -> int:
    """Return the index of the first SYN after the reset: from there on the same ports carry another attempt. The end when there is none."""
    syns = places((life.flags[reset + 1 :] & (SYN | ACK)) == SYN)
    return reset + 1 + int(syns[0]) if len(syns) else len(life)


def is_reply(life: Life, reset: int, trigger: int) -> bool:
    """Tell whether the reset is exactly what RFC 9293 3.10.7.1 prescribes as the answer to the trigger."""
    if life.resets[trigger] or life.from_client[reset] == life.from_client[trigger]:
        return False
    if int(life.flags[trigger]) & ACK:
        return not int(life.flags[reset]) & ACK and int(life.seq[reset]) == int(life.ack[trigger])
    return bool(
        int(life.flags[reset]) & ACK and int(life.seq[reset]) == 0 and int(life.ack[reset]) == life.end(trigger)
    )


def find_trigger(life: Life, reset: int, rtt: float | None) -> tuple[int | None, bool]:
    """Return (index of the packet that the reset answers, True), else (the other end's last packet before it, False).

    Several packets of one burst can fit. The latest that leaves time for the round trip is taken, so that a busy line never
    makes an honest answer look too fast.
    """
    peer = places((life.from_client != life.from_client[reset]) & (np.arange(len(life)) < reset))
    if not len(peer):
        return None, False
    soon = max(ANSWERS_WITHIN, 8 * (rtt or 0))
    near = peer[life.time[reset] - life.time[peer] <= soon * 1e9]
    fitting = [int(i) for i in near if is_reply(life, reset, int(i))]
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


def kind(life: Life, i: int) -> str:
    """Return what kind of packet i is, by ENDINGS.trigger_kind's words."""
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
