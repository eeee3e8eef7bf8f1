"""Which events can belong to which endings: one table.

Lives here: `RULES`. Never here: how a line finds its connection.
"""

from __future__ import annotations

from dataclasses import dataclass

# Kinds of ENDINGS that ended with a FIN, or not at all as far as the capture goes: only a line that names the connection reports those.
QUIET = frozenset({"fin_midway", "log_only"})
ANY = frozenset({"reset", "silence"}) | QUIET


@dataclass(frozen=True)
class Rule:
    """How an event stands to an ending.

    kinds      ENDINGS.kind that it can report: QUIET ones only by name
    reset      'toward': a reset toward the writer came before the line; 'from': one of the writer's own address did;
               'any': if there is a reset, the line is measured against it
    precedes   the line may come long before the reset: it says why the writer closed
    alone      it can be tied by host and time, or by time, without naming its connection
    speaks     it speaks of a broken connection: left over without a tie, it needs a reason
    """

    kinds: frozenset[str]
    reset: str = "any"
    precedes: bool = False
    alone: bool = False
    speaks: bool = False


_RESET = frozenset({"reset"})

# opened, authenticated, started, request, detail and closed_locally are not here: they explain no ending.
RULES: dict[str, Rule] = {
    "reset_received": Rule(_RESET | QUIET, "toward", alone=True, speaks=True),
    "refused": Rule(_RESET, "toward", alone=True, speaks=True),
    "reset_or_eof": Rule(ANY, alone=True, speaks=True),
    "broken_pipe": Rule(ANY, alone=True, speaks=True),
    "unexpected_end": Rule(ANY, alone=True, speaks=True),
    "aborted_locally": Rule(ANY, alone=True, speaks=True),
    "timed_out": Rule(ANY, alone=True, speaks=True),
    "reset_sent": Rule(_RESET, "from"),
    "reset_seen": Rule(_RESET),
    "connect_failed": Rule(frozenset({"reset", "silence"}), alone=True, speaks=True),
    "unreachable": Rule(frozenset({"silence", "reset"})),
    "idle_timeout": Rule(ANY, precedes=True),
    "local_timeout": Rule(ANY, precedes=True),
    "terminated_by_administrator": Rule(ANY, precedes=True),
    "shutdown": Rule(ANY, precedes=True),
    "crash": Rule(ANY, precedes=True),
    "out_of_memory": Rule(ANY, precedes=True),
    "rejected": Rule(ANY, precedes=True, alone=True),
    "protocol_error": Rule(ANY, precedes=True),
    "closed": Rule(ANY),
}
SPEAKING = tuple(event for event, rule in RULES.items() if rule.speaks)
