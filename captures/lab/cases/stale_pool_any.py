"""A pooled session is reset by the router, captured there with the command that the guides print.

The router captures on every interface into files that are meant to rotate. The shell expands the date once, so
tcpdump writes over its only file every two seconds: what is left begins later than its name says. The reset is in it;
the session's handshake is not.
"""

import time

import sqlalchemy

from captures.lab.case_file import Claim, TiedLine
from captures.lab.cases.stale_pool import forget_after, pool
from captures.lab.lab import Lab, addresses
from captures.lab.network import Network

NETWORK = Network(routers=2)
RING = """tcpdump -i any -w "$(date +%y%m%d-%H:%M:%S)".pcap -G 2 -W 5"""


def play(lab: Lab) -> None:
    database = lab.postgres(log_line_prefix="%m [%p] %r ")
    forget_after(lab, seconds=2)
    log = lab.client_log("shop.orders")
    time.sleep(-time.time() % 1)  # tcpdump counts in whole seconds: it begins a file at 0, 2 and 4
    lab.listen(router=RING)
    started = time.monotonic()
    with lab.client:
        engine, busy = pool(lab, database), database.connect()
        with engine.connect() as session:
            session.execute(sqlalchemy.text("SELECT count(*) FROM pg_class"))
        while time.monotonic() < started + 4.2:
            busy.execute("SELECT now()")
            time.sleep(0.3)
        with engine.connect() as session:
            ends = addresses(session.connection.dbapi_connection)  # type: ignore[arg-type]
            try:
                session.execute(sqlalchemy.text("SELECT count(*) FROM pg_class"))
            except sqlalchemy.exc.OperationalError:
                log.exception("order list failed")
                lab.expect(
                    ends,
                    reset_by="middlebox",
                    cause="idle_timeout",
                    may_be=("connection_state_lost", "firewall_reject"),
                    decidable_at=("client", "router", "both"),
                    must_not=(Claim(reset_by="server"), Claim(reset_by="client")),
                    log_lines=(TiedLine("client.log", "server closed the connection unexpectedly"),),
                )
        busy.close()
