"""A device that forges resets: it watches one connection from the router and sends in the server's name.

It counts what it sends: that count is a witness. It never answers for a case's label.
"""

import socket
from types import TracebackType

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from captures.lab.network import Namespace

ETHERTYPE_IP = 0x0800
OWN_TTL = 64


class Forger:
    """Watches from ``with`` on; ``reset_client`` sends one reset right behind the server's last segment."""

    def __init__(self, router: Namespace, client: str, server: str):
        self._router, self._client, self._server = router, client, server
        self.sent = 0

    def __enter__(self) -> "Forger":
        with self._router:
            self._watch = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_IP))
            self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._watch.bind(("toclient", 3))  # every protocol: what the router itself sends out is seen only there
        self._watch.setblocking(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.close()
        self._raw.close()

    def reset_client(self, window: int = 0, disguised: bool = False) -> None:
        """A reset with the marks of this device, or with those of the server's last packet."""
        last = self._last_from_server()
        segment = last[TCP]
        host, port = self._client.rsplit(":", 1)
        reset = IP(src=last.src, dst=host, ttl=OWN_TTL) / TCP(
            sport=segment.sport,
            dport=int(port),
            seq=segment.seq + last.len - 4 * (last.ihl + segment.dataofs),
            ack=segment.ack,
            flags="RA",
            window=window,
        )
        if disguised:
            reset.ttl, reset.id, reset.flags, reset.tos = last.ttl, last.id + 1, last.flags, last.tos
            reset[TCP].window, reset[TCP].options = segment.window, segment.options
        self._raw.sendto(bytes(reset), (host, 0))
        self.sent += 1

    def _last_from_server(self) -> IP:
        last: IP | None = None
        while True:
            try:
                packet = Ether(self._watch.recv(65536))
            except BlockingIOError:
                break
            if TCP in packet and _ends(packet) == (self._server, self._client):
                last = packet[IP]
        if last is None:
            raise RuntimeError("the forger has seen no packet of the server")
        return last


def _ends(packet: Ether) -> tuple[str, str]:
    return f"{packet[IP].src}:{packet[TCP].sport}", f"{packet[IP].dst}:{packet[TCP].dport}"
