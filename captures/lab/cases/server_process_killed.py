"""A worker process of a server is killed with a request unread in its socket.

The kernel closes the worker's sockets: a reset on the connection whose request it had not read, a FIN on the idle one.
The idle client closes too. The listener belongs to another process, and goes on serving.
"""

import time

from captures.lab import sockets
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(default_ttl={"server": 128})


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        idle, idle_served = sockets.meet(lab, listening)
        busy, busy_served = sockets.meet(lab, listening)
        sockets.exchange(idle, idle_served)
        sockets.exchange(busy, busy_served)
        worker = sockets.hand_over(lab.server, idle_served, busy_served)
        time.sleep(0.3)
        busy.sendall(sockets.REQUEST)
        time.sleep(0.7)
        lab.expect(
            busy,
            reset_by="server",
            cause="unread_data_at_close",
            may_be=("process_exit", "server_shutdown", "abortive_close"),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
        )
        lab.expect(idle, ending="closed")
        worker.kill()
        time.sleep(0.5)
        idle.close()
        busy.close()
        client, served = sockets.meet(lab, listening)
        sockets.exchange(client, served)
        client.close()
        time.sleep(0.1)
        served.close()
