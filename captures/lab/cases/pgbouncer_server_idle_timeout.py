"""A pooler gives its idle connections to the database back: log lines on two machines, no reset.

PgBouncer runs on the router, with server_idle_timeout at 2 s. It ends what rests with a Terminate message and a FIN.
The client's session goes on: the pooler opens another connection for its next query.
"""

import time

import psycopg

from captures.lab import servers
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab

PROGRAMS = ("pgbouncer",)


def play(lab: Lab) -> None:
    lab.postgres(log_destination="csvlog", log_timezone="UTC")
    url = servers.pgbouncer(lab, "router", server_idle_timeout=2, pool_mode="transaction")
    lab.listen(router=servers.BOTH_LEGS)
    with lab.client:
        session = psycopg.connect(url, autocommit=True)
        lab.expect(session, ending="closed")
        for _ in range(2):
            row = session.execute("SELECT host(inet_client_addr()), inet_client_port()").fetchone()
            lab.expect(
                ("{}:{}".format(*(row or ())), f"{lab.server_address}:5432"),
                ending="closed",
                log_lines=(TiedLine("pgbouncer.log", "closing because: server idle timeout"),),
            )
            time.sleep(3.5)
        session.close()
