"""A standby takes the server's address over, and answers the sessions that it never had with resets.

As a cluster manager does it: the server gives up its address, the standby adds it and announces it by gratuitous ARP.
Two clients, one idle and one busy, go on with what they had open; the standby's kernel knows neither connection. New
sessions work. The router captures all its interfaces, so the announcement is in its capture.
"""

import socket
import struct
import time
from contextlib import suppress

from captures.lab import sockets
from captures.lab.case_file import Claim, TiedLine
from captures.lab.lab import Lab
from captures.lab.network import SERVER_ADDRESS, Namespace, Network

NETWORK = Network(standby=True)
EVERYWHERE = "exec tcpdump -i any -Z root -w router.pcap"
SESSIONS = 2


def play(lab: Lab) -> None:
    log = lab.client_log("shop.orders")
    lab.listen(router=EVERYWHERE)
    standby = lab.machines["standby"]
    with sockets.listener(lab) as listening:
        clients = []
        for _ in range(SESSIONS):
            client, served = sockets.meet(lab, listening)
            sockets.exchange(client, served)
            clients.append(client)
            lab.leave_open(served)
            lab.expect(
                client,
                reset_by="middlebox",
                cause="connection_state_lost",
                may_be=("host_restart",),
                harmless=False,
                must_not=(Claim(reset_by="client"),),
                log_lines=(TiedLine("client.log", "Connection reset by peer"),),
            )
        for _ in range(6):
            time.sleep(0.25)
            sockets.exchange(client, served)
        lab.server.run("ip", "addr", "del", f"{SERVER_ADDRESS}/24", "dev", "eth0")
        standby.run("ip", "addr", "add", f"{SERVER_ADDRESS}/24", "dev", "eth0")
        announce(standby, SERVER_ADDRESS)
        time.sleep(0.2)
        for client in reversed(clients):
            with suppress(BrokenPipeError):
                client.sendall(sockets.REQUEST)
            try:
                client.recv(1000)
            except ConnectionResetError as error:
                log.error("order list failed: %s", error)
            time.sleep(0.3)
    with standby, socket.create_server((SERVER_ADDRESS, sockets.PORT)) as listening:
        client, served = sockets.meet(lab, listening)
        sockets.exchange(client, served)
        client.close()
        time.sleep(0.1)
        served.close()
        time.sleep(0.1)


def announce(machine: Namespace, address: str) -> None:
    """Tell everybody on the link who has this address now: an ARP request for it, from it (RFC 5227 3)."""
    with machine, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("eth0", 0x0806))
        hardware, ip = wire.getsockname()[4], socket.inet_aton(address)
        arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + hardware + ip + bytes(6) + ip
        wire.send(b"\xff" * 6 + hardware + struct.pack("!H", 0x0806) + arp)
