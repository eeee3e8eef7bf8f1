"""A pooler ends idle clients, then one of them sends a query.

PgBouncer runs on the router, with client_idle_timeout at 2 s. It says goodbye to a client that rests and closes; the
client's next query meets a closed socket of the pooler. The database behind it is told in order, and knows nothing.
"""

import time

import psycopg

from captures.lab import servers
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab, addresses

PROGRAMS = ("pgbouncer",)


def play(lab: Lab) -> None:
    lab.postgres()
    url = servers.pgbouncer(lab, "router", client_idle_timeout=2, pool_mode="transaction")
    log = lab.client_log("shop.catalogue")
    lab.listen(router=servers.BOTH_LEGS)
    with lab.client, psycopg.connect(url, autocommit=True) as busy:
        rests = psycopg.connect(url, autocommit=True)
        rests.execute("SELECT count(*) FROM pg_class")
        for _ in range(5):
            busy.execute("SELECT 1")
            time.sleep(0.8)
        client, pooler = addresses(rests)
        lab.expect(
            (client, pooler),
            reset_by="server",
            cause="server_timeout",
            may_be=("data_after_close",),
            harmless=False,
            decidable_at=("client", "router", "both"),
            log_lines=(TiedLine("pgbouncer.log", f"shop/shop@{client} closing because: client_idle_timeout"),),
        )
        try:
            rests.execute("SELECT 'the customer came back'")
        except psycopg.Error:
            log.exception("catalogue failed")
        time.sleep(0.3)
        rests.close()
        busy.execute("SELECT 2")
