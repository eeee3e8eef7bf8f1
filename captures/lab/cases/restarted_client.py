"""A client restarts and meets the server's old connection on the same port.

The client's host vanishes without a goodbye and comes back with the same source port. To the server the connection
request is a stray packet of a live connection, which it answers with a challenge acknowledgement. The client's kernel
resets that, the server's old socket dies, and the repeated request is answered.
"""

import time

from captures.lab import sockets
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2, default_ttl={"server": 128})
SOURCE_PORT = 41000


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        old = sockets.connect_from(lab, SOURCE_PORT)
        old_served, _ = listening.accept()
        sockets.exchange(old, old_served)
        time.sleep(0.5)
        lab.client.iptables("-A OUTPUT -p tcp -j DROP")  # nothing leaves a host that has lost its power
        sockets.abort(old)
        lab.client.iptables("-D OUTPUT 1")
        time.sleep(1.0)
        client = sockets.connect_from(lab, SOURCE_PORT)
        lab.expect(
            client,
            reset_by="client",
            cause="challenge_ack",
            may_be=("port_reuse", "host_restart", "connection_state_lost"),
            decidable_at=("client", "both"),
        )
        served, _ = listening.accept()
        sockets.exchange(client, served)
        client.close()
        time.sleep(0.2)
        served.close()
        old_served.close()
