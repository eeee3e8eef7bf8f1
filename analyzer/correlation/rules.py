"""Which events can belong to which endings: one table.

Lives here: `RULES`. Never here: how a line finds its connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# Kinds of ENDINGS that ended with a FIN, or not at all as far as the capture goes: only a line that names the connection reports those.
QUIET = frozenset({"fin_midway", "log_only"})
ANY = frozenset({"reset", "silence"}) | QUIET
# What an ending can be to a line's writer: a reset that came to it, a reset that carries its own address, a death in silence.
TOWARD, AWAY, SILENCE = "toward", "away", "silence"


@dataclass(frozen=True)
class Rule:
    """How an event stands to an ending.

    kinds      ENDINGS.kind that it can report: QUIET ones only by name
    reset      'toward': a reset toward the writer came before the line; 'from': one of the writer's own address did;
               'any': if there is a reset, the line is measured against it
    precedes   the line may come long before the reset: it says why the writer closed
    speaks     it speaks of a broken connection: left over without a tie, it needs a reason
    alone      how well it fits each kind of ending where the line does not name its connection (natural logarithm of a likelihood, 0 the
               best; a kind that is absent never fits); empty: such a line is never tied by host and time
    """

    kinds: frozenset[str]
    reset: str = "any"
    precedes: bool = False
    speaks: bool = False
    alone: dict[str, float] = field(default_factory=dict)


_RESET = frozenset({"reset"})
_CAME = {TOWARD: 0.0}
_GONE = {TOWARD: 0.0, SILENCE: -3.0}

# opened, authenticated, started, request, detail and closed_locally are not here: they explain no ending.
RULES: dict[str, Rule] = {
    "reset_received": Rule(_RESET | QUIET, "toward", speaks=True, alone=_CAME),
    "refused": Rule(_RESET, "toward", speaks=True, alone=_CAME),
    "reset_or_eof": Rule(ANY, speaks=True, alone=_GONE),
    "broken_pipe": Rule(ANY, speaks=True, alone=_GONE),
    "unexpected_end": Rule(ANY, speaks=True, alone=_GONE),
    "aborted_locally": Rule(ANY, speaks=True, alone={TOWARD: -1.0, AWAY: 0.0, SILENCE: 0.0}),
    # a stack whose keepalive or retransmission timer runs out may send a reset as it gives up, or nothing at all
    "timed_out": Rule(ANY, speaks=True, alone={SILENCE: 0.0, AWAY: 0.0}),
    "reset_sent": Rule(_RESET, "from"),
    "reset_seen": Rule(_RESET),
    "connect_failed": Rule(frozenset({"reset", "silence"}), speaks=True, alone={TOWARD: 0.0, SILENCE: 0.0}),
    "unreachable": Rule(frozenset({"silence", "reset"}), alone={SILENCE: 0.0}),
    "idle_timeout": Rule(ANY, precedes=True),
    "local_timeout": Rule(ANY, precedes=True),
    "terminated_by_administrator": Rule(ANY, precedes=True),
    "shutdown": Rule(ANY, precedes=True),
    "crash": Rule(ANY, precedes=True),
    "out_of_memory": Rule(ANY, precedes=True),
    "rejected": Rule(ANY, precedes=True, alone={TOWARD: 0.0, AWAY: 0.0, SILENCE: -3.0}),
    "protocol_error": Rule(ANY, precedes=True),
    "port_in_use": Rule(_RESET, precedes=True),
    "closed": Rule(ANY),
}
SERVICES = ("port_in_use",)  # about a service: one line may explain many refusals
SPEAKING = tuple(event for event, rule in RULES.items() if rule.speaks)
ALONE = tuple(event for event, rule in RULES.items() if rule.alone)
# A SYN that is answered with a reset is a refusal, and to nobody "connection reset by peer" (Linux, tcp_reset: SYN_SENT -> ECONNREFUSED),
# nor the end of a connection: these lines speak of what was established.
ESTABLISHED = ("reset_received", "reset_or_eof", "broken_pipe", "unexpected_end")
REFUSAL_STAGE = "syn"
STAGE_DOUBT = -5.0
