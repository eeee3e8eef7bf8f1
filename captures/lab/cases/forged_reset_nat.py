"""A device that translates addresses forges a reset with the server's marks; the server resets another connection itself.

The service is published at the router's own address: on the way the client's and the server's address and both ports
change. The forged reset to a resting client carries the TTL, the next identification, the window and the timestamps
of the server's packets as they come to the client. Only the server's capture, where the connection has other
addresses and this reset is absent, tells it from the server's own. The server aborts another connection with SO_LINGER
{1, 0}: that reset is in both captures. The rest ends well.
"""

import socket
import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.case_file import Claim
from captures.lab.lab import Lab
from captures.lab.network import address

PUBLISHED = ("10.1.0.1", 80)
OTHERS = 5  # connections that end well, a second apart: by their handshakes the points' clocks are compared


def play(lab: Lab) -> None:
    lab.router.iptables(
        f"-t nat -A PREROUTING -p tcp -i toclient -d {PUBLISHED[0]} --dport {PUBLISHED[1]} "
        f"-j DNAT --to-destination {lab.server_address}:{sockets.PORT}"
    )
    lab.router.iptables("-t nat -A POSTROUTING -p tcp -o toserver -j SNAT --to-source 10.2.0.1:20000-29999 --random")
    lab.listen()
    with sockets.listener(lab) as listening:
        victim, served = _meet(lab, listening)
        aborted, aborting = _meet(lab, listening)
        lab.expect(
            victim,
            reset_by="middlebox",
            cause="injected_reset",
            decidable_at=("both",),
            must_not=(Claim(reset_by="client"),),
        )
        # One connection with two names: the client's link shows the first, the server's link the second.
        beyond = (address(*aborting.getpeername()), address(*aborting.getsockname()))
        for names, views in ((aborted, ("client", "router", "both")), (beyond, ("server", "both"))):
            lab.expect(
                names,
                reset_by="server",
                cause="abortive_close",
                decidable_at=views,
                must_not=(Claim(reset_by="client"), Claim(reset_by="middlebox")),
            )
        with lab.forger(victim) as forger:
            sockets.exchange(victim, served)
            for number in range(OTHERS):
                client, other = _meet(lab, listening)
                sockets.exchange(client, other)
                if number == OTHERS // 2:
                    forger.reset_client(disguised=True)
                time.sleep(1.0)
                client.close()
                time.sleep(0.1)
                other.close()
        sockets.exchange(aborted, aborting)
        time.sleep(0.3)
        sockets.abort(aborting)
        time.sleep(0.3)
        with suppress(ConnectionResetError):
            victim.recv(1000)
            raise RuntimeError("the client did not believe the forged reset")
        lab.leave_open(served)


def _meet(lab: Lab, listening: socket.socket) -> tuple[socket.socket, socket.socket]:
    """A new connection to the published address."""
    with lab.client:
        client = socket.create_connection(PUBLISHED, timeout=10)
    served, _ = listening.accept()
    served.settimeout(10)
    return client, served
