"""A router's firewall drops connection requests to one port without a word.

The twin of firewall_reject: no reset, no ICMP. Each attempt repeats its SYN every second until the program gives up
after 4 s. Port 5432 of the same server works.
"""

import socket
import time

import psycopg

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network, address

NETWORK = Network(routers=2)
PORT = 5433


def play(lab: Lab) -> None:
    database = lab.postgres()
    lab.router.iptables(f"-A FORWARD -p tcp --dport {PORT} -j DROP")
    log = lab.client_log("shop.reports")
    lab.listen()
    with lab.client, database.connect() as session:
        session.execute("SELECT 1")
        for _ in range(2):
            attempt = socket.socket()
            attempt.settimeout(4)
            try:
                attempt.connect((lab.server_address, PORT))
            except TimeoutError as error:
                log.error("no connection to the replica: %s", error)
            lab.expect(
                (address(*attempt.getsockname()), address(lab.server_address, PORT)),
                ending="silence",
                cause="retransmission_timeout",
                log_lines=(TiedLine("client.log", "timed out"),),
            )
            attempt.close()
            time.sleep(0.2)
        try:
            session.execute("SELECT 2")
        except psycopg.OperationalError:
            log.exception("session lost")
