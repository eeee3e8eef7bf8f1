"""A server does not accept fast enough: its queue is full, and it ignores clients that believe to be connected.

Four clients wait to be accepted. Three more connect at once, 60 ms away, where one place is left. All three see a
SYN-ACK. The two that find the queue full send their request again and again, while the server repeats its SYN-ACK as
if it had heard nothing, and gives up; the next copy of the request is answered with a reset.
"""

import selectors
import socket
import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.lab import Lab
from captures.lab.network import Network, address

NETWORK = Network(delay_seconds=0.06)
BACKLOG = 4  # the kernel lets one more wait
AT_ONCE = 3


def play(lab: Lab) -> None:
    lab.server.sysctl(net__ipv4__tcp_synack_retries=1)
    overflow(lab, wait_seconds=7.5)


def overflow(lab: Lab, wait_seconds: float) -> None:
    """More clients than the queue has places; those that find none are reset."""
    lab.listen()
    with sockets.listener(lab, backlog=BACKLOG) as listening:
        waiting = [lab.connect(sockets.PORT) for _ in range(BACKLOG)]
        clients = _connect_at_once(lab)
        time.sleep(0.3)
        for number, (name, client) in enumerate(clients.items()):
            with suppress(ConnectionError):
                client.sendall(sockets.REQUEST)
            if number == 0:  # it found the last place
                waiting.append(client)
            else:
                lab.expect(
                    (name, address(lab.server_address, sockets.PORT)),
                    reset_by="server",
                    cause="accept_queue_overflow",
                    harmless=False,
                    decidable_at=("server", "both"),
                )
        time.sleep(wait_seconds)
        served = [listening.accept()[0] for _ in waiting]
        for client in (*waiting, *clients.values()):
            client.close()
        time.sleep(0.2)
        for end in served:
            end.recv(1000)
            end.close()
        time.sleep(0.2)


def _connect_at_once(lab: Lab) -> dict[str, socket.socket]:
    """Connection requests that are under way together, by the client's address."""
    clients = {}
    with lab.client, selectors.DefaultSelector() as selector:
        for _ in range(AT_ONCE):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex((lab.server_address, sockets.PORT))
            selector.register(client, selectors.EVENT_WRITE)
            clients[address(*client.getsockname())] = client
        while selector.get_map():
            for key, _ in selector.select(timeout=2):
                selector.unregister(key.fileobj)
    for client in clients.values():
        client.settimeout(10)
    return clients
