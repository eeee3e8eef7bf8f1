"""A NAT router does not translate a segment that it finds invalid, and resets the connection with its own kernel.

The router hides the client behind its own address. A segment of the server's arrives far ahead of the window, as
when a device in between has rewritten its numbers. Connection tracking calls it invalid and leaves it alone; so it is
for the router itself, whose kernel answers with a reset that fits. The client's next request is translated again, and
finds no socket.
"""

import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.case_file import Claim
from captures.lab.lab import Lab
from captures.lab.network import Network, address

NETWORK = Network(default_ttl={"client": 128})


def play(lab: Lab) -> None:
    lab.router.iptables("-t nat -A POSTROUTING -o toserver -j MASQUERADE")
    lab.listen()
    with sockets.listener(lab) as listening:
        client, served = sockets.meet(lab, listening)
        beyond = (address(*served.getpeername()), address(*served.getsockname()))
        with lab.forger(beyond, lab.server, "eth0") as network:
            for _ in range(2):
                sockets.exchange(client, served)
                time.sleep(0.3)
            lab.expect(
                beyond,
                reset_by="middlebox",
                cause="nat_state_mismatch",
                may_be=("connection_state_lost",),
                harmless=False,
                decidable_at=("server", "both"),
                must_not=(Claim(reset_by="server"), Claim(reset_by="client")),
            )
            lab.expect(
                client,
                reset_by="server",
                cause="connection_state_lost",
                may_be=("nat_state_mismatch", "process_exit", "host_restart"),
                harmless=False,
                decidable_at=("both",),
                must_not=(Claim(reset_by="client"),),
            )
            network.stray_data(sockets.ANSWER, ahead=2_000_000)
            time.sleep(0.7)
            with suppress(ConnectionError):
                client.sendall(sockets.REQUEST)
                client.recv(1000)
            time.sleep(0.3)
