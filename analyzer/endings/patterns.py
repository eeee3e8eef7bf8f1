"""Shapes of a whole exchange: a SYN answered oddly, a FIN that crosses a request, segments that never arrive, a reset without effect.

Lives here: facts that need several packets of one connection, as ENDINGS columns; None means that it could not be seen.
Never here: the reset packet itself (packet_facts.py), what it answers (exchange_facts.py), other connections (population.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.endings.answers import had_no_effect
from analyzer.endings.life import NONE, Context, Facts, Life, distance, highest_ack, places
from analyzer.schema import ACK, FIN, RST, SYN

# An answer to a reset comes at once; the next packet counts as one within this time, or two round trips.
ANSWERS_WITHIN = 0.2  # s

Indices = npt.NDArray[Any]


def pattern_facts(life: Life, i: int, context: Context) -> Facts:
    """Return the facts of this module for the reset at index i."""
    own, peer = life.speakers(i)
    facts = syn_facts(life, i) | _fin_facts(life, own, peer)
    lost = loss_facts(life, own, peer)
    facts |= lost if lost["lost_segment"] is not None else loss_facts(life, peer, own)
    facts["ineffective"] = had_no_effect(life, i)
    facts["challenged"] = _challenged(life, i, context)
    return facts


def syn_facts(life: Life, end: int) -> Facts:
    """Return syn_answer and syn_ack_repeats from the packets before index `end`."""
    facts: Facts = {"syn_answer": None, "syn_ack_repeats": None}
    control = life.flags[:end] & (SYN | ACK | RST)
    syns = places((control == SYN) & life.from_client[:end])
    if not len(syns):
        return facts
    wanted = {life.end(int(s)) for s in syns}
    answers = places(~life.from_client[:end] & ((control & ACK) != 0) & ((control & RST) == 0))
    answers = answers[answers > syns[0]]
    if len(answers):
        first = int(answers[0])
        right = int(life.ack[first]) in wanted
        if int(life.flags[first]) & SYN:
            facts["syn_answer"] = "syn_ack" if right else "wrong_number"
        else:
            facts["syn_answer"] = None if right else "ack"
    syn_acks = answers[(life.flags[answers] & SYN) != 0]
    acks = places(life.from_client[:end] & (control == ACK))
    if len(syn_acks):
        known = acks[acks > syn_acks[0]]
        facts["syn_ack_repeats"] = int((syn_acks > known[0]).sum()) if len(known) else 0
    return facts


def _fin_facts(life: Life, own: Indices, peer: Indices) -> Facts:
    """Return idle_before_fin and fin_crossed for the apparent sender's first FIN."""
    facts: Facts = {"idle_before_fin": None, "fin_crossed": None}
    fins = own[(life.flags[own] & FIN) != 0]
    if not len(fins):
        return facts
    fin = int(fins[0])
    data = peer[life.length[peer] > 0]
    crossed = unread_by_fin(life, fin, data)  # captured before the FIN, and not known to the side that closed
    earlier = places(~life.keepalive[:fin])
    earlier = earlier[~np.isin(earlier, crossed)]
    # What the closing side said together with its FIN (a goodbye) is part of the closing, not of the exchange.
    while (
        len(earlier)
        and life.from_client[earlier[-1]] == life.from_client[fin]
        and life.seconds(fin, int(earlier[-1])) < 0.05
    ):
        earlier = earlier[:-1]
    if len(earlier):
        facts["idle_before_fin"] = life.seconds(fin, int(earlier[-1]))
    if len(crossed) and life.ack[crossed[0]] != NONE:
        facts["fin_crossed"] = distance(int(life.ack[crossed[0]]), life.end(fin)) < 0
    return facts


def unread_by_fin(life: Life, fin: int, data: Indices) -> Indices:
    """Return the payload that the closing side had not received when it sent its FIN: what came later, or beyond what the FIN acknowledges.

    Where the capture is near the other end, such payload can stand before the FIN that it crossed.
    """
    late = data > fin
    if life.ack[fin] != NONE:
        late |= np.array([distance(int(life.seq[i]), int(life.ack[fin])) >= 0 for i in data], dtype=bool)
    return np.asarray(data[late & ~life.keepalive[data]])


def loss_facts(life: Life, own: Indices, peer: Indices) -> Facts:
    """Return which segments of `own` were being repeated in vain, and what got through."""
    facts: Facts = {"lost_segment": None, "largest_delivered": None, "heard_since_loss": None}
    acked = highest_ack(life, peer)
    data = own[(life.length[own] > 0) & ~life.keepalive[own]]
    if not len(data) or acked is None:
        return facts
    ends = np.array([distance(life.end(int(i)), acked) for i in data])
    repeated = data[(ends > 0) & life.retransmission[data]]
    if not len(repeated):
        return facts
    delivered = data[ends <= 0]
    facts["lost_segment"] = int(life.length[repeated].max())
    facts["largest_delivered"] = int(life.length[delivered].max()) if len(delivered) else None
    facts["heard_since_loss"] = bool((peer > repeated[0]).any())
    return facts


def _challenged(life: Life, i: int, context: Context) -> bool | None:
    """Tell whether the receiver's next packet is a bare ACK, sent at once."""
    after = places((life.from_client != life.from_client[i]) & (np.arange(len(life)) > i))
    if not len(after):
        return None
    j = int(after[0])
    within = max(ANSWERS_WITHIN, 2 * ((context.rtt[True] or 0.0) + (context.rtt[False] or 0.0)))
    bare = life.length[j] == 0 and (int(life.flags[j]) & (SYN | FIN | RST | ACK)) == ACK
    return bool(bare and life.seconds(j, i) <= within)
