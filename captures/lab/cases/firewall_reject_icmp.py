"""A router's firewall rejects with ICMP errors: connection requests to one port, and a session that was open before the rule came.

The twin of firewall_reject: no reset, but "administratively prohibited" from the router's own address. It ends a connection request
at once. The open session goes on repeating its request, as RFC 5461 has it, until the program's own limit of 4 s.
"""

import logging
import socket
import time

from captures.lab import sockets
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2)
CLOSED_PORT = 5433
RULE = "-A FORWARD -p tcp --dport {port} -j REJECT --reject-with icmp-admin-prohibited"
EXPECTED = {"ending": "silence", "cause": "firewall_reject"}


def play(lab: Lab) -> None:
    lab.router.iptables(RULE.format(port=CLOSED_PORT))
    log = lab.client_log("shop.reports")
    lab.listen()
    with sockets.listener(lab) as listening:
        session, served = sockets.meet(lab, listening)
        sockets.exchange(session, served)
        for _ in range(3):
            attempt(lab, log, CLOSED_PORT, **EXPECTED)
            time.sleep(0.4)
        sockets.exchange(session, served)
        lab.router.iptables(RULE.format(port=sockets.PORT))
        ask_in_vain(lab, log, session, **EXPECTED)
        lab.leave_open(served)


def attempt(lab: Lab, log: logging.Logger, port: int, **expected: str) -> None:
    """A request to connect that nobody accepts."""
    with lab.client, socket.socket() as tried:
        tried.bind(("10.1.0.2", 0))
        tried.settimeout(10)
        own = tried.getsockname()
        try:
            tried.connect((lab.server_address, port))
        except OSError as error:
            log.error("no connection to the replica: %s", error)
            line = TiedLine("client.log", str(error))
    lab.expect((f"{own[0]}:{own[1]}", f"{lab.server_address}:{port}"), log_lines=(line,), **expected)


def ask_in_vain(lab: Lab, log: logging.Logger, session: socket.socket, **expected: str) -> None:
    """A request on an open connection that never arrives; the client gives up after 4 s."""
    session.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 4000)
    session.settimeout(10)
    own, other = session.getsockname(), session.getpeername()
    session.sendall(sockets.REQUEST)
    try:
        session.recv(1000)
    except OSError as error:
        log.error("session lost: %s", error)
        line = TiedLine("client.log", "session lost")
    session.close()
    lab.expect((f"{own[0]}:{own[1]}", f"{other[0]}:{other[1]}"), log_lines=(line,), **expected)
    time.sleep(0.3)
