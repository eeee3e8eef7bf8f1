"""What a case needs to know of clients that are not its own sockets: processes, and attempts that fail.

No server is started here, and no capture is read.
"""

import select
import socket
import struct
import subprocess

from psycopg import pq

from captures.lab import sockets
from captures.lab.lab import addresses
from captures.lab.network import Namespace

ATTEMPT_SECONDS = 10.0
# LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH
CLIENT_FLAGS = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000
UTF8MB4 = 45


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


class MariaDB:
    """As much of a MariaDB client as a case needs, over a socket that the case can treat as it likes."""

    def __init__(self, connected: socket.socket):
        self.socket = connected
        greeting = self._packet()
        end = greeting.index(b"\0", 1)
        self.thread = int.from_bytes(greeting[end + 1 : end + 5], "little")  # the id that the server's log names
        answer = struct.pack("<IIB23x", CLIENT_FLAGS, 1 << 24, UTF8MB4) + b"shop\0\0shop\0mysql_native_password\0"
        self._send(answer, number=1)
        if (said := self._packet())[:1] != b"\0":
            raise RuntimeError(f"MariaDB does not let us in: {said!r}")

    def send(self, statement: str) -> None:
        self._send(b"\3" + statement.encode())

    def query(self, statement: str) -> None:
        """A statement with one row of result, read to its end."""
        self.send(statement)
        ends = 0
        while ends < 2:  # the columns end, then the rows
            packet = self._packet()
            if packet[:1] == b"\xff":
                raise RuntimeError(f"MariaDB refuses {statement!r}: {packet!r}")
            ends += packet[:1] == b"\xfe"

    def quit(self) -> None:
        self._send(b"\1")
        self.socket.close()

    def _send(self, body: bytes, number: int = 0) -> None:
        self.socket.sendall(len(body).to_bytes(3, "little") + bytes([number]) + body)

    def _packet(self) -> bytes:
        size = int.from_bytes(sockets.receive(self.socket, 4)[:3], "little")
        return sockets.receive(self.socket, size)
