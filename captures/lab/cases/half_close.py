"""A client says that it has asked everything and waits for the answer: no reset.

It shuts down its sending side after the request; the server answers for two seconds more, and closes. A negative
control: data flows after a FIN, rightly.
"""

import socket
import time

from captures.lab import sockets
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        for _ in range(2):
            client, served = sockets.meet(lab, listening)
            client.sendall(sockets.REQUEST)
            client.shutdown(socket.SHUT_WR)
            sockets.receive(served, len(sockets.REQUEST))
            lab.expect(client, ending="closed")
            for number in range(8):
                served.sendall(f"order {number} is on its way\r\n".encode() * 20)
                time.sleep(0.25)
            served.close()
            while client.recv(4096):
                pass
            client.close()
