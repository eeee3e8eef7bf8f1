"""What a case's script is handed: the machines, the captures, the servers, and the words to say what must be found.

It acts and takes notes; whether the notes are true is for the witnesses.
"""

import datetime
import logging
import os
import re
import socket
import subprocess
import sys
import sysconfig
import traceback
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import psycopg

from captures.lab import capturing, editing, postgres
from captures.lab.case_file import Clock, Connection, Log, Point
from captures.lab.forger import Forger
from captures.lab.network import Namespace, Network, address

CASES = Path(__file__).resolve().parent / "cases"
ZONE = "Asia/Tokyo"


class HasDescriptor(Protocol):
    def fileno(self) -> int: ...


class Lab:
    """One case while it is played."""

    def __init__(self, network: Network, scratch: Path, folder: Path, cleanup: ExitStack):
        self.network = network
        self.machines = network.build(cleanup)
        self.client: Namespace = self.machines["client"]
        self.router: Namespace = self.machines["router"]
        self.server: Namespace = self.machines["server"]
        self.server_address = network.server_address
        self.folder = folder
        self.captures: list[capturing.Capture] = []
        self.connections: list[Connection] = []
        self.rest: list[Connection] = []
        self.logs: list[Log] = []
        self.software: list[str] = []
        self.forgers: list[Forger] = []
        self.edits: list[tuple[Point, editing.Edit]] = []
        self.clocks: dict[Point, Clock] = {}
        self.scratch, self._cleanup = scratch, cleanup

    def listen(self, options: str = "", **lines: str) -> None:
        """Start the captures. ``options`` go to each tcpdump; a point may have a whole command line of its own."""
        interfaces: dict[Point, str] = {"client": "eth0", "router": "toclient", "server": "eth0"}
        for point, interface in interfaces.items():
            line = lines.get(point, f"exec tcpdump -i {interface} -Z root -w {point}.pcap {options}")
            self.captures.append(capturing.start(point, self.machines[point], line, self.scratch / "captures" / point))

    def postgres(self, **settings: str | int) -> postgres.Cluster:
        """A PostgreSQL on the server; its log is part of the case."""
        self.software += [postgres.version(), f"psycopg {psycopg.__version__}"]
        file = postgres.LOG_FILES.get(str(settings.get("log_destination")), "postgresql.log")
        self.logs.append(Log(file, "postgresql", str(settings.get("log_timezone", ZONE)), "server"))
        cluster = postgres.Cluster(
            self.server, self.server_address, self.scratch / "cluster", self.folder / file, **settings
        )
        self._cleanup.callback(cluster.collect_log)
        return cluster

    def client_log(self, name: str) -> logging.Logger:
        """The client application's log, written by Python's own logging in the client's zone."""
        handler = logging.FileHandler(self.log("client.log", "python", "client"), encoding="utf-8")
        handler.setFormatter(_ClientFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.Logger(name)
        logger.addHandler(handler)
        self._cleanup.callback(handler.close)
        return logger

    def log(self, file: str, form: str, machine: Point) -> Path:
        """Where a program of the case is to write its log, in the lab's zone."""
        self.logs.append(Log(file, form, ZONE, machine))
        return self.folder / file

    def connect(self, port: int) -> socket.socket:
        """A plain TCP connection from the client to the server."""
        with self.client:
            return socket.create_connection((self.server_address, port), timeout=10)

    def leave_open(self, *ends: socket.socket) -> None:
        """Close these only when the captures have ended."""
        for end in ends:
            self._cleanup.callback(end.close)

    def expect(self, connection: HasDescriptor | tuple[str, str], **label: Any) -> None:
        """What must be found for this connection: the fields of ``Connection``. To be called while it is open."""
        client, server = connection if isinstance(connection, tuple) else addresses(connection)
        self.connections.append(Connection(client=client, server=server, **label))

    def expect_rest(self, port: int, **label: Any) -> None:
        """What must be found for every connection to this port that was reset and is not named otherwise."""
        self.rest.append(Connection(client="", server=address(self.server_address, port), **label))

    def edit(self, point: Point, change: editing.Edit) -> None:
        """What is to be done to a point's capture when it has ended."""
        self.edits.append((point, change))

    def set_clock(self, point: Point, clock: Clock) -> None:
        """The clock that a point's capture is to show."""
        self.clocks[point] = clock
        self.edit(point, editing.shift_clock(clock.offset_seconds, clock.drift_ppm))

    def forger(
        self, connection: HasDescriptor | tuple[str, str], machine: Namespace | None = None, interface: str = "toclient"
    ) -> Forger:
        """A device, on the router where no other machine is named, that can forge resets of this connection."""
        client, server = connection if isinstance(connection, tuple) else addresses(connection)
        self.forgers.append(Forger(machine or self.router, interface, client, server))
        return self.forgers[-1]


def addresses(connection: HasDescriptor) -> tuple[str, str]:
    """The two ends of an open connection: client, server."""
    with socket.socket(fileno=os.dup(connection.fileno())) as handle:
        return address(*handle.getsockname()[:2]), address(*handle.getpeername()[:2])


def installed(*command: str) -> str:
    """The first line of what a program says about its version."""
    done = subprocess.run(command, capture_output=True, text=True)
    return re.sub(r" \(Git .*", "", (done.stdout or done.stderr).splitlines()[0]).rstrip(".")


class _ClientFormatter(logging.Formatter):
    """Local time in the client's zone, and the paths of an application that is installed in /opt/shop."""

    @staticmethod
    def converter(seconds: float | None) -> Any:
        return datetime.datetime.fromtimestamp(seconds or 0, ZoneInfo(ZONE)).timetuple()

    def formatException(self, ei: Any) -> str:
        kind: tuple[type[BaseException], BaseException, TracebackType | None] = ei
        text = "".join(traceback.format_exception(*kind)).rstrip()
        return (
            text.replace(sysconfig.get_path("stdlib"), "/usr/lib/python3")
            .replace(sys.prefix, "/opt/shop")
            .replace(str(CASES), "/opt/shop")
            .replace(str(CASES.parent), "/opt/shop")
        )
