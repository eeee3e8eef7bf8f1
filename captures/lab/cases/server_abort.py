"""A server ends each connection with a reset of its own will.

It answers and closes with SO_LINGER {1, 0}, as some servers do to save themselves TIME_WAIT. The answers
arrive.
"""

import time

from captures.lab import sockets
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2, default_ttl={"server": 128})


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        for _ in range(4):
            client, served = sockets.meet(lab, listening)
            sockets.exchange(client, served)
            lab.expect(
                client,
                reset_by="server",
                cause="abortive_close",
                decidable_at=("client", "router", "server", "both"),
            )
            time.sleep(0.2)
            sockets.abort(served)
            time.sleep(0.3)
            client.close()
