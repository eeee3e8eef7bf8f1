"""The backend behind nginx resets: nginx logs it and answers its client in order.

nginx runs on the router. A backend reads a request and aborts with SO_LINGER {1, 0}, as a crashed worker's supervisor
does. The reset is on nginx's own connection to the backend; the client gets a 502 on another connection, which ends
well. A request before it is answered.
"""

import socket
import threading
import time

from captures.lab import servers, sockets
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab, addresses

PROGRAMS = ("nginx",)
SITE = "server {{ listen 80; location / {{ proxy_pass http://{backend}:8080; }} }}"


def play(lab: Lab) -> None:
    servers.nginx(lab, "router", SITE.format(backend=lab.server_address))
    with sockets.listener(lab) as listening:
        lab.listen(router=servers.BOTH_LEGS)
        for path, fate in (("/orders", "answer"), ("/report", "abort")):
            backend = threading.Thread(target=_serve, args=(lab, listening, fate))
            backend.start()
            client = servers.dial(lab, 80)
            lab.expect(client, ending="closed")
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
            while client.recv(4096):
                pass
            client.close()
            backend.join()
            time.sleep(0.5)


def _serve(lab: Lab, listening: socket.socket, fate: str) -> None:
    served, _ = listening.accept()
    served.recv(4096)
    time.sleep(0.2)
    if fate == "answer":
        served.sendall(sockets.ANSWER)
        served.close()
        return
    server, proxy = addresses(served)
    lab.expect(
        (proxy, server),
        reset_by="server",
        cause="abortive_close",
        harmless=False,
        decidable_at=("router", "server", "both"),
        log_lines=(
            TiedLine("nginx_error.log", "Connection reset by peer) while reading response header from upstream"),
        ),
    )
    sockets.abort(served)
