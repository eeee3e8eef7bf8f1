"""A server's host no longer answers on its own network, and the router before it says so.

Nobody answers the router's ARP requests for the server any more (its table is emptied, as time would do). After three seconds it
tells each sender by ICMP that the host is unreachable. That ends a connection request at once; the open session repeats itself until the
client gives up after 4 s. A session before and the network show that all was well.
"""

from captures.lab import sockets
from captures.lab.cases.firewall_reject_icmp import ask_in_vain, attempt
from captures.lab.lab import Lab

EXPECTED = {"ending": "silence", "cause": "retransmission_timeout"}


def play(lab: Lab) -> None:
    log = lab.client_log("shop.orders")
    lab.listen()
    with sockets.listener(lab) as listening:
        session, served = sockets.meet(lab, listening)
        for _ in range(2):
            sockets.exchange(session, served)
        lab.server.run("ip", "link", "set", "eth0", "arp", "off")
        lab.router.run("ip", "neigh", "flush", "dev", "toserver")
        ask_in_vain(lab, log, session, **EXPECTED)
        attempt(lab, log, sockets.PORT, **EXPECTED)
        lab.leave_open(served)
