"""Large packets vanish on a narrower link, and nobody says so.

The router's link to the server carries 1400 bytes, and its own firewall keeps it from sending the ICMP message that
would tell the client. Small requests are answered; an upload in full-size packets is repeated in vain until the client
gives up.
"""

import socket
import time

from captures.lab import sockets
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    lab.router.run("ip", "link", "set", "toserver", "mtu", "1400")
    lab.router.iptables("-A OUTPUT -p icmp -j DROP")
    upload(lab)


def upload(lab: Lab) -> None:
    """Two small exchanges that work, and a large one that does not."""
    log = lab.client_log("shop.upload")
    lab.listen()
    with sockets.listener(lab) as listening:
        for _ in range(2):
            small, served = sockets.meet(lab, listening)
            sockets.exchange(small, served)
            lab.expect(small, ending="closed")
            small.close()
            time.sleep(0.1)
            served.close()
        large, served = sockets.meet(lab, listening)
        sockets.exchange(large, served)
        lab.expect(
            large,
            ending="silence",
            cause="path_mtu_black_hole",
            log_lines=(TiedLine("client.log", "Connection timed out"),),
        )
        large.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)
        try:
            large.sendall(b"POST /upload HTTP/1.1\r\nHost: shop\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20000)
            large.recv(1000)
        except TimeoutError:
            log.exception("upload failed")
        large.close()
        lab.leave_open(served)
        time.sleep(0.3)
