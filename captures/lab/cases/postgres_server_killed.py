"""PostgreSQL is killed with sessions open, and new connections are refused.

SIGKILL to the server and all its children at once. One session is idle: the kernel closes it with a FIN, and the
client's next query is reset. One has a query that the busy backend had not read: the kernel resets at once. Two new
connections find no listener.
"""

import time
from typing import Any

import psycopg

from captures.lab.lab import Lab
from captures.lab.network import Network
from captures.lab.postgres import Cluster

NETWORK = Network(routers=2, default_ttl={"server": 255})


def play(lab: Lab) -> None:
    database = lab.postgres()
    log = lab.client_log("shop.orders")
    lab.listen()
    with lab.client:
        idle, busy = an_idle_and_a_busy_session(database)
        lab.expect(
            busy,
            reset_by="server",
            cause="unread_data_at_close",
            may_be=("process_exit", "server_shutdown"),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
        )
        lab.expect(
            idle,
            reset_by="server",
            cause="data_after_close",
            may_be=("process_exit", "server_shutdown"),
            decidable_at=("client", "router", "server", "both"),
        )
        lab.expect_rest(
            port=5432,
            reset_by="server",
            cause="connection_refused",
            may_be=("process_exit", "server_shutdown"),
            decidable_at=("server", "both"),
        )
        database.kill()
        time.sleep(0.5)
        try:
            idle.execute("SELECT 2")
        except psycopg.OperationalError:
            log.exception("session lost")
        for _ in range(2):
            time.sleep(0.5)
            try:
                database.connect()
            except psycopg.OperationalError:
                log.exception("no connection")


def an_idle_and_a_busy_session(database: Cluster) -> tuple[psycopg.Connection[Any], psycopg.Connection[Any]]:
    """The busy one has sent more than its backend will read; a third has come and gone."""
    idle, busy, closed = database.connect(), database.connect(), database.connect()
    closed.execute("SELECT 1")
    closed.close()
    idle.execute("SELECT 1")
    busy.pgconn.enter_pipeline_mode()
    busy.pgconn.send_query_params(b"SELECT pg_sleep(60)", None)
    busy.pgconn.pipeline_sync()
    time.sleep(0.5)
    busy.pgconn.send_query_params(b"SELECT 'waits in the socket of a busy backend'", None)
    busy.pgconn.pipeline_sync()
    time.sleep(0.5)
    return idle, busy
