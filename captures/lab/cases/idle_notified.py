"""A device ends resting connections at its timer and tells both ends.

A program on the first of three routers watches, and 3 s after the last packet of a connection it sends a reset to
each end in the other's name, as load balancers and firewalls do that are set to notify. Nobody had sent anything. A
connection with keepalive probes lives.
"""

import socket
import time
from contextlib import ExitStack

from captures.lab import sockets
from captures.lab.case_file import Claim, Sight
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=3, default_ttl={"client": 128})
TIMER_SECONDS = 3.0


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening, ExitStack() as watching:
        busy, busy_served = sockets.meet(lab, listening)
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1)):
            busy.setsockopt(socket.IPPROTO_TCP, option, value)
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        lab.expect(busy, ending="closed")
        sockets.exchange(busy, busy_served)
        resting = []
        for _ in range(4):
            client, served = sockets.meet(lab, listening)
            lab.expect(
                client,
                reset_by="middlebox",
                cause="idle_timeout_notified",
                may_be=("injected_reset",),
                decidable_at=("client", "router", "server", "both"),
                must_not=(Claim(reset_by="server"), Claim(reset_by="client")),
                at={"server": Sight("middlebox", "idle_timeout_notified", ("injected_reset",))},
            )
            forger = watching.enter_context(lab.forger(client))
            sockets.exchange(client, served)
            lab.leave_open(client, served)
            resting.append((time.monotonic() + TIMER_SECONDS, forger))
            time.sleep(0.4)
        for expiry, forger in resting:
            time.sleep(max(0.0, expiry - time.monotonic()))
            forger.reset_client()
            forger.reset_server()
        sockets.exchange(busy, busy_served)
        busy.close()
        time.sleep(0.1)
        busy_served.close()
