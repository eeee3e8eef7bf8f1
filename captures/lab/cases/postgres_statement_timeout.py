"""A statement runs too long and is cancelled by the server: an error in the log, nothing on the wire.

statement_timeout is 1 s. The session gets an error and goes on. No connection is reset, and every one ends in order.
"""

import time

import psycopg

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    database = lab.postgres(statement_timeout=1000, log_destination="csvlog", log_timezone="UTC")
    log = lab.client_log("shop.reports")
    lab.listen()
    with lab.client:
        session = database.connect()
        lab.expect(
            session,
            ending="closed",
            log_lines=(TiedLine("postgresql.csv", "canceling statement due to statement timeout"),),
        )
        try:
            session.execute("SELECT pg_sleep(5)")
        except psycopg.errors.QueryCanceled:
            log.exception("report took too long")
        session.execute("SELECT 1")
        time.sleep(0.3)
        session.close()
        with database.connect() as after:
            after.execute("SELECT 2")
