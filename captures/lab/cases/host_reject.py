"""The server's own firewall rejects one port.

The twin of firewall_reject: the same reset, but the server's host sends it, so it has the server's TTL and is in the
server's capture. The kernel's trace is silent about it; the rule's counter speaks.
"""

import time

import psycopg

from captures.lab.case_file import Claim, TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2)


def play(lab: Lab) -> None:
    database = lab.postgres()
    lab.server.iptables("-A INPUT -p tcp --dport 5433 -j REJECT --reject-with tcp-reset")
    log = lab.client_log("shop.reports")
    lab.listen()
    with lab.client, database.connect() as session:
        session.execute("SELECT 1")
        for _ in range(3):
            try:
                psycopg.connect(database.url(port=5433))
            except psycopg.OperationalError:
                log.exception("no connection to the replica")
            time.sleep(0.5)
        session.execute("SELECT 2")
    lab.expect_rest(
        port=5433,
        reset_by="server",
        cause="firewall_reject",
        may_be=("connection_refused",),
        decidable_at=("server", "both"),
        must_not=(Claim(reset_by="client"),),
        log_lines=(TiedLine("client.log", "Connection refused"),),
    )
