"""A server sheds load: far more requests than it allows, and it resets what is too much.

For three seconds a client asks five times a second and is served. Then eighty-five requests come within one second.
nginx allows ten a second and a few more; it closes the others without an answer (status 444) and, as
reset_timedout_connection tells it, with a reset.
"""

import socket
import time
from contextlib import suppress

from captures.lab import servers, sockets
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab

PROGRAMS = ("nginx",)
SITE = """
  limit_req_zone $binary_remote_addr zone=shop:1m rate=10r/s;
  limit_req_status 444;
  reset_timedout_connection on;
  server { listen 80; location / { limit_req zone=shop burst=5 nodelay; try_files /none @stored; }
    location @stored { return 200 "stored\\n"; } }
"""
CALM, BURST = 15, 85


def play(lab: Lab) -> None:
    servers.nginx(lab, "server", SITE)
    lab.listen(options="-s 96")
    with lab.client:
        for number in range(CALM + BURST):
            with socket.create_connection((lab.server_address, 80), timeout=5) as client, suppress(ConnectionError):
                client.sendall(sockets.REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                while client.recv(1000):
                    pass
            time.sleep(0.2 if number < CALM else 0.01)
    lab.expect_rest(
        port=80,
        reset_by="server",
        cause="server_overload",
        may_be=("abortive_close",),
        decidable_at=("client", "router", "server", "both"),
        log_lines=(TiedLine("nginx_error.log", "limiting requests, excess"),),
    )
