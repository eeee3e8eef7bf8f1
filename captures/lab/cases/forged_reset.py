"""A device on the path forges a reset to the client while a result streams.

The router, one of three, sends one reset in the server's name: right sequence number, but a TTL, window and
identification of its own and no timestamps. The server goes on sending, and the client's kernel, which has dropped
the connection, answers that with a reset of its own: a consequence, and the only one that the server sees.
"""

import time

import psycopg

from captures.lab.case_file import Claim, Sight, TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=3)


def play(lab: Lab, **listen: str) -> None:
    database = lab.postgres()
    log = lab.client_log("shop.export")
    lab.listen(**listen)
    with lab.client, database.connect() as beside:
        victim = database.connect()
        lab.expect(
            victim,
            reset_by="middlebox",
            cause="injected_reset",
            decidable_at=("client", "router", "both"),
            must_not=(Claim(reset_by="server"), Claim(reset_by="client", at="client")),
            log_lines=(TiedLine("postgresql.log", "connection to client lost"),),
            at={
                "server": Sight(
                    "client", "connection_state_lost", ("data_after_close", "process_exit", "client_cancel")
                )
            },
        )
        with lab.forger(victim) as forger:
            victim.pgconn.send_query(b"SELECT repeat('x', 2000), pg_sleep(0.02) FROM generate_series(1, 200)")
            time.sleep(0.5)
            forger.await_server()
            forger.reset_client(window=8192)
            time.sleep(0.5)
        try:
            while victim.pgconn.get_result():
                pass
            raise psycopg.OperationalError(victim.pgconn.error_message.decode())
        except psycopg.OperationalError:
            log.exception("export failed")
        beside.execute("SELECT 1")
