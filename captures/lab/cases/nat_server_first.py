"""A NAT router forgets a resting connection; the server speaks first.

The router that hides the client behind its own address forgets after 2 s. What the server sends next is addressed to
the router and to a port where nobody listens, so the router's own kernel resets: its TTL is not the client's. The
client learns nothing. When it speaks at last, its request passes untranslated and the server's kernel resets that too.
"""

import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.case_file import Claim
from captures.lab.cases.nat_client_first import translate
from captures.lab.lab import Lab
from captures.lab.network import Network, address

NETWORK = Network(default_ttl={"client": 128})


def play(lab: Lab) -> None:
    translate(lab)
    lab.listen()
    with sockets.listener(lab) as listening:
        client, served = sockets.meet(lab, listening)
        sockets.exchange(client, served)
        time.sleep(3.5)
        lab.expect(
            (address(*served.getpeername()), address(*served.getsockname())),
            reset_by="middlebox",
            cause="nat_state_mismatch",
            may_be=("idle_timeout", "connection_state_lost"),
            harmless=False,
            decidable_at=("server", "both"),
            must_not=(Claim(reset_by="server"), Claim(reset_by="client")),
        )
        served.sendall(b"event: an order has come in\r\n")
        time.sleep(1.0)
        lab.expect(
            client,
            reset_by="server",
            cause="nat_state_mismatch",
            may_be=("connection_state_lost", "idle_timeout"),
            harmless=False,
            decidable_at=("server", "both"),
            must_not=(Claim(reset_by="client"),),
        )
        with suppress(ConnectionError):
            client.sendall(sockets.REQUEST)
            client.recv(1000)
