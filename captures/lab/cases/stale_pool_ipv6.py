"""A pooled session outlives the firewall's memory of it, over IPv6.

The twin of stale_pool: hop limits for TTLs, no identification, and flow labels.
"""

from captures.lab.cases.stale_pool import rest_and_return
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=3, ipv6=True)


def play(lab: Lab) -> None:
    rest_and_return(lab, decidable_at=("client", "router", "both"))
