"""A client with an open transaction aborts its connection over IPv6.

The twin of postgres_client_abort: no identification, a hop limit for a TTL.
"""

from captures.lab.cases import postgres_client_abort
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2, ipv6=True)


def play(lab: Lab) -> None:
    postgres_client_abort.play(lab)
