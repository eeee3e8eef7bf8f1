"""A request crosses nginx's goodbye on the wire.

nginx closes a connection that rests for 2 s (keepalive_timeout), 100 ms away. A client with a pool of its own uses the
connection again while that FIN is still under way: neither could know. nginx's kernel answers the request with a
reset. Requests that come sooner are answered, and a connection that is left alone is closed in order.
"""

import os
import socket
import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.lab import ZONE, Lab, installed
from captures.lab.network import Network

PROGRAMS = ("nginx",)
NETWORK = Network(delay_seconds=0.1)
PORT = 80
CONFIGURATION = """
daemon off; user www-data; worker_processes 1; pid {folder}/nginx.pid; error_log {errors} error;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}; keepalive_timeout 2s;
  server {{ listen 80; location / {{ return 200 "stored\\n"; }} }}
}}
"""


def play(lab: Lab) -> None:
    folder = lab.scratch / "nginx"
    folder.mkdir()
    errors = folder / "error.log"
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, errors=errors))
    lab.software.append(installed("nginx", "-v").removeprefix("nginx version: "))
    lab.server.spawn("nginx", "-c", str(configuration), "-e", str(errors), env=os.environ | {"TZ": ZONE})
    time.sleep(1.0)
    lab.listen()
    race(lab)


def race(lab: Lab) -> None:
    """One connection rests until the server closes it. Two more are used in time, and then as the server's FIN leaves."""
    with lab.connect(PORT) as resting:
        _ask(resting)
        answered = time.monotonic()
        lab.expect(resting, ending="closed")
        resting.recv(1000)
        idle_seconds = time.monotonic() - answered
    for _ in range(2):
        with lab.connect(PORT) as client:
            _ask(client)
            time.sleep(0.5)
            _ask(client)
            lab.expect(
                client,
                reset_by="server",
                cause="keep_alive_race",
                may_be=("data_after_close",),
                harmless=False,
                decidable_at=("client", "router", "server", "both"),
            )
            # The FIN leaves half a round trip before it arrives; the request leaves half way through that.
            time.sleep(idle_seconds - NETWORK.delay_seconds / 4)
            with suppress(ConnectionError):
                client.sendall(sockets.REQUEST)
                client.recv(1000)
                client.recv(1000)


def _ask(client: socket.socket) -> None:
    client.sendall(sockets.REQUEST)
    if not client.recv(4096):
        raise EOFError("the server closed early")
