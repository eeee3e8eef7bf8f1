"""A long cable: ``python -m captures.lab.relay SECONDS INTERFACE INTERFACE`` carries frames both ways, each one late.

A frame crosses as the kernel hands it over, with its unfinished checksum and its size, so that the far end's kernel
completes it as a bridge would. Nothing is lost, reordered or changed.
"""

import heapq
import select
import socket
import sys
import time

PACKET_IGNORE_OUTGOING, PACKET_VNET_HDR, SOL_PACKET = 23, 15, 263  # linux/if_packet.h: not in Python's socket module
EVERY_PROTOCOL = 3
MAX_FRAME_BYTES = 70_000


def carry(seconds: float, interfaces: list[str]) -> None:
    """Run until the process is ended."""
    ends = [_open(interface) for interface in interfaces]
    other = dict(zip(ends, reversed(ends), strict=True))
    waiting: list[tuple[float, int, socket.socket, bytes]] = []
    number = 0
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select(ends, [], [], pause)[0]:
            number += 1
            heapq.heappush(waiting, (time.monotonic() + seconds, number, other[end], end.recv(MAX_FRAME_BYTES)))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, out, frame = heapq.heappop(waiting)
            out.send(frame)


def _open(interface: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    end.bind((interface, EVERY_PROTOCOL))
    return end


if __name__ == "__main__":
    carry(float(sys.argv[1]), sys.argv[2:])
