"""A pooled session outlives the firewall's memory of it, the firewall next to the server.

The twin of stale_pool with a single router: its resets differ from the server's packets by one hop only.
"""

from captures.lab.cases.stale_pool import rest_and_return
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    rest_and_return(lab, decidable_at=("router", "both"))
