"""The server has no room for another client: an error in the log, nothing on the wire but ordinary closes.

max_connections is 4. Further clients get an error and an ordinary close.
"""

import time

from captures.lab.case_file import TiedLine
from captures.lab.clients import attempt
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2)


def play(lab: Lab) -> None:
    database = lab.postgres(
        log_line_prefix="%m [%p] %r ", max_connections=4, superuser_reserved_connections=0, max_wal_senders=0
    )
    log = lab.client_log("shop.orders")
    lab.listen()
    with lab.client:
        sessions = [database.connect() for _ in range(4)]
        for _ in range(2):
            ends, error = attempt(database.url())
            log.error("no connection: %s", error)
            port = ends[0].rpartition(":")[2]
            line = f"({port}) FATAL:  sorry, too many clients already"
            lab.expect(ends, ending="closed", log_lines=(TiedLine("postgresql.log", line),))
            time.sleep(0.3)
        for session in sessions:
            lab.expect(session, ending="closed")
            session.execute("SELECT 1")
            session.close()
