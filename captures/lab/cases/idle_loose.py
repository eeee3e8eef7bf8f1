"""A firewall forgets a resting connection and picks it up again: nothing happens.

The twin of stale_pool with nf_conntrack_tcp_loose=1, Linux's default. The router forgets after 2 s and rejects what it
finds invalid, but it takes a packet in the middle of an unknown connection for a new one: requests after 3 and 4 s
are answered. A negative control.
"""

import time

from captures.lab import sockets
from captures.lab.cases.stale_pool import forget_after
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    forget_after(lab, seconds=2)
    lab.router.sysctl(net__netfilter__nf_conntrack_tcp_loose=1)
    lab.listen()
    with sockets.listener(lab) as listening:
        client, served = sockets.meet(lab, listening)
        lab.expect(client, ending="closed")
        for pause in (0.5, 3.0, 4.0):
            sockets.exchange(client, served)
            time.sleep(pause)
        sockets.exchange(client, served)
        client.close()
        time.sleep(0.1)
        served.close()
