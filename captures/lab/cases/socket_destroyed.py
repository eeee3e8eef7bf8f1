"""An administrator destroys a server's socket with ss -K.

The server's kernel resets in the middle of an idle session; the server's program learns ECONNABORTED. Another session
of the same client lives on and ends well.
"""

import time

from captures.lab import sockets
from captures.lab.lab import Lab, addresses

PROGRAMS = ("ss",)


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        other, serving = sockets.meet(lab, listening)
        victim, served = sockets.meet(lab, listening)
        for _ in range(3):
            sockets.exchange(victim, served)
            sockets.exchange(other, serving)
            time.sleep(0.3)
        lab.expect(
            victim,
            reset_by="server",
            cause="abortive_close",
            may_be=("process_exit",),
            decidable_at=("client", "router", "server", "both"),
        )
        port = addresses(victim)[0].rpartition(":")[2]
        lab.server.run("ss", "-K", "-t", "dst", "10.1.0.2", "dport", "=", port)
        time.sleep(0.5)
        sockets.exchange(other, serving)
        other.close()
        time.sleep(0.1)
        serving.close()
