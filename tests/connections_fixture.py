"""Segments for the tests of `analyzer.connections`, written down packet by packet."""

import ipaddress
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyzer import connections
from analyzer.capture.deriving import derive
from analyzer.schema import ACK, DIRECTION_UNKNOWN, FIN, NO_TIME, PSH, RST, SEGMENT, SYN

EPOCH = 1_700_000_000_000_000_000
FLAGS = {"F": FIN, "S": SYN, "R": RST, "P": PSH, "A": ACK}


def address(text: str) -> tuple[int, int]:
    """The two halves of an address as SEGMENT has them."""
    ip = ipaddress.ip_address(text)
    number = int(ip) | (0xFFFF << 32 if ip.version == 4 else 0)
    return number >> 64, number & (2**64 - 1)


def segment(src: str, sport: int, dst: str, dport: int, flags: str, **fields: Any) -> np.ndarray:
    """One SEGMENT row. `at` is its time in seconds after EPOCH, None for a packet without a time."""
    row = np.zeros(1, SEGMENT)
    at = fields.pop("at", 0.0)
    ipv6 = ":" in src
    row["src_hi"], row["src_lo"] = address(src)
    row["dst_hi"], row["dst_lo"] = address(dst)
    defaults = {
        "sport": sport,
        "dport": dport,
        "flags": sum(FLAGS[letter] for letter in flags),
        "time": NO_TIME if at is None else EPOCH + round(at * 1e9),
        "window": 1000,
        "ttl": 64,
        "header": 20,
        "checksum": 1,
        "ip_id": -1 if ipv6 else 7,
        "flow_label": 0 if ipv6 else -1,
        "interface": -1,
        "vlan": -1,
        "window_shift": -1,
        "direction": DIRECTION_UNKNOWN,
        "ipv6": ipv6,
        "dont_fragment": True,
    }
    for name, value in (defaults | fields).items():
        row[name] = np.array(value % 2**32 if name in ("seq", "ack") else value).astype(SEGMENT[name])
    row["captured"] = row["length"]
    return row


@dataclass(frozen=True)
class Pair:
    """A client and a server; sequence numbers are given relative to the sender's initial one, acknowledgements to the other's."""

    client: str = "10.0.0.1"
    cport: int = 40000
    server: str = "10.0.0.2"
    sport: int = 5432
    client_isn: int = 1000
    server_isn: int = 5000

    def c(
        self, flags: str, seq: int = 0, ack: int = 0, length: int = 0, at: float | None = 0.0, **fields: Any
    ) -> np.ndarray:
        """A segment of the client."""
        acks = self.server_isn + ack if "A" in flags else ack
        return segment(
            self.client, self.cport, self.server, self.sport, flags,
            seq=self.client_isn + seq, ack=acks, length=length, at=at, **fields,
        )  # fmt: skip

    def s(
        self, flags: str, seq: int = 0, ack: int = 0, length: int = 0, at: float | None = 0.0, **fields: Any
    ) -> np.ndarray:
        """A segment of the server."""
        acks = self.client_isn + ack if "A" in flags else ack
        return segment(
            self.server, self.sport, self.client, self.cport, flags,
            seq=self.server_isn + seq, ack=acks, length=length, at=at, **fields,
        )  # fmt: skip

    def opening(self, at: float = 0.0) -> list[np.ndarray]:
        """SYN, SYN-ACK and ACK, 10 ms to the server and back, 1 ms to the client and back."""
        return [
            self.c("S", 0, at=at, ip_id=11, mss=1460),
            self.s("SA", 0, 1, at=at + 0.010, ip_id=0, mss=1460),
            self.c("A", 1, 1, at=at + 0.011, ip_id=12),
        ]


def rows(*packets: Any) -> np.ndarray:
    """The packets (or lists of them) as one array, frames numbered from 1."""
    flat = [p for item in packets for p in (item if isinstance(item, list) else [item])]
    out = np.concatenate(flat) if flat else np.zeros(0, SEGMENT)
    out["frame"] = np.arange(1, len(out) + 1)
    derive(out)
    return out


def folded(*files: np.ndarray, point: str = "here", **options: Any) -> connections.Traffic:
    """Pass 1 over whole files."""
    state = connections.start(point, **options)
    for number, segments in enumerate(files):
        connections.begin_file(state, number, f"{number}.pcap")
        connections.fold(state, segments)
    return connections.close(state)


def second_pass(traffic: connections.Traffic, *files: np.ndarray, ids: Any = None) -> Any:
    """Pass 2 over whole files: PACKETS."""
    wanted = connections.wanted(traffic, ids)
    parts = [
        (f"{number}.pcap", connections.select(wanted, number, segments), None) for number, segments in enumerate(files)
    ]
    return connections.packets(wanted, parts)
