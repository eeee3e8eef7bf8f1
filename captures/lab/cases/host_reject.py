"""The server's own firewall rejects one port.

The twin of firewall_reject: the same reset, but the server's host sends it, so it has the server's TTL and is in the
server's capture. The kernel's trace is silent about it; the rule's counter speaks.
"""

from captures.lab.case_file import Claim
from captures.lab.cases import firewall_reject
from captures.lab.lab import Lab

NETWORK = firewall_reject.NETWORK


def play(lab: Lab) -> None:
    firewall_reject.try_the_replica(lab, lab.server, "INPUT")
    lab.expect_rest(
        port=5433,
        reset_by="server",
        cause="firewall_reject",
        may_be=("connection_refused",),
        decidable_at=("server", "both"),
        must_not=(Claim(reset_by="client"),),
        log_lines=firewall_reject.CLIENT_LINES,
    )
