"""A client cancels a download and closes with bytes unread.

The server sends a large file faster than the client reads; after a few kilobytes the client has seen enough and closes
in order. Its kernel finds unread bytes and resets instead.
"""

import socket
import threading
import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    lab.client.sysctl(net__ipv4__tcp_rmem="4096 8192 8192")  # a small socket buffer: the capture stays small
    lab.server.sysctl(net__ipv4__tcp_wmem="4096 8192 8192")
    lab.listen()
    with sockets.listener(lab) as listening:
        client, served = sockets.meet(lab, listening)
        sockets.exchange(client, served)
        client.sendall(sockets.REQUEST)
        sockets.receive(served, len(sockets.REQUEST))
        sender = threading.Thread(target=_send_file, args=[served])
        sender.start()
        sockets.receive(client, 5000)
        time.sleep(0.5)
        lab.expect(
            client,
            reset_by="client",
            cause="unread_data_at_close",
            may_be=("client_cancel", "abortive_close", "process_exit"),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
        )
        client.close()
        sender.join(timeout=5)
        served.close()


def _send_file(served: socket.socket) -> None:
    with suppress(ConnectionError):
        served.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 100_000)
