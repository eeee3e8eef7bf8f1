"""A device that forges packets: it watches one connection, on the router as a rule, and sends in the name of its ends.

It counts the resets that it sends: that count is a witness. It never answers for a case's label.
"""

import socket
import time
from types import TracebackType

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from captures.lab.network import Namespace

ETHERTYPE_IP = 0x0800
OWN_TTL = 64
PATIENCE_SECONDS = 5.0
BURST_SECONDS = 0.005


class Forger:
    """Watches from ``with`` on; sends a reset right behind the last segment of the end in whose name it speaks."""

    def __init__(self, machine: Namespace, interface: str, client: str, server: str):
        self._machine, self._interface, self._client, self._server = machine, interface, client, server
        self.sent = 0
        self._last: dict[str, IP] = {}  # by sender

    def __enter__(self) -> "Forger":
        with self._machine:
            self._watch = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_IP))
            self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._watch.bind((self._interface, 3))  # every protocol: what the machine itself sends out is seen only there
        self._watch.setblocking(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.close()
        self._raw.close()

    def await_server(self) -> None:
        """Until the server has just sent: a reset that is forged now is not overtaken by the server's next segment."""
        self._look()
        last, deadline = self._last.get(self._server), time.monotonic() + PATIENCE_SECONDS
        while self._last.get(self._server) is last:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._server} sends nothing")
            time.sleep(BURST_SECONDS)  # segments that are sent together arrive together
            self._look()

    def reset_client(self, window: int = 0, disguised: bool = False, ahead: int = 0) -> None:
        """A reset in the server's name, with the marks of this device or with those of the server's last packet.

        ``ahead``: by how much its sequence number misses the server's next; negative for a late one.
        """
        self._reset(self._server, self._client, window, disguised, ahead)

    def reset_server(self, window: int = 0, disguised: bool = False, ahead: int = 0) -> None:
        """The same to the server, in the client's name."""
        self._reset(self._client, self._server, window, disguised, ahead)

    def stray_data(self, data: bytes, ahead: int) -> None:
        """Data in the server's name that the network held back, or that was never sent."""
        self._look()
        last = self._last[self._server]
        segment = last[TCP]
        stray = IP(src=last.src, dst=last.dst) / TCP(
            sport=segment.sport,
            dport=segment.dport,
            seq=(_end(last) + ahead) % 2**32,
            ack=segment.ack,
            flags="PA",
            window=segment.window,
            options=segment.options,
        )
        self._raw.sendto(bytes(stray / data), (last.dst, 0))

    def _reset(self, source: str, destination: str, window: int, disguised: bool, ahead: int) -> None:
        self._look()
        if source not in self._last:
            raise RuntimeError(f"the forger has seen no packet from {source}")
        last, other = self._last[source], self._last.get(destination)
        segment = last[TCP]
        heard = _end(other) if other else segment.ack  # what a device knows that sees both directions
        reset = IP(src=last.src, dst=last.dst, ttl=OWN_TTL) / TCP(
            sport=segment.sport,
            dport=segment.dport,
            seq=(_end(last) + ahead) % 2**32,
            ack=heard,
            flags="RA",
            window=window,
        )
        if disguised:
            reset.ttl, reset.id, reset.flags, reset.tos = last.ttl, last.id + 1, last.flags, last.tos
            reset[TCP].window, reset[TCP].options = segment.window, segment.options
        self._raw.sendto(bytes(reset), (last.dst, 0))
        self.sent += 1

    def _look(self) -> None:
        """Take note of the last segment that each end sent."""
        while True:
            try:
                packet = Ether(self._watch.recv(65536))
            except BlockingIOError:
                return
            if TCP in packet and set(_ends(packet)) == {self._server, self._client} and "R" not in packet[TCP].flags:
                self._last[_ends(packet)[0]] = packet[IP]


def _end(packet: IP) -> int:
    """The sequence number after this segment."""
    segment = packet[TCP]
    length: int = packet.len - 4 * (packet.ihl + segment.dataofs)
    return int(segment.seq) + length + ("S" in segment.flags) + ("F" in segment.flags)


def _ends(packet: Ether) -> tuple[str, str]:
    return f"{packet[IP].src}:{packet[TCP].sport}", f"{packet[IP].dst}:{packet[TCP].dport}"
