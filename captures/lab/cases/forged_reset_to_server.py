"""A device on the path forges a reset to the server, which blames the client for it.

The router, one of three, sends one reset in the client's name while the session rests; the client's packets have TTL
128, the device's have another. PostgreSQL logs that the peer has reset the connection. The client learns of it when
it sends its next query: the server's kernel has no socket for that, and resets.
"""

import time

import psycopg

from captures.lab.case_file import Claim, Sight, TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=3, default_ttl={"client": 128})


def play(lab: Lab) -> None:
    database = lab.postgres()
    log = lab.client_log("shop.export")
    lab.listen()
    with lab.client, database.connect() as beside:
        victim = database.connect()
        lab.expect(
            victim,
            reset_by="middlebox",
            cause="injected_reset",
            decidable_at=("server", "both"),
            must_not=(Claim(reset_by="client"), Claim(reset_by="server", at="server")),
            log_lines=(
                TiedLine("postgresql.log", "could not receive data from client: Connection reset by peer"),
                TiedLine("client.log", "server closed the connection unexpectedly"),
            ),
            at={
                "client": Sight("server", "connection_state_lost", ("process_exit", "data_after_close")),
                "router": Sight("server", "connection_state_lost", ("process_exit", "data_after_close")),
            },
        )
        with lab.forger(victim) as forger:
            victim.execute("SELECT count(*) FROM pg_class")
            time.sleep(0.8)
            forger.reset_server(window=8192)
            time.sleep(0.5)
        beside.execute("SELECT 1")
        try:
            victim.execute("SELECT count(*) FROM pg_class")
        except psycopg.OperationalError:
            log.exception("export failed")
