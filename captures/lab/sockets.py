"""Plain sockets for cases whose story needs no particular program: who listens, who asks, who answers, who hangs up.

Whose kernel sends what afterwards is the case's business.
"""

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from captures.lab.lab import Lab
from captures.lab.network import Namespace

PORT = 8080
REQUEST = b"GET /orders HTTP/1.1\r\nHost: shop\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, SEND_QUEUE, REPAIR_OFF = 19, 20, 21, 2, -1  # linux/tcp.h
SLEEPER = "import time; time.sleep(600)"


@contextmanager
def listener(lab: Lab, port: int = PORT, backlog: int = 50) -> Iterator[socket.socket]:
    """A socket that listens on the server."""
    with lab.server:
        listening = socket.create_server((lab.server_address, port), backlog=backlog)
    with listening:
        yield listening


def meet(lab: Lab, listening: socket.socket) -> tuple[socket.socket, socket.socket]:
    """A new connection: the client's socket, and the one that the server accepted."""
    client = lab.connect(listening.getsockname()[1])
    served, _ = listening.accept()
    served.settimeout(10)
    return client, served


def exchange(client: socket.socket, served: socket.socket) -> None:
    """A request and its answer, both read to the end."""
    client.sendall(REQUEST)
    receive(served, len(REQUEST))
    served.sendall(ANSWER)
    receive(client, len(ANSWER))


def receive(end: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < size:
        more = end.recv(size - len(data))
        if not more:
            raise EOFError(f"the other end closed after {len(data)} of {size} bytes")
        data += more
    return data


def abort(end: socket.socket) -> None:
    """Close with SO_LINGER {1, 0}."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def connect_from(lab: Lab, port: int, sequence: int | None = None) -> socket.socket:
    """A connection from a port of the client's that may have been in use before; ``sequence``: its first number.

    Linux's own first numbers grow with time; those of another host behind the same address need not.
    """
    with lab.client:
        client = socket.socket()
    client.settimeout(10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sequence is not None:
        for option, value in ((TCP_REPAIR, 1), (TCP_REPAIR_QUEUE, SEND_QUEUE), (TCP_QUEUE_SEQ, sequence)):
            client.setsockopt(socket.IPPROTO_TCP, option, value)
        client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF)
    client.bind(("", port))
    client.connect((lab.server_address, PORT))
    return client


def hand_over(machine: Namespace, *ends: socket.socket) -> subprocess.Popen[bytes]:
    """Give sockets to a process that does nothing; whoever kills it closes them."""
    process = machine.spawn(sys.executable, "-c", SLEEPER, pass_fds=[end.fileno() for end in ends])
    for end in ends:
        end.close()
    return process
