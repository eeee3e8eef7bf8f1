"""A port is used again too soon, with lower sequence numbers: the server still remembers its last connection.

As behind a NAT gateway that gives one host's port to another: the server closed the first connection and keeps its
TIME_WAIT. The request for the second looks old to it, and it acknowledges the first connection instead of answering.
The client's kernel resets what it does not know, which clears the way: its next request is answered.
"""

import time

from captures.lab import sockets
from captures.lab.lab import Lab

SOURCE_PORT = 41000
FIRST_SEQUENCES = (2_000_000_000, 1_000_000_000)


def play(lab: Lab) -> None:
    lab.client.sysctl(net__ipv4__tcp_timestamps=0)
    lab.listen()
    with sockets.listener(lab) as listening:
        for number, sequence in enumerate(FIRST_SEQUENCES):
            client = sockets.connect_from(lab, SOURCE_PORT, sequence)
            served, _ = listening.accept()
            sockets.exchange(client, served)
            if number:
                lab.expect(
                    client,
                    reset_by="client",
                    cause="port_reuse",
                    may_be=("challenge_ack",),
                    decidable_at=("client", "both"),
                )
            served.close()
            time.sleep(0.2)
            client.close()
            time.sleep(0.5)
