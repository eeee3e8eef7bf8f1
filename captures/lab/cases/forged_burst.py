"""A device on the path sends a burst of resets with stepped sequence numbers.

While a download runs, the router, one of three, sends three resets to the client in the server's name: one that fits,
one a segment ahead, one three segments ahead, so that one of them fits even if it came too late. The server goes on
sending; the client's kernel answers that with resets of its own, the only ones that the server sees.
"""

import threading
import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.case_file import Claim, Sight
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=3)
STEPS = (0, 1460, 4380)


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        victim, served = sockets.meet(lab, listening)
        with lab.forger(victim) as forger:
            lab.expect(
                victim,
                reset_by="middlebox",
                cause="injected_reset",
                decidable_at=("client", "router", "both"),
                must_not=(Claim(reset_by="server"), Claim(reset_by="client", at="client")),
                at={
                    "server": Sight(
                        "client", "connection_state_lost", ("data_after_close", "process_exit", "client_cancel")
                    )
                },
            )
            victim.sendall(sockets.REQUEST)
            sockets.receive(served, len(sockets.REQUEST))

            def send() -> None:
                with suppress(ConnectionError):
                    for _ in range(60):
                        served.sendall(b"y" * 1000)
                        time.sleep(0.02)

            sender = threading.Thread(target=send)
            sender.start()
            time.sleep(0.5)
            for step in STEPS:
                forger.reset_client(ahead=step)
            sender.join()
        lab.leave_open(victim)
