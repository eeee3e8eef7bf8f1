"""A device on the path forges a reset to the client while a result streams, captured there on every interface.

The twin of forged_reset: the router captures with -i any, so what it forwards is there twice and its own reset once,
going out.
"""

from captures.lab.cases import forged_reset
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=3)


def play(lab: Lab) -> None:
    forged_reset.play(lab, router="exec tcpdump -i any -Z root -s 200 -w router.pcap")
