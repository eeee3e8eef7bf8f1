"""A fast shutdown with sessions open; one of them sends a query afterwards, and new connections are refused.

The postmaster ends every backend (57P01). A pool that notices closes its session at once, but says goodbye as it does
so: even that is data after the server's FIN, and is reset. A session that does not notice sends a query two seconds
later and is reset. By then the port has no listener, so a new connection is refused.
"""

import time

import psycopg

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab, addresses


def play(lab: Lab) -> None:
    database = lab.postgres(log_timezone="UTC", log_line_prefix="%m [%p] %r %u ")
    log = lab.client_log("shop.orders")
    lab.listen()
    with lab.client:
        unaware, aware = database.connect(), database.connect()
        for session in (unaware, aware):
            session.execute("SELECT count(*) FROM pg_class")
        time.sleep(0.5)
        for session in (unaware, aware):
            port = addresses(session)[0].rpartition(":")[2]
            lab.expect(
                session,
                reset_by="server",
                cause="server_shutdown",
                may_be=("data_after_close", "connection_state_lost"),
                decidable_at=("client", "router", "server", "both"),
                log_lines=(TiedLine("postgresql.log", f"({port}) shop FATAL:  terminating connection"),),
            )
        lab.expect_rest(
            port=5432,
            reset_by="server",
            cause="connection_refused",
            may_be=("server_shutdown",),
            decidable_at=("server", "both"),
            log_lines=(TiedLine("client.log", "Connection refused"),),
        )
        database.stop("fast")
        aware.close()
        time.sleep(2.0)
        try:
            unaware.execute("SELECT 2")
        except psycopg.OperationalError:
            log.exception("session lost")
        time.sleep(0.3)
        try:
            database.connect()
        except psycopg.OperationalError:
            log.exception("no connection")
