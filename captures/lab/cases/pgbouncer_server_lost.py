"""The database is lost behind a pooler: a firewall resets the pooler's connection, the client's ends in order.

PgBouncer runs on the router; the first of two routers between it and the database forgets a connection after 3 s and
rejects what it does not know. The query of a client that rested meets that reset on the pooler's leg. PgBouncer tells
the client "server conn crashed?" and closes that leg with a FIN: the client's capture has no reset at all.
"""

import time

import psycopg

from captures.lab import servers
from captures.lab.case_file import Claim, TiedLine
from captures.lab.cases.stale_pool import forget_after
from captures.lab.lab import Lab, addresses
from captures.lab.network import Network

PROGRAMS = ("pgbouncer",)
NETWORK = Network(routers=3)


def play(lab: Lab) -> None:
    lab.postgres()
    forget_after(lab, 3, at="router2")
    lab.router.run("ip", "route", "change", "10.2.0.0/24", "via", "10.91.0.2", "src", servers.ROUTER_ADDRESS)
    url = servers.pgbouncer(lab, "router", server_idle_timeout=600, server_check_delay=600, server_lifetime=3600)
    log = lab.client_log("shop.orders")
    lab.listen(router=servers.BOTH_LEGS)
    with lab.client:
        session = psycopg.connect(url, autocommit=True)
        row = session.execute("SELECT host(inet_client_addr()), inet_client_port()").fetchone()
        time.sleep(1.5)
        session.execute("SELECT 'rested for less than the timer'")
        time.sleep(4.0)
        client, pooler = addresses(session)
        lab.expect(
            ("{}:{}".format(*(row or ())), f"{lab.server_address}:5432"),
            reset_by="middlebox",
            cause="idle_timeout",
            may_be=("connection_state_lost", "firewall_reject"),
            harmless=False,
            decidable_at=("router",),
            must_not=(Claim(reset_by="server"), Claim(reset_by="client")),
            log_lines=(
                TiedLine("pgbouncer.log", f"shop/shop@{lab.server_address}:5432 closing because: server conn crashed?"),
            ),
        )
        lab.expect(
            (client, pooler),
            ending="closed",
            log_lines=(TiedLine("pgbouncer.log", f"shop/shop@{client} closing because: server conn crashed?"),),
        )
        try:
            session.execute("SELECT count(*) FROM pg_class")
        except psycopg.OperationalError:
            log.exception("order list failed")
        session.close()
        time.sleep(0.5)
