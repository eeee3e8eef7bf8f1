"""The server ends an idle session, then the client sends a query; the log is csvlog.

idle_session_timeout is 1.5 s. The backend says goodbye (57P05) and closes; the driver looks into its socket only when
it has something to ask, so its query meets a closed socket and is reset. A session that rests for a second lives.
"""

import time

import psycopg

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    database = lab.postgres(idle_session_timeout=1500, log_destination="csvlog")
    log = lab.client_log("shop.catalogue")
    lab.listen()
    with lab.client, database.connect() as busy:
        rests = database.connect()
        rests.execute("SELECT count(*) FROM pg_class")
        for _ in range(3):
            busy.execute("SELECT 1")
            time.sleep(1.0)
        busy.execute("SELECT 2")
        lab.expect(
            rests,
            reset_by="server",
            cause="server_timeout",
            may_be=("data_after_close",),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
            log_lines=(TiedLine("postgresql.csv", "terminating connection due to idle-session timeout"),),
        )
        try:
            rests.execute("SELECT 'the customer came back'")
        except psycopg.Error:
            log.exception("catalogue failed")
        time.sleep(0.3)
        rests.close()
