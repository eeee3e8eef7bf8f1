"""What a case needs to know of clients that are not its own sockets: processes, and attempts that fail.

No server is started here, and no capture is read.
"""

import select
import subprocess

from psycopg import pq

from captures.lab.lab import addresses
from captures.lab.network import Namespace

ATTEMPT_SECONDS = 10.0


class _Socket:
    """libpq's socket, for what asks for a descriptor."""

    def __init__(self, connection: pq.abc.PGconn):
        self._descriptor = connection.socket

    def fileno(self) -> int:
        return self._descriptor


def attempt(url: str) -> tuple[tuple[str, str], str]:
    """A session that the server is to refuse: the two ends of its connection, and what libpq says of it."""
    connection = pq.PGconn.connect_start(url.encode())
    ends = addresses(_Socket(connection))
    state = connection.connect_poll()
    while state not in (pq.PollingStatus.OK, pq.PollingStatus.FAILED):
        reads, writes = ([connection], []) if state == pq.PollingStatus.READING else ([], [connection])
        select.select([c.socket for c in reads], [c.socket for c in writes], [], ATTEMPT_SECONDS)
        ends = addresses(_Socket(connection))
        state = connection.connect_poll()
    said = connection.error_message.decode().strip()
    connection.finish()
    if not said:
        raise RuntimeError(f"the connection {ends} was accepted")
    return ends, said


def ends_of(machine: Namespace, process: subprocess.Popen[bytes]) -> tuple[str, str]:
    """The two ends of the only connection that a process has."""
    lines = [line for line in machine.run("ss", "-Htnp").splitlines() if f"pid={process.pid}," in line]
    if len(lines) != 1:
        raise RuntimeError(f"process {process.pid} has {len(lines)} connections")
    _, _, _, own, peer, *_ = lines[0].split()
    return own, peer
