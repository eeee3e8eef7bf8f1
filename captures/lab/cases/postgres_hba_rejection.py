"""pg_hba.conf lets a client not in: an error in the log, an ordinary close on the wire.

The client asks for a database that it may not use. The server says so and closes, the client closes too.
"""

import time

from captures.lab.case_file import TiedLine
from captures.lab.clients import attempt
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    database = lab.postgres(log_destination="jsonlog", log_connections="off", log_disconnections="off")
    log = lab.client_log("shop.reports")
    database.restrict("host postgres all all reject")
    lab.listen()
    with lab.client, database.connect() as session:
        lab.expect(session, ending="closed")
        session.execute("SELECT 1")
        for _ in range(2):
            ends, error = attempt(database.url().replace("/shop?", "/postgres?"))
            log.error("no connection to the archive: %s", error)
            port = ends[0].rpartition(":")[2]
            line = f'"remote_port":{port},'
            lab.expect(ends, ending="closed", log_lines=(TiedLine("postgresql.json", line),))
            time.sleep(0.5)
        session.execute("SELECT 2")
