"""A server's host loses its power and comes back: three sessions meet a kernel that knows nothing of them.

For four seconds nothing reaches the host and nothing leaves it; the clients repeat their requests. Then the host
answers, with its own TTL: every session is reset at its next repetition. A new connection is refused, because the
service starts a moment after the kernel; the one after that works. (The kernel is the same, so timestamps and first
sequence numbers do not begin again, as they would.)
"""

import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.case_file import Claim, TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network

PROGRAMS = ("ss",)
NETWORK = Network(routers=2, default_ttl={"server": 255})


def play(lab: Lab) -> None:
    log = lab.client_log("shop.orders")
    lab.listen()
    with sockets.listener(lab) as listening:
        clients = []
        for _ in range(3):
            client, served = sockets.meet(lab, listening)
            sockets.exchange(client, served)
            clients.append(client)
            lab.leave_open(served)
            lab.expect(
                client,
                reset_by="server",
                cause="host_restart",
                may_be=("connection_state_lost", "process_exit"),
                harmless=False,
                decidable_at=("server", "both"),
                must_not=(Claim(reset_by="client"),),
                log_lines=(TiedLine("client.log", "Connection reset by peer"),),
            )
        time.sleep(0.5)
        lab.router.iptables("-A FORWARD -o toserver -j DROP")
        lab.server.iptables("-A OUTPUT -p tcp -j DROP")
    lab.server.run("ss", "-K", "-t", "src", lab.server_address)
    for client in clients:
        time.sleep(0.2)
        client.sendall(sockets.REQUEST)
    time.sleep(4.0)
    lab.server.iptables("-D OUTPUT 1")
    lab.router.iptables("-D FORWARD 1")
    for client in clients:
        try:
            client.recv(1000)
        except ConnectionResetError as error:
            log.error("order list failed: %s", error)
    with suppress(ConnectionRefusedError):
        lab.connect(sockets.PORT)
    lab.expect_rest(
        port=sockets.PORT,
        reset_by="server",
        cause="connection_refused",
        may_be=("process_exit", "host_restart", "server_shutdown"),
        decidable_at=("server", "both"),
    )
    time.sleep(0.3)
    with sockets.listener(lab) as listening:
        client, served = sockets.meet(lab, listening)
        sockets.exchange(client, served)
        client.close()
        time.sleep(0.1)
        served.close()
