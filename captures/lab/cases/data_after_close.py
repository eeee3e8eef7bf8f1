"""A server closes; two seconds later the client speaks.

The server has said all it had to say and closes in order. The client has acknowledged that, but its program does not
look, and sends another request: the server's kernel has no reader for it and resets.
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
        time.sleep(0.3)
        served.close()
        time.sleep(2.0)
        lab.expect(
            client,
            reset_by="server",
            cause="data_after_close",
            may_be=("keep_alive_race", "server_timeout"),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
        )
        with suppress(ConnectionError):
            client.sendall(sockets.REQUEST)
            client.recv(1000)
        client.close()
