"""Network namespaces joined like machines: client, one or more routers, server.

Each link runs through a bridge in a namespace of its own, the wire. It splits the sender's large frames and completes
the checksums that the sender leaves to its network card, so that a capture shows at each point what it would show on
real machines.

No packet is captured or judged here.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

CLONE_NEWNET = 0x40000000
NAMESPACES = Path("/run/netns")
PREFIX = "lab-"
SERVER_ADDRESS, SERVER_ADDRESS_6 = "10.2.0.2", "fd00:2::2"


class _Outside(threading.local):
    """Where a thread came from, one entry for each ``with``."""

    def __init__(self) -> None:
        self.namespaces: list[int] = []


class Namespace:
    """One machine. ``with machine:`` moves the calling thread into it, with its new sockets and processes."""

    def __init__(self, name: str, cleanup: ExitStack):
        self.name = name
        self.netns = PREFIX + name
        self._cleanup = cleanup
        self._outside = _Outside()
        command("ip", "netns", "add", self.netns)
        cleanup.callback(_remove, self.netns)
        self.run("ip", "link", "set", "lo", "up")

    def __enter__(self) -> "Namespace":
        self._outside.namespaces.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        inside = os.open(NAMESPACES / self.netns, os.O_RDONLY)
        _move_thread(inside)
        os.close(inside)
        return self

    def __exit__(self, *_: object) -> None:
        outside = self._outside.namespaces.pop()
        _move_thread(outside)
        os.close(outside)

    def run(self, *arguments: str) -> str:
        """Run a command to its end; its output."""
        with self:
            return command(*arguments)

    def spawn(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a process that does not outlive the lab."""
        with self:
            process = subprocess.Popen(arguments, **options)
        self._cleanup.callback(_end, process)
        return process

    def sysctl(self, **values: str | int) -> None:
        """Set kernel parameters of this machine, with double underscores for the dots: net__ipv4__ip_forward=1."""
        for name, value in values.items():
            with self:
                Path("/proc/sys", *name.split("__")).write_text(str(value))

    def iptables(self, rule: str) -> None:
        """Change this machine's firewall: ``-A FORWARD ... -j DROP``."""
        self.run("iptables", *rule.split())


@dataclass(frozen=True)
class Network:
    """How the machines are joined. The first router is the one that captures and has the firewall."""

    routers: int = 1
    ipv6: bool = False
    default_ttl: Mapping[str, int] = field(default_factory=dict)  # by machine; 64 where nothing is said
    delay_seconds: float = 0.0  # what the server's link adds to a round trip
    standby: bool = False  # another machine beside the server, on the same link

    @property
    def names(self) -> list[str]:
        further = [f"router{number}" for number in range(2, self.routers + 1)]
        return ["client", "router", *further, "server"]

    @property
    def server_address(self) -> str:
        return SERVER_ADDRESS_6 if self.ipv6 else SERVER_ADDRESS

    def sentence(self) -> str:
        """The path in words, for the case's origin."""
        path = " - ".join(f"{name} (TTL {self.ttl(name)})" for name in self.names)
        path += f", {1000 * self.delay_seconds:.0f} ms away" if self.delay_seconds else ""
        return path + (f"; beside the server a standby (TTL {self.ttl('standby')})" if self.standby else "")

    def ttl(self, name: str) -> int:
        return self.default_ttl.get(name, 64)

    def build(self, cleanup: ExitStack) -> dict[str, Namespace]:
        """The machines by name, up, addressed and reachable."""
        wire = Namespace("wire", cleanup)
        wire.sysctl(net__ipv6__conf__all__disable_ipv6=1, net__ipv6__conf__default__disable_ipv6=1)
        machines = {name: Namespace(name, cleanup) for name in self.names}
        for name, machine in machines.items():
            self._configure(machine, is_router=name.startswith("router"))
        for number, (near, far) in enumerate(pairwise(machines.values())):
            first, last = number == 0, number == self.routers
            # The client's link is subnet 1 and the server's subnet 2, however many routers lie between them.
            subnet = "1" if first else "2" if last else f"9{number}"
            near_end = _End(near, "eth0" if first else "toserver", f"{subnet}.0.{2 if first else 1}")
            far_end = _End(far, "eth0" if last else "toclient", f"{subnet}.0.{1 if first else 2}")
            if last and self.delay_seconds:
                _join_late(wire, f"link{number}", self.delay_seconds / 2, near_end, far_end)
            else:
                _join(wire, f"link{number}", near_end, far_end)
            for end in (near_end, far_end):
                self._give_address(end)
            if not last:
                self._route(near, "2.0.0", via=far_end.host)
            if not first:
                self._route(far, "1.0.0", via=near_end.host)
        if self.standby:
            machines["standby"] = beside = Namespace("standby", cleanup)
            self._configure(beside, is_router=False)
            end = _End(beside, "eth0", "2.0.3")
            wire.run("ip", "link", "set", _plug_in(wire, f"link{self.routers}-2", end), "master", f"link{self.routers}")
            self._give_address(end)
            self._route(beside, "1.0.0", via="2.0.1")
        return machines

    def _configure(self, machine: Namespace, is_router: bool) -> None:
        machine.sysctl(
            net__ipv4__ip_forward=int(is_router),
            net__ipv4__ip_default_ttl=self.ttl(machine.name),
            net__ipv6__conf__all__disable_ipv6=int(not self.ipv6),
            net__ipv6__conf__default__disable_ipv6=int(not self.ipv6),
            net__ipv6__conf__default__hop_limit=self.ttl(machine.name),
            net__ipv6__conf__all__forwarding=int(is_router),
        )

    def _give_address(self, end: "_End") -> None:
        end.machine.run("ip", "addr", "add", f"{_v4(end.host)}/24", "dev", end.interface)
        if self.ipv6:
            end.machine.run("ip", "addr", "add", f"{_v6(end.host)}/64", "dev", end.interface, "nodad")

    def _route(self, machine: Namespace, subnet: str, via: str) -> None:
        machine.run("ip", "route", "add", f"{_v4(subnet)}/24", "via", _v4(via))
        if self.ipv6:
            machine.run("ip", "-6", "route", "add", f"{_v6(subnet)}/64", "via", _v6(via))


