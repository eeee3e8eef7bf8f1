"""An immediate shutdown with sessions open; the log is csvlog in Japanese.

Each backend warns its client (57P01, since version 14) and exits without waiting. One session had sent more than the
busy backend could read: that one is reset at once. An idle one sends a query afterwards and is reset then.
"""

import time

import psycopg

from captures.lab.cases.postgres_server_killed import an_idle_and_a_busy_session
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=3)


def play(lab: Lab) -> None:
    database = lab.postgres(locale="ja_JP.UTF-8", log_destination="csvlog")
    log = lab.client_log("shop.orders")
    lab.listen()
    with lab.client:
        idle, busy = an_idle_and_a_busy_session(database)
        lab.expect(
            busy,
            reset_by="server",
            cause="unread_data_at_close",
            may_be=("server_shutdown", "process_exit"),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
        )
        lab.expect(
            idle,
            reset_by="server",
            cause="server_shutdown",
            may_be=("data_after_close", "process_exit", "connection_state_lost"),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
        )
        database.stop("immediate")
        time.sleep(1.0)
        try:
            idle.execute("SELECT 2")
        except psycopg.OperationalError:
            log.exception("session lost")
        time.sleep(0.3)
