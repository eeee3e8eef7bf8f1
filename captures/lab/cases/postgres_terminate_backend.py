"""An administrator ends a session with pg_terminate_backend, then its client sends a query; the log is jsonlog.

The backend says goodbye (57P01) and closes; the client's next query meets a closed socket and is reset.
log_connections is off: only the session's own lines name its address.
"""

import time

import psycopg

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2, default_ttl={"client": 128})


def play(lab: Lab) -> None:
    database = lab.postgres(
        log_destination="jsonlog", log_timezone="UTC", log_connections="off", log_disconnections="off"
    )
    log = lab.client_log("shop.orders")
    lab.listen()
    with lab.client, database.connect() as administrator:
        session = database.connect()
        session.execute("SELECT count(*) FROM pg_class")
        time.sleep(0.5)
        lab.expect(
            session,
            reset_by="server",
            cause="server_shutdown",
            may_be=("data_after_close",),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
            log_lines=(TiedLine("postgresql.json", "terminating connection due to administrator command"),),
        )
        administrator.execute(f"SELECT pg_terminate_backend({session.info.backend_pid})")
        time.sleep(1.0)
        try:
            session.execute("SELECT 1")
        except psycopg.Error:
            log.exception("order list failed")
        time.sleep(0.3)
        session.close()
        administrator.execute("SELECT 2")
