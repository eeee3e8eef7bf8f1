"""A pooled session outlives the firewall's memory of it, three routers from the server.

SQLAlchemy's QueuePool keeps sessions open. The first router forgets a connection after 3 s without a packet and
answers what it does not know with a reset in the server's name. Sessions that rest for 2 s live; what comes next on
one that rested longer is reset. The server learns nothing until its own keepalive probe, seconds later, is answered
by the client's kernel with another reset: that one is a consequence, and the server's log blames the client for it.
"""

import time
from typing import Any

import sqlalchemy

from captures.lab.case_file import Claim, Sight, TiedLine
from captures.lab.lab import Lab, addresses
from captures.lab.network import Network
from captures.lab.postgres import Cluster

NETWORK = Network(routers=3)
TIMER_SECONDS = 3
PAUSES = (1.0, 0.5, 0.5, 0.5, 0.5, 3.2, 0.2, 0.5, 1.0, 4.5, 0.3)  # between queries: two are longer than the timer
SERVER_KEEPALIVE_SECONDS = 8


def play(lab: Lab) -> None:
    rest_and_return(lab, decidable_at=("client", "router", "both"))


def rest_and_return(lab: Lab, decidable_at: tuple[str, ...]) -> None:
    """Sessions that rest for less than the timer, and some that rest longer."""
    database = lab.postgres(tcp_keepalives_idle=SERVER_KEEPALIVE_SECONDS, tcp_keepalives_interval=2)
    forget_after(lab, TIMER_SECONDS)
    log = lab.client_log("shop.orders")
    lab.listen()
    with lab.client:
        engine = pool(lab, database)
        for session in [engine.connect() for _ in range(3)]:
            session.close()  # back into the pool, which hands out the session that rested longest
        last_failure = 0.0
        for pause in PAUSES:
            time.sleep(pause)
            with engine.connect() as session:
                ends = addresses(session.connection.dbapi_connection)  # type: ignore[arg-type]
                try:
                    session.execute(sqlalchemy.text("SELECT count(*) FROM pg_class"))
                except sqlalchemy.exc.OperationalError:
                    log.exception("order list failed")
                    last_failure = time.monotonic()
                    lines = (TiedLine("client.log", "server closed the connection unexpectedly"), *SERVER_LINES)
                    lab.expect(ends, decidable_at=decidable_at, log_lines=lines, **RESET_BY_ROUTER)
        engine.dispose()
    time.sleep(max(0.0, last_failure + SERVER_KEEPALIVE_SECONDS + 1 - time.monotonic()))
    # A failure makes the pool throw away its other sessions; those that rested too long are reset as they say goodbye.
    lab.expect_rest(port=5432, decidable_at=decidable_at, log_lines=SERVER_LINES, **RESET_BY_ROUTER)


SERVER_LINES = (TiedLine("postgresql.log", "could not receive data from client: Connection reset by peer"),)
RESET_BY_ROUTER: dict[str, Any] = {
    "reset_by": "middlebox",
    "cause": "idle_timeout",
    "may_be": ("connection_state_lost", "firewall_reject"),
    "must_not": (Claim(reset_by="server"), Claim(reset_by="client", at="client")),
    # The server's own capture shows its probe, and the answer of a client that has long closed.
    "at": {
        "server": Sight(
            reset_by="client",
            cause="connection_state_lost",
            may_be=("idle_timeout", "data_after_close", "process_exit", "host_restart", "keepalive_timeout"),
        )
    },
}


def forget_after(lab: Lab, seconds: int, at: str = "router") -> None:
    """A router forgets a connection early and rejects what it does not know; the resets of hosts still pass."""
    router = lab.machines[at]
    rule = "-A FORWARD -i toclient -p tcp ! --tcp-flags RST RST -m conntrack --ctstate INVALID -j REJECT"
    router.run("ip6tables" if lab.network.ipv6 else "iptables", *rule.split(), "--reject-with", "tcp-reset")
    router.sysctl(
        net__netfilter__nf_conntrack_tcp_loose=0,
        net__netfilter__nf_conntrack_tcp_timeout_established=seconds,
    )


def pool(lab: Lab, database: Cluster) -> sqlalchemy.Engine:
    """A QueuePool of three, as an application has it by default: without pre-ping and without recycling."""
    lab.software.append(f"SQLAlchemy {sqlalchemy.__version__}")
    url = database.url().replace("postgresql", "postgresql+psycopg", 1)
    return sqlalchemy.create_engine(url, pool_size=3, max_overflow=0)
