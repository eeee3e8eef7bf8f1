"""A device loses the race: its reset comes after the data that it wanted to cut off.

The router, one of three, sends resets in the server's name whose sequence number the server has already passed. The
client's kernel drops them as old, and the connection goes on to its ordinary end.
"""

import time

from captures.lab import sockets
from captures.lab.case_file import Claim
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=3)


def play(lab: Lab) -> None:
    ignored_reset(lab, ahead=-len(sockets.ANSWER))


def ignored_reset(lab: Lab, ahead: int) -> None:
    """Two resets whose sequence number misses, in the middle of a conversation that goes on."""
    lab.listen()
    with sockets.listener(lab) as listening:
        client, served = sockets.meet(lab, listening)
        with lab.forger(client) as forger:
            lab.expect(
                client,
                reset_by="middlebox",
                cause="injected_reset",
                may_be=("challenge_ack",),
                harmless=True,
                decidable_at=("client", "router", "both"),
                must_not=(Claim(reset_by="server"), Claim(reset_by="client")),
            )
            for _ in range(2):
                sockets.exchange(client, served)
                time.sleep(0.2)
                forger.reset_client(ahead=ahead)
                time.sleep(0.5)
            sockets.exchange(client, served)
        client.close()
        time.sleep(0.1)
        served.close()
