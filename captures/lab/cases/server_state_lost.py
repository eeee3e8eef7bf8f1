"""A server has lost a connection without a word, and answers the client's next request with a reset.

As after a crash and a quick restart: the server's socket is gone, and the reset that the kernel wanted to send was lost
with it (here a rule drops it). Two seconds later the client speaks. Its kernel's answer carries the server's own TTL.
New connections work.
"""

import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.case_file import Claim
from captures.lab.lab import Lab, addresses
from captures.lab.network import Network

PROGRAMS = ("ss",)
NETWORK = Network(routers=2, default_ttl={"server": 255})


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        victim, served = sockets.meet(lab, listening)
        for _ in range(3):
            sockets.exchange(victim, served)
            time.sleep(0.3)
        lab.server.iptables("-A OUTPUT -p tcp --tcp-flags RST RST -j DROP")
        port = addresses(victim)[0].rpartition(":")[2]
        lab.server.run("ss", "-K", "-t", "dst", "10.1.0.2", "dport", "=", port)
        lab.server.iptables("-D OUTPUT 1")
        time.sleep(2.0)
        lab.expect(
            victim,
            reset_by="server",
            cause="connection_state_lost",
            may_be=("process_exit", "host_restart"),
            harmless=False,
            decidable_at=("server", "both"),
            must_not=(Claim(reset_by="client"),),
        )
        with suppress(ConnectionError):
            victim.sendall(sockets.REQUEST)
            victim.recv(1000)
        client, served = sockets.meet(lab, listening)
        sockets.exchange(client, served)
        client.close()
        time.sleep(0.1)
        served.close()
