"""A device guesses a sequence number inside the window: the client does not believe it.

The router, one of three, sends resets in the server's name that are some hundred bytes ahead. The client's kernel
answers with a challenge acknowledgement (RFC 5961), the server has nothing to add, and the connection goes on to its
ordinary end: the resets did nothing.
"""

from captures.lab.cases import forged_too_late
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=3)


def play(lab: Lab) -> None:
    forged_too_late.ignored_reset(lab, ahead=500)
