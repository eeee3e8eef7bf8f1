"""A device on the path resets both ends of a connection at once.

The router, one of three, sends one reset to the client and one to the server, each in the other's name, a moment after
a request that it does not like. Neither end has sent one. Other requests pass.
"""

import time

from captures.lab import sockets
from captures.lab.case_file import Claim, Sight
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=3, default_ttl={"client": 128})


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        other, other_served = sockets.meet(lab, listening)
        for _ in range(3):
            victim, served = sockets.meet(lab, listening)
            with lab.forger(victim) as forger:
                sockets.exchange(victim, served)
                sockets.exchange(other, other_served)
                lab.expect(
                    victim,
                    reset_by="middlebox",
                    cause="injected_reset",
                    may_be=("idle_timeout_notified",),
                    decidable_at=("client", "router", "server", "both"),
                    must_not=(Claim(reset_by="server"), Claim(reset_by="client")),
                    at={"server": Sight("middlebox", "injected_reset", ("idle_timeout_notified",))},
                )
                victim.sendall(b"GET /forbidden HTTP/1.1\r\nHost: shop\r\n\r\n")
                time.sleep(0.05)
                forger.reset_client()
                forger.reset_server()
            time.sleep(0.3)
            lab.leave_open(victim, served)
        sockets.exchange(other, other_served)
        other.close()
        time.sleep(0.1)
        other_served.close()
