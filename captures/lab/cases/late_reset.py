"""A reset after both sides have closed in order.

Everything was said and both FINs were sent. The client's last acknowledgement is lost, so the server repeats its FIN,
but the client's host keeps no TIME_WAIT (its table is full: here, of size zero) and answers with a reset. Nothing is
harmed. The next connection shows the same end without the loss.
"""

import socket
import time

from captures.lab.lab import Lab

PORT = 8080


def play(lab: Lab) -> None:
    lab.client.sysctl(net__ipv4__tcp_max_tw_buckets=0)
    with lab.server:
        listener = socket.create_server((lab.server_address, PORT))
    lab.listen()
    with listener:
        client, served = _exchange(lab, listener)
        lab.expect(
            client,
            reset_by="client",
            cause="late_reset",
            may_be=("data_after_close",),
            harmless=True,
            decidable_at=("client", "router", "server", "both"),
        )
        lab.router.iptables("-A FORWARD -i toclient -j DROP")
        served.close()
        time.sleep(0.1)
        lab.router.iptables("-D FORWARD 1")
        time.sleep(1.0)
        client.close()
        client, served = _exchange(lab, listener)
        served.close()
        time.sleep(0.3)
        client.close()


def _exchange(lab: Lab, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """A request and its answer; the client has said that it will send no more."""
    client = lab.connect(PORT)
    served, _ = listener.accept()
    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
    served.recv(1000)
    served.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyes")
    client.recv(1000)
    client.shutdown(socket.SHUT_WR)
    time.sleep(0.2)
    return client, served
