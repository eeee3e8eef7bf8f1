"""A firewall forgets a resting connection and then drops what it does not know: silence.

The twin of stale_pool with DROP in place of REJECT. The router forgets after 3 s without a packet. A request after 2 s
is answered; one after 4.5 s is repeated until the client's TCP_USER_TIMEOUT ends it: no reset anywhere.
"""

import socket
import time

from captures.lab import sockets
from captures.lab.case_file import Claim, TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2)


def play(lab: Lab) -> None:
    lab.router.iptables("-A FORWARD -p tcp -m conntrack --ctstate INVALID -j DROP")
    lab.router.sysctl(net__netfilter__nf_conntrack_tcp_loose=0, net__netfilter__nf_conntrack_tcp_timeout_established=3)
    log = lab.client_log("shop.orders")
    lab.listen()
    with sockets.listener(lab) as listening:
        client, served = sockets.meet(lab, listening)
        sockets.exchange(client, served)
        time.sleep(2.0)
        sockets.exchange(client, served)
        time.sleep(4.5)
        lab.expect(
            client,
            ending="silence",
            cause="retransmission_timeout",
            may_be=("idle_timeout",),
            must_not=(Claim(reset_by="server"), Claim(reset_by="client")),
            log_lines=(TiedLine("client.log", "Connection timed out"),),
        )
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2500)
        client.sendall(sockets.REQUEST)
        try:
            client.recv(1000)
        except TimeoutError:
            log.exception("order list failed")
        client.close()
        lab.leave_open(served)
