"""Nine connections rest for different times around a firewall's timer of 4 s.

Those that rest for less than 4 s live, those that rest longer are rejected with a reset by the first router, so the
capture brackets the timer: more than 3.6 s, at most 4.4 s. One connection rests for 6 s and lives, because its client
sends keepalive probes.
"""

import socket
import time

from captures.lab import sockets
from captures.lab.case_file import Claim
from captures.lab.cases.stale_pool import forget_after
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=3)
TIMER_SECONDS = 4
PAUSES = (1.0, 2.0, 3.0, 3.6, 4.4, 4.8, 5.4, 6.0)


def play(lab: Lab) -> None:
    forget_after(lab, TIMER_SECONDS)
    lab.listen()
    with sockets.listener(lab) as listening:
        pairs = [(pause, *sockets.meet(lab, listening)) for pause in PAUSES]
        kept_alive, kept_served = sockets.meet(lab, listening)
        for option, value in ((socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 2)):
            kept_alive.setsockopt(socket.IPPROTO_TCP, option, value)
        kept_alive.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        lab.expect(kept_alive, ending="closed")
        sockets.exchange(kept_alive, kept_served)
        started = time.monotonic()
        for _, client, served in pairs:
            sockets.exchange(client, served)
        for pause, client, served in pairs:
            time.sleep(max(0.0, started + pause - time.monotonic()))
            if pause < TIMER_SECONDS:
                lab.expect(client, ending="closed")
                sockets.exchange(client, served)
                client.close()
                time.sleep(0.05)
                served.close()
            else:
                lab.expect(client, **RESET_BY_ROUTER)
                client.sendall(sockets.REQUEST)
                lab.leave_open(served)
        sockets.exchange(kept_alive, kept_served)
        kept_alive.close()
        time.sleep(0.1)
        kept_served.close()


RESET_BY_ROUTER = {
    "reset_by": "middlebox",
    "cause": "idle_timeout",
    "may_be": ("connection_state_lost", "firewall_reject"),
    "decidable_at": ("client", "router", "both"),
    "must_not": (Claim(reset_by="server"), Claim(reset_by="client")),
}
