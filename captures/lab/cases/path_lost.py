"""The path goes dead under two busy connections, and both die without a reset.

The router begins to drop everything. One client gives up at its TCP_USER_TIMEOUT of 3 s; the other's kernel has used
up its retransmissions (tcp_retries2 is 4 here). Neither kernel sends a reset.
"""

import logging
import socket
import threading
import time

from captures.lab import sockets
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    lab.client.sysctl(net__ipv4__tcp_retries2=4)
    log = lab.client_log("shop.orders")
    lab.listen()
    with sockets.listener(lab) as listening:
        patient, patient_served = sockets.meet(lab, listening)
        hasty, hasty_served = sockets.meet(lab, listening)
        hasty.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3000)
        for _ in range(2):
            sockets.exchange(patient, patient_served)
            sockets.exchange(hasty, hasty_served)
            time.sleep(0.3)
        lab.leave_open(patient_served, hasty_served)
        lab.router.iptables("-A FORWARD -j DROP")
        for client in (patient, hasty):
            client.settimeout(12)
            lab.expect(
                client,
                ending="silence",
                cause="retransmission_timeout",
                log_lines=(TiedLine("client.log", "Connection timed out"),),
            )
            client.sendall(sockets.REQUEST)
        waiting = [threading.Thread(target=_wait, args=[client, log]) for client in (patient, hasty)]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()


def _wait(client: socket.socket, log: logging.Logger) -> None:
    try:
        client.recv(1000)
    except TimeoutError:
        log.exception("order list failed")
    client.close()
