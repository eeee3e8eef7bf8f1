"""A client cancels its query with a cancel request: an error in the log, ordinary closes on the wire.

The request travels on a connection of its own, which the server closes without an answer. The session goes on.
"""

import threading
import time

import psycopg

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    database = lab.postgres(locale="de_DE.UTF-8")
    log = lab.client_log("shop.reports")
    lab.listen()
    with lab.client:
        session = database.connect()
        lab.expect(
            session,
            ending="closed",
            log_lines=(TiedLine("postgresql.log", "storniere Anfrage wegen Benutzeraufforderung"),),
        )
        button = threading.Timer(0.7, session.cancel)
        button.start()
        try:
            session.execute("SELECT pg_sleep(10)")
        except psycopg.errors.QueryCanceled:
            log.exception("report was cancelled")
        button.join()
        session.execute("SELECT 1")
        time.sleep(0.3)
        session.close()
