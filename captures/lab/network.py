"""Network namespaces joined like machines: client, one or more routers, server.

Each link runs through a bridge in a namespace of its own, the wire. It splits the sender's large frames and completes the checksums that
the sender leaves to its network card, so a capture shows at each point what a capture on real machines shows there.

No packet is captured or judged here.
"""

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

CLONE_NEWNET = 0x40000000
CLIENT_ADDRESS, SERVER_ADDRESS = "10.1.0.2", "10.2.0.2"
CLIENT_ADDRESS_6, SERVER_ADDRESS_6 = "fd00:1::2", "fd00:2::2"
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """One machine. ``with machine:`` moves the calling thread into it, and with the thread its new sockets and processes."""

    def __init__(self, name: str, cleanup: ExitStack):
        self.name = name
        self._netns = f"lab-{name}"
        self._cleanup = cleanup
        self._outside = threading.local()
        remove(self._netns)
        command("ip", "netns", "add", self._netns)
        cleanup.callback(remove, self._netns)
        self.run("ip", "link", "set", "lo", "up")

    def __enter__(self) -> "Namespace":
        self._stack().append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        inside = os.open(f"/run/netns/{self._netns}", os.O_RDONLY)
        _move_thread(inside)
        os.close(inside)
        return self

    def __exit__(self, *_: object) -> None:
        outside = self._stack().pop()
        _move_thread(outside)
        os.close(outside)

    def _stack(self) -> list[int]:
        """Where the calling thread came from, one entry for each ``with``."""
        return self._outside.__dict__.setdefault("stack", [])

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
        """Set kernel parameters of this machine; the name is written with double underscores for the dots: net__ipv4__ip_forward."""
        for name, value in values.items():
            with self:
                Path("/proc/sys", *name.split("__")).write_text(str(value))

    def iptables(self, rule: str) -> None:
        self.run("iptables", *rule.split())


@dataclass(frozen=True)
class Network:
    """How the machines are joined. The first router is the one that captures and has the firewall."""

    routers: int = 1
    ipv6: bool = False
    default_ttl: Mapping[str, int] = field(default_factory=dict)  # by machine; 64 where nothing is said

    @property
    def server_address(self) -> str:
        return SERVER_ADDRESS_6 if self.ipv6 else SERVER_ADDRESS

    def sentence(self) -> str:
        """The path in words, for the case's origin."""
        names = ["client", "router", *(f"router{i}" for i in range(2, self.routers + 1)), "server"]
        return " - ".join(f"{name} (TTL {self.default_ttl.get(name, 64)})" for name in names)

    def build(self, cleanup: ExitStack) -> dict[str, Namespace]:
        """The machines by name, up, addressed and reachable."""
        names = ["client", "router", *(f"router{i}" for i in range(2, self.routers + 1)), "server"]
        wire = Namespace("wire", cleanup)
        _only_link_layer(wire)
        machines = {name: Namespace(name, cleanup) for name in names}
        for name, machine in machines.items():
            machine.sysctl(
                net__ipv4__ip_forward=int(name.startswith("router")),
                net__ipv4__ip_default_ttl=self.default_ttl.get(name, 64),
                net__ipv4__tcp_slow_start_after_idle=1,
                net__ipv6__conf__all__disable_ipv6=int(not self.ipv6),
                net__ipv6__conf__default__disable_ipv6=int(not self.ipv6),
                net__ipv6__conf__default__accept_dad=0,
                net__ipv6__conf__all__forwarding=int(name.startswith("router")),
            )
        last = len(names) - 2
        for link, (near, far) in enumerate(pairwise(names)):
            # The client's link is 10.1.0.0/24 and the server's 10.2.0.0/24 however many routers lie between them.
            subnet = "1" if link == 0 else "2" if link == last else f"9{link}"
            client_end, server_end = ("2", "1") if link == 0 else ("1", "2")
            _join(
                wire,
                link,
                (machines[near], "eth0" if near == "client" else "toserver"),
                (machines[far], "eth0" if far == "server" else "toclient"),
            )
            for machine, interface, host in (
                (machines[near], "eth0" if near == "client" else "toserver", client_end),
                (machines[far], "eth0" if far == "server" else "toclient", server_end),
            ):
                machine.run("ip", "addr", "add", f"10.{subnet}.0.{host}/24", "dev", interface)
                if self.ipv6:
                    machine.run("ip", "addr", "add", f"fd00:{subnet}::{host}/64", "dev", interface, "nodad")
            _route(
                self.ipv6,
                machines[near],
                f"10.{subnet}.0.{server_end}",
                f"fd00:{subnet}::{server_end}",
                "2",
                direct=link == last,
            )
            _route(
                self.ipv6,
                machines[far],
                f"10.{subnet}.0.{client_end}",
                f"fd00:{subnet}::{client_end}",
                "1",
                direct=link == 0,
            )
        return machines


def command(*arguments: str) -> str:
    """Run a command; its output, or an error that shows what it said."""
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def remove(netns: str) -> None:
    """End the processes inside a namespace and delete it, where it exists."""
    if not Path("/run/netns", netns).exists():
        return
    for pid in command("ip", "netns", "pids", netns).split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    command("ip", "netns", "delete", netns)


def _move_thread(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _only_link_layer(wire: Namespace) -> None:
    wire.sysctl(net__ipv6__conf__all__disable_ipv6=1, net__ipv6__conf__default__disable_ipv6=1)


def _join(wire: Namespace, link: int, *ends: tuple[Namespace, str]) -> None:
    bridge = f"link{link}"
    wire.run("ip", "link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
    wire.run("ip", "link", "set", bridge, "up")
    for side, (machine, interface) in enumerate(ends):
        port = f"{bridge}-{side}"
        wire.run("ip", "link", "add", port, "type", "veth", "peer", "name", interface, "netns", f"lab-{machine.name}")
        wire.run("ethtool", "-K", port, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        wire.run("ip", "link", "set", port, "master", bridge, "up")
        machine.run("ip", "link", "set", interface, "up")


def _route(ipv6: bool, machine: Namespace, gateway: str, gateway_6: str, subnet: str, direct: bool) -> None:
    if direct:
        return
    machine.run("ip", "route", "add", f"10.{subnet}.0.0/24", "via", gateway)
    if ipv6:
        machine.run("ip", "-6", "route", "add", f"fd00:{subnet}::/64", "via", gateway_6)
