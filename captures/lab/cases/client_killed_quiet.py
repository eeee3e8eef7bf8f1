"""Two clients are killed with nothing unread: one is not missed, the other is spoken to.

The kernel closes a killed process's sockets with a FIN, so a kill alone is no reset. The first server closes too: the
connection ends well. The second, which has not noticed, sends a message a second later, and the client's kernel, which
has no socket any more, resets.
"""

import time

from captures.lab import sockets
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        quiet, quiet_served = sockets.meet(lab, listening)
        spoken_to, served = sockets.meet(lab, listening)
        for client, end in ((quiet, quiet_served), (spoken_to, served)):
            sockets.exchange(client, end)
        lab.expect(quiet, ending="closed")
        lab.expect(
            spoken_to,
            reset_by="client",
            cause="data_after_close",
            may_be=("process_exit", "client_cancel"),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
        )
        process = sockets.hand_over(lab.client, quiet, spoken_to)
        time.sleep(0.5)
        process.kill()
        time.sleep(0.5)
        quiet_served.close()
        time.sleep(0.5)
        served.sendall(b"event: an order has come in\r\n")
        time.sleep(0.5)
        served.close()
