"""A client gives up on nginx while the backend still works: 499 in the log, two resets.

nginx runs on the router. The client aborts with SO_LINGER {1, 0} after a second; nginx logs 499 and closes its
connection to the backend with a FIN. The backend's answer, another second later, meets no socket of nginx and is
reset: a consequence of the first, on another connection.
"""

import socket
import threading
import time
from contextlib import suppress

from captures.lab import servers, sockets
from captures.lab.case_file import TiedLine
from captures.lab.cases.nginx_upstream_reset import SITE
from captures.lab.lab import Lab, addresses

PROGRAMS = ("nginx",)


def play(lab: Lab) -> None:
    servers.nginx(lab, "router", SITE.format(backend=lab.server_address))
    with sockets.listener(lab) as listening:
        lab.listen(router=servers.BOTH_LEGS)
        backend = threading.Thread(target=_serve, args=(lab, listening))
        backend.start()
        client = servers.dial(lab, 80)
        client.sendall(b"GET /report HTTP/1.1\r\nHost: shop\r\n\r\n")
        time.sleep(1.0)
        name = addresses(client)[0]
        lab.expect(
            client,
            reset_by="client",
            cause="abortive_close",
            may_be=("client_cancel",),
            harmless=False,
            decidable_at=("client", "router", "both"),
            log_lines=(
                TiedLine("nginx_access.log", f"{name} ["),
                TiedLine(
                    "nginx_error.log", "client prematurely closed connection, so upstream connection is closed too (104"
                ),
            ),
        )
        sockets.abort(client)
        backend.join()
        time.sleep(0.5)


def _serve(lab: Lab, listening: socket.socket) -> None:
    served, _ = listening.accept()
    served.recv(4096)
    time.sleep(2.0)
    server, proxy = addresses(served)
    lab.expect(
        (proxy, server),
        reset_by="client",
        cause="client_cancel",
        may_be=("data_after_close", "relayed_reset"),
        harmless=False,
        decidable_at=("router", "server", "both"),
    )
    with suppress(OSError):
        served.sendall(sockets.ANSWER)
        time.sleep(0.2)
    served.close()
