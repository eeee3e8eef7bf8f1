"""A service restarts; whoever comes in between is refused.

Five attempts, half a second apart: one before the service stops, two while nobody listens, two after it is back.
"""

import time

from captures.lab import sockets
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    log = lab.client_log("shop.orders")
    lab.listen()
    with sockets.listener(lab) as before:
        client, served = sockets.meet(lab, before)
        sockets.exchange(client, served)
        client.close()
        time.sleep(0.1)
        served.close()
    for _ in range(2):
        time.sleep(0.5)
        try:
            lab.connect(sockets.PORT)
        except ConnectionRefusedError:
            log.exception("no connection")
    with sockets.listener(lab) as after:
        for _ in range(2):
            time.sleep(0.5)
            client, served = sockets.meet(lab, after)
            sockets.exchange(client, served)
            client.close()
            time.sleep(0.1)
            served.close()
    lab.expect_rest(
        port=sockets.PORT,
        reset_by="server",
        cause="connection_refused",
        may_be=("server_shutdown", "process_exit"),
        decidable_at=("server", "both"),
        log_lines=(TiedLine("client.log", "Connection refused"),),
    )
