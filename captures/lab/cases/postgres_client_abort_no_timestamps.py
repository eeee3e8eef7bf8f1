"""A client with an open transaction aborts its connection, without TCP timestamps.

The twin of postgres_client_abort as a host with tcp_timestamps=0 shows it: one mark less that the reset could carry.
"""

from captures.lab.cases import postgres_client_abort
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    lab.client.sysctl(net__ipv4__tcp_timestamps=0)
    postgres_client_abort.play(lab)
