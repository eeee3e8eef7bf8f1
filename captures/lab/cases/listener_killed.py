"""A server is killed before it has accepted the connections that wait for it.

Three clients have connected and sent their requests; the process that should accept them is busy, and is killed. The
kernel resets the three at once, and refuses the next.
"""

import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        client, served = sockets.meet(lab, listening)
        sockets.exchange(client, served)
        client.close()
        time.sleep(0.1)
        served.close()
        process = sockets.hand_over(lab.server, listening)
        waiting = [lab.connect(sockets.PORT) for _ in range(3)]
        for client in waiting:
            time.sleep(0.2)
            client.sendall(sockets.REQUEST)
            lab.expect(
                client,
                reset_by="server",
                cause="process_exit",
                may_be=("unread_data_at_close", "abortive_close", "server_shutdown"),
                harmless=False,
                decidable_at=("client", "router", "server", "both"),
            )
        time.sleep(0.5)
        process.kill()
        time.sleep(0.5)
        with suppress(ConnectionRefusedError):
            lab.connect(sockets.PORT)
        lab.expect_rest(
            port=sockets.PORT,
            reset_by="server",
            cause="connection_refused",
            may_be=("process_exit", "server_shutdown"),
            decidable_at=("server", "both"),
        )
