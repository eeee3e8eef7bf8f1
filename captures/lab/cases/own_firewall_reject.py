"""The client's own firewall rejects what its programs send to one port.

The request never leaves the host: the reset stands on the loopback interface only, in the server's name. The client
is therefore captured on every interface. No other capture shows anything, and the kernel's trace is silent.
"""

import time

import psycopg

from captures.lab.case_file import Claim, TiedLine
from captures.lab.lab import Lab

EVERY_INTERFACE = "exec tcpdump -i any -Z root -w client.pcap"


def play(lab: Lab) -> None:
    database = lab.postgres()
    lab.client.iptables("-A OUTPUT -p tcp --dport 5433 -j REJECT --reject-with tcp-reset")
    log = lab.client_log("shop.reports")
    lab.listen(client=EVERY_INTERFACE)
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
        reset_by="client",
        cause="firewall_reject",
        decidable_at=("client", "both"),
        must_not=(Claim(reset_by="server"), Claim(reset_by="middlebox")),
        log_lines=(TiedLine("client.log", "Connection refused"),),
    )
