"""A firewall forgets every connection at once: a hundred sessions of two servers are reset.

The router's table of connections is flushed, as a failover without synchronisation or a reload does. It accepts no
connection whose beginning it has not seen, and rejects what it does not know. Half of the sessions belong to
PostgreSQL, half to Redis on another address. Within two seconds each is used again and reset in its server's name.
"""

import socket
import time
from contextlib import suppress

import psycopg

from captures.lab import servers
from captures.lab.case_file import Claim
from captures.lab.cases.stale_pool import forget_after
from captures.lab.lab import Lab
from captures.lab.network import Network

PROGRAMS = ("redis-server", "conntrack")
NETWORK = Network(routers=2)
SECOND_ADDRESS = "10.2.0.3"
SESSIONS = 50  # of each server


def play(lab: Lab) -> None:
    database = lab.postgres(max_connections=90, log_connections="off", log_disconnections="off")
    servers.redis(lab)
    lab.server.run("ip", "addr", "add", f"{SECOND_ADDRESS}/24", "dev", "eth0")
    forget_after(lab, 3600)
    log = lab.client_log("shop.orders")
    lab.listen(options="-s 96")
    with lab.client:
        sessions = [database.connect() for _ in range(SESSIONS)]
        caches = [socket.create_connection((SECOND_ADDRESS, 6379), timeout=5) for _ in range(SESSIONS)]
        for one in (*sessions, *caches):
            lab.expect(
                one,
                reset_by="middlebox",
                cause="connection_state_lost",
                may_be=("idle_timeout", "firewall_reject"),
                decidable_at=("client", "router", "both"),
                must_not=(Claim(reset_by="server"), Claim(reset_by="client")),
            )
        time.sleep(0.5)
        for number, (session, cache) in enumerate(zip(sessions, caches, strict=True)):
            if number == 5:
                lab.router.run("conntrack", "-F")
            cache.sendall(b"PING\r\n")
            with suppress(ConnectionError):
                cache.recv(100)
            try:
                session.execute("SELECT 1")
            except psycopg.OperationalError as error:
                if number < 8:
                    log.error("session lost: %s", error)
            time.sleep(0.02)
        for session, cache in zip(sessions[:5], caches[:5], strict=True):
            session.close()
            cache.close()
        time.sleep(0.3)
