"""PostgreSQL is restarted with a hundred pooled connections.

The pool had its sessions before the captures began. A fast restart ends every backend (57P01); the pool does not look
into its sessions, and uses each of them again within the next seconds: every one is reset. New sessions work.
"""

import time

import psycopg

from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2)
SESSIONS = 100


def play(lab: Lab) -> None:
    database = lab.postgres(max_connections=130, log_disconnections="off")
    log = lab.client_log("shop.orders")
    with lab.client:
        pool = [database.connect() for _ in range(SESSIONS)]
        lab.listen(options="-s 96")
        for session in pool[::10]:
            session.execute("SELECT 1")
        for session in pool:
            lab.expect(
                session,
                reset_by="server",
                cause="server_shutdown",
                may_be=("data_after_close",),
                harmless=False,
                decidable_at=("client", "router", "server", "both"),
            )
        database.stop("fast")
        database.start()
        failed = 0
        for session in pool:
            try:
                session.execute("SELECT 2")
            except psycopg.OperationalError as error:
                failed += 1
                if failed <= 3:
                    log.error("session lost: %s", error)
            time.sleep(0.005)
        log.error("%s of %s sessions were lost", failed, SESSIONS)
        with database.connect() as after:
            after.execute("SELECT 3")
