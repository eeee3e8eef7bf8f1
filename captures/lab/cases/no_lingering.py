"""A server closes in order, but with TCP_LINGER2 below zero: its kernel will not wait for the client's FIN.

On each of three connections: the server's FIN, its acknowledgement, and at once a bare reset. The client has read
everything.
"""

import socket
import time

from captures.lab import sockets
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        for _ in range(3):
            client, served = sockets.meet(lab, listening)
            sockets.exchange(client, served)
            served.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, -1)
            lab.expect(
                client,
                reset_by="server",
                cause="abortive_close",
                may_be=("data_after_close",),
                harmless=True,
                decidable_at=("client", "router", "server", "both"),
            )
            time.sleep(0.3)
            served.close()
            time.sleep(0.3)
            client.close()
