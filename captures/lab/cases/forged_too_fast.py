"""A reset comes back sooner than the server could have sent it.

The server is 60 ms away behind the router. A device on the router sees a request and answers it at once with a reset
that carries all the server's marks: TTL, identification, window, timestamps. Only its haste gives it away. The
server's real answer follows, and the client's kernel, which has no connection any more, resets that: a consequence,
and all that the server sees.
"""

import time

from captures.lab import sockets
from captures.lab.case_file import Claim, Sight
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(delay_seconds=0.06)


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        for _ in range(2):
            victim, served = sockets.meet(lab, listening)
            with lab.forger(victim) as forger:
                for _ in range(3):
                    sockets.exchange(victim, served)
                    time.sleep(0.3)
                lab.expect(
                    victim,
                    reset_by="middlebox",
                    cause="injected_reset",
                    harmless=False,
                    decidable_at=("client", "router", "both"),
                    must_not=(Claim(reset_by="server"), Claim(reset_by="client", at="client")),
                    at={
                        "server": Sight(
                            "client", "connection_state_lost", ("data_after_close", "process_exit", "client_cancel")
                        )
                    },
                )
                victim.sendall(sockets.REQUEST)
                time.sleep(0.002)
                forger.reset_client(disguised=True)
                sockets.receive(served, len(sockets.REQUEST))
                served.sendall(sockets.ANSWER)
                time.sleep(0.3)
                lab.leave_open(victim)
