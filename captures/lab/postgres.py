"""A real PostgreSQL cluster in a temporary folder, with its own log, and what clients do to a connection of it.

The cluster is never the machine's own, and never outlives the lab.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from captures.lab.network import Namespace, address, command

BINARIES = max(
    Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=Path("/nonexistent")
)
DEBIAN_PREFIX = "%m [%p] %q%u@%d "
READY_SECONDS = 20.0
RELOAD_SECONDS = 0.5
LOCK_FILE_LINES = 8  # of postmaster.pid: the state is the last
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
LOG_FILES = {"csvlog": "postgresql.csv", "jsonlog": "postgresql.json"}  # by log_destination; else postgresql.log
SETTINGS: dict[str, str | int] = {
    "listen_addresses": "*",
    "unix_socket_directories": "",
    "port": 5432,
    "ssl": "off",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": 40,
    "autovacuum": "off",
    "log_timezone": "Asia/Tokyo",
    "log_line_prefix": DEBIAN_PREFIX,
    "log_connections": "on",
    "log_disconnections": "on",
}


class Cluster:
    """A running server; it logs to ``log`` and is reached by ``connect``. ``locale``: the language of its messages."""

    def __init__(
        self, machine: Namespace, address: str, folder: Path, log: Path, locale: str = "C", **settings: str | int
    ):
        self.machine, self.address, self.folder, self.log, self.locale = machine, address, folder, log, locale
        self.settings = SETTINGS | settings
        if log.name in LOG_FILES.values():  # only the collector writes these formats, into a folder of the server's
            collector = {"logging_collector": "on", "log_directory": "log", "log_filename": "postgresql.log"}
            self.settings = self.settings | collector
        self._initialise()
        self._start()

    def connect(self) -> psycopg.Connection[Any]:
        """A connection from the machine that the calling thread is in."""
        return psycopg.connect(self.url(), autocommit=True)

    def url(self, port: int | None = None) -> str:
        """How a client on another machine names this server, or another port of it. With TLS where ``ssl`` is on."""
        ends = address(self.address, port or self.settings["port"])
        tls = "require" if self.settings["ssl"] == "on" else "disable"
        return f"postgresql://shop@{ends}/shop?sslmode={tls}&gssencmode=disable"

    def start(self) -> None:
        """Start it again after ``stop``."""
        self._start()

    def stop(self, mode: str) -> None:
        """Stop it as ``pg_ctl stop -m fast`` and its like do, and wait until it has ended."""
        self.process.send_signal(STOP_SIGNALS[mode])
        self.process.wait(timeout=READY_SECONDS)

    def restrict(self, rule: str) -> None:
        """Put a line at the top of pg_hba.conf and have it read."""
        access = self.folder / "pg_hba.conf"
        access.write_text(f"{rule}\n{access.read_text()}")
        self.process.send_signal(signal.SIGHUP)
        time.sleep(RELOAD_SECONDS)

    def collect_log(self) -> None:
        """Copy what the server's own collector wrote to where the log belongs."""
        written = self.folder / "log" / self.log.name
        if self.settings.get("logging_collector") == "on" and written.exists():
            shutil.copyfile(written, self.log)

    def kill(self) -> None:
        """SIGKILL the server and all its children at once, as when their container is killed."""
        children = command("ps", "-o", "pid=", "--ppid", str(self.process.pid)).split()
        everybody = [self.process.pid, *map(int, children)]
        for signal_number in (
            signal.SIGSTOP,
            signal.SIGKILL,
        ):  # stopped first: nobody sees a sibling die and says goodbye
            for pid in everybody:
                os.kill(pid, signal_number)
        self.process.wait()

    def _initialise(self) -> None:
        command("cp", "--archive", str(_template(self.locale)), str(self.folder))
        if self.settings["ssl"] == "on":
            self._certify()
        lines = [f"{name} = '{value}'\n" for name, value in self.settings.items()]
        with (self.folder / "postgresql.conf").open("a") as configuration:
            configuration.writelines(lines)
        with (self.folder / "pg_hba.conf").open("a") as access:
            access.write("host all all all trust\n")

    def _certify(self) -> None:
        """The key and the self-signed certificate that the server looks for in its folder."""
        key, certificate = self.folder / "server.key", self.folder / "server.crt"
        request = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=database"
        command(*request.split(), "-keyout", str(key), "-out", str(certificate))
        for path in (key, certificate):
            path.chmod(0o600)
            shutil.chown(path, "postgres", "postgres")

    def _start(self) -> None:
        collected = self.settings.get("logging_collector") == "on"
        said = self.folder.with_suffix(".stderr") if collected else self.log
        with said.open("ab") as log:
            self.process = self.machine.spawn(
                str(BINARIES / "postgres"),
                "-D",
                str(self.folder),
                stderr=log,
                user="postgres",
                group="postgres",
                extra_groups=[],
                cwd="/",
                env=os.environ | {"LC_ALL": self.locale},
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {said.read_text().strip()}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        """Whether it accepts connections: the last line of its lock file says so, in no language."""
        lock = self.folder / "postmaster.pid"
        lines = lock.read_text().splitlines() if lock.exists() else []
        return len(lines) == LOCK_FILE_LINES and lines[-1].strip() == "ready"


@cache
def _template(locale: str) -> Path:
    """A new cluster with its database, from which each case copies its own: made once while this process runs."""
    folder = Path(_templates().name) / locale
    folder.mkdir(mode=0o700)
    shutil.chown(folder, "postgres", "postgres")
    options = ("-U", "shop", "--auth=trust", "--no-sync", "--no-instructions", "-E", "UTF8", f"--locale={locale}")
    _run("initdb", "-D", str(folder), *options)
    _run("postgres", "--single", "-D", str(folder), "postgres", stdin=b"CREATE DATABASE shop")
    return folder


@cache
def _templates() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="lab-postgres-", ignore_cleanup_errors=True)
    Path(folder.name).chmod(0o755)
    return folder


def _run(program: str, *arguments: str, stdin: bytes = b"") -> None:
    """One of PostgreSQL's programs, as the user that it insists on."""
    done = subprocess.run(
        [BINARIES / program, *arguments],
        input=stdin,
        capture_output=True,
        user="postgres",
        group="postgres",
        extra_groups=[],
        cwd="/",
    )
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr.decode().strip()}")


def abort(connection: psycopg.Connection[Any]) -> None:
    """Close the socket under the driver with SO_LINGER {1, 0}: no goodbye, no FIN, a reset."""
    with socket.socket(fileno=os.dup(connection.fileno())) as handle:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, connection.fileno())
    os.close(nowhere)


def version() -> str:
    return (
        command(str(BINARIES / "postgres"), "--version")
        .strip()
        .removeprefix("postgres (")
        .replace(") ", " ", 1)
        .split(" (")[0]
    )
