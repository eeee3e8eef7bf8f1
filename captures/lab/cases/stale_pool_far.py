"""A pooled session outlives the firewall's memory of it, the firewall next to the client and the server 60 ms away.

The twin of stale_pool_same_ttl with distance: the router's resets differ from the server's packets by one hop, and they
come back sooner than the server could answer.
"""

from captures.lab.cases.stale_pool import rest_and_return
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(delay_seconds=0.06)


def play(lab: Lab) -> None:
    rest_and_return(lab, decidable_at=("client", "router", "both"))
