"""Nobody listens on the port: the server's kernel refuses.

Three attempts on port 5434, where nothing runs, beside a session on port 5432 that works.
"""

import time

import psycopg

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    database = lab.postgres()
    log = lab.client_log("shop.reports")
    lab.listen(options="--time-stamp-precision=nano")
    with lab.client, database.connect() as session:
        session.execute("SELECT 1")
        for _ in range(3):
            try:
                psycopg.connect(database.url(port=5434))
            except psycopg.OperationalError:
                log.exception("no connection to the archive")
            time.sleep(0.4)
        session.execute("SELECT 2")
    lab.expect_rest(
        port=5434,
        reset_by="server",
        cause="connection_refused",
        decidable_at=("server", "both"),
        log_lines=(TiedLine("client.log", "Connection refused"),),
    )
