"""A client with an open transaction aborts its connection; 96 bytes of each packet, two interfaces in one file.

The twin of postgres_client_abort: every capture cuts its packets, and the router's is a pcapng of both its
interfaces, so it holds each packet twice, with two TTLs.
"""

from captures.lab.cases import postgres_client_abort
from captures.lab.lab import Lab

TWO_INTERFACES = "exec dumpcap -q -s 96 -i toclient -i toserver -w router.pcapng"


def play(lab: Lab) -> None:
    postgres_client_abort.play(lab, options="-s 96", router=TWO_INTERFACES)
