"""A scanner asks whether a port is open, and never completes a handshake.

It sends bare connection requests from a raw socket. The client's kernel knows nothing of them and answers each
SYN-ACK with a reset. A real connection beside it ends well.
"""

import socket
import time

from scapy.layers.inet import IP, TCP

from captures.lab import sockets
from captures.lab.lab import Lab
from captures.lab.network import address

CLIENT_ADDRESS = "10.1.0.2"
SOURCE_PORTS = (52011, 52012, 52013, 52014)


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        client, served = sockets.meet(lab, listening)
        sockets.exchange(client, served)
        with lab.client:
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with raw:
            for number, port in enumerate(SOURCE_PORTS):
                segment = TCP(sport=port, dport=sockets.PORT, seq=1_000_000_007 * number, window=1024, flags="S")
                raw.sendto(bytes(IP(src=CLIENT_ADDRESS, dst=lab.server_address) / segment), (lab.server_address, 0))
                lab.expect(
                    (address(CLIENT_ADDRESS, port), address(lab.server_address, sockets.PORT)),
                    reset_by="client",
                    cause="half_open_probe",
                    harmless=True,
                    decidable_at=("client", "both"),
                )
                time.sleep(0.7)
        client.close()
        time.sleep(0.1)
        served.close()
