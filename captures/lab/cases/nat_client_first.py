"""A NAT router forgets a resting connection; the client speaks first.

The first router hides the client behind its own address and forgets after 2 s. What the client sends next belongs to
no connection that the router knows, so it passes with the client's own address: the server's kernel has never heard of
that and resets. The server's session with the router's address stays open.
"""

import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.case_file import Claim
from captures.lab.lab import Lab

TIMER_SECONDS = 2


def play(lab: Lab) -> None:
    translate(lab)
    lab.listen()
    with sockets.listener(lab) as listening:
        for pause in (3.0, 3.5):
            client, served = sockets.meet(lab, listening)
            sockets.exchange(client, served)
            time.sleep(1.0)
            sockets.exchange(client, served)
            time.sleep(pause)
            lab.expect(
                client,
                reset_by="server",
                cause="nat_state_mismatch",
                may_be=("connection_state_lost", "idle_timeout"),
                harmless=False,
                decidable_at=("server", "both"),
                must_not=(Claim(reset_by="client"),),
            )
            with suppress(ConnectionError):
                client.sendall(sockets.REQUEST)
                client.recv(1000)
            lab.leave_open(served)


def translate(lab: Lab) -> None:
    """The router hides the client, and forgets early what it does not see again."""
    lab.router.iptables("-t nat -A POSTROUTING -o toserver -j MASQUERADE")
    lab.router.sysctl(
        net__netfilter__nf_conntrack_tcp_loose=0, net__netfilter__nf_conntrack_tcp_timeout_established=TIMER_SECONDS
    )
