"""A server's accept queue is full, and its kernel is told to say so: tcp_abort_on_overflow.

The twin of accept_queue_overflow: the clients that find no place are reset as soon as their handshake is complete.
"""

from captures.lab.cases import accept_queue_overflow
from captures.lab.lab import Lab

NETWORK = accept_queue_overflow.NETWORK


def play(lab: Lab) -> None:
    lab.server.sysctl(net__ipv4__tcp_abort_on_overflow=1)
    accept_queue_overflow.overflow(lab, wait_seconds=1)
