"""A client aborts a download on a path that loses packets.

The router drops one packet in nine, whichever it is: retransmissions, duplicate acknowledgements and gaps before the
client closes with SO_LINGER {1, 0}. That reset arrives. A second download on the same path ends well.
"""

import socket
import threading
import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2, delay_seconds=0.02)
LOSS = "-A FORWARD -p tcp ! --tcp-flags RST RST -m statistic --mode nth --every 9 --packet 0 -j DROP"
CHUNKS = 24


def play(lab: Lab) -> None:
    lab.router.iptables(LOSS)
    lab.listen()
    with sockets.listener(lab) as listening:
        patient, served = sockets.meet(lab, listening)
        lab.expect(patient, ending="closed")
        sender = _start(patient, served)
        sockets.receive(patient, CHUNKS * 1000)
        sender.join()
        patient.close()
        time.sleep(0.5)
        served.close()
        hasty, served = sockets.meet(lab, listening)
        sender = _start(hasty, served)
        sockets.receive(hasty, 10_000)
        hasty.settimeout(0.2)
        with suppress(TimeoutError):  # nothing is left unread, or it would not be its own will
            while hasty.recv(100_000):
                pass
        sender.join()
        lab.expect(
            hasty,
            reset_by="client",
            cause="abortive_close",
            may_be=("client_cancel", "unread_data_at_close"),
            decidable_at=("client", "router", "server", "both"),
        )
        sockets.abort(hasty)
        time.sleep(0.5)
        served.close()


def _start(client: socket.socket, served: socket.socket) -> threading.Thread:
    """Ask for a file; it comes in small pieces."""
    client.sendall(sockets.REQUEST)
    sockets.receive(served, len(sockets.REQUEST))

    def send() -> None:
        with suppress(ConnectionError):
            for _ in range(CHUNKS):
                served.sendall(b"z" * 1000)
                time.sleep(0.005)

    thread = threading.Thread(target=send)
    thread.start()
    return thread
