"""An administrator ends a Redis client with CLIENT KILL, then it sends a command.

Redis closes the connection in order; the client's next command meets a closed socket and is reset. Another client
works before and after.
"""

import time
from contextlib import suppress

from captures.lab import servers
from captures.lab.lab import Lab, addresses

PROGRAMS = ("redis-server",)


def play(lab: Lab) -> None:
    servers.redis(lab, "--loglevel", "verbose")
    lab.listen()
    administrator, client = lab.connect(6379), lab.connect(6379)
    client.sendall(b"SET basket 7\r\n")
    client.recv(1000)
    name = addresses(client)[0]
    lab.expect(
        client,
        reset_by="server",
        cause="data_after_close",
        may_be=("server_shutdown", "process_exit"),
        harmless=False,
        decidable_at=("client", "router", "server", "both"),
    )
    time.sleep(0.5)
    administrator.sendall(f"CLIENT KILL {name}\r\n".encode())
    administrator.recv(1000)
    time.sleep(0.8)
    with suppress(ConnectionError):
        client.sendall(b"GET basket\r\n")
        time.sleep(0.2)
        client.sendall(b"GET basket\r\n")
    client.close()
    administrator.sendall(b"PING\r\n")
    administrator.recv(1000)
    administrator.close()
    time.sleep(0.3)
