"""A router's firewall rejects one port with a reset in the server's name.

The router next to the client answers connection requests to port 5433 itself. Port 5432 of the same server works, and
shows how far away the server really is.
"""

import time

import psycopg

from captures.lab.case_file import Claim, TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Namespace, Network

NETWORK = Network(routers=2)
CLIENT_LINES = (TiedLine("client.log", "Connection refused"),)


def play(lab: Lab) -> None:
    try_the_replica(lab, lab.router, "FORWARD")
    lab.expect_rest(
        port=5433,
        reset_by="middlebox",
        cause="firewall_reject",
        decidable_at=("client", "router", "both"),
        must_not=(Claim(reset_by="server"), Claim(reset_by="client")),
        log_lines=CLIENT_LINES,
    )


def try_the_replica(lab: Lab, firewall: Namespace, chain: str, **listen: str) -> None:
    """Three connection requests to a port that one machine's firewall rejects, beside a session that works."""
    database = lab.postgres()
    firewall.iptables(f"-A {chain} -p tcp --dport 5433 -j REJECT --reject-with tcp-reset")
    log = lab.client_log("shop.reports")
    lab.listen(**listen)
    with lab.client, database.connect() as session:
        session.execute("SELECT 1")
        for _ in range(3):
            try:
                psycopg.connect(database.url(port=5433))
            except psycopg.OperationalError:
                log.exception("no connection to the replica")
            time.sleep(0.5)
        session.execute("SELECT 2")