@dataclass(frozen=True)
class _End:
    """One end of a link. Its host "1.0.2" is 10.1.0.2 and fd00:1::2."""

    machine: Namespace
    interface: str
    host: str


def _v4(host: str) -> str:
    return f"10.{host}"


def _v6(host: str) -> str:
    subnet, _, number = host.split(".")
    return f"fd00:{subnet}::{'' if number == '0' else number}"


def address(host: str, port: str | int) -> str:
    """address:port as it is written everywhere in the corpus and by the kernel."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def command(*arguments: str) -> str:
    """Run a command; its output, or an error that shows what it said."""
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def clear() -> None:
    """Remove what a lab that was killed left behind."""
    for path in NAMESPACES.glob(f"{PREFIX}*") if NAMESPACES.exists() else ():
        _remove(path.name)


def _remove(netns: str) -> None:
    """End the processes inside a namespace and delete it."""
    for pid in command("ip", "netns", "pids", netns).split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    command("ip", "netns", "delete", netns)


def _move_thread(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns exists from Python 3.12 on
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _join(wire: Namespace, bridge: str, *ends: _End) -> None:
    """A link between two machines: a cable from each into a bridge of the wire."""
    wire.run("ip", "link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
    wire.run("ip", "link", "set", bridge, "up")
    for side, end in enumerate(ends):
        wire.run("ip", "link", "set", _plug_in(wire, f"{bridge}-{side}", end), "master", bridge)


def _join_late(wire: Namespace, cable: str, seconds: float, *ends: _End) -> None:
    """A link on which every frame takes so long: a program carries the frames where a bridge would."""
    ports = [_plug_in(wire, f"{cable}-{side}", end) for side, end in enumerate(ends)]
    wire.spawn(sys.executable, "-m", "captures.lab.relay", str(seconds), *ports, cwd=Path(__file__).parents[2])


def _plug_in(wire: Namespace, port: str, end: _End) -> str:
    """A cable from a machine to the wire; its end there."""
    wire.run(*f"ip link add {port} type veth peer name {end.interface} netns {end.machine.netns}".split())
    wire.run("ethtool", "-K", port, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
    wire.run("ip", "link", "set", port, "up")
    end.machine.run("ip", "link", "set", end.interface, "up")
    return port
