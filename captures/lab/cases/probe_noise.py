"""Three real failures in the noise of a health probe.

A monitor probes PostgreSQL every second and resets each probe. Meanwhile an administrator ends a session whose client
then sends a query, an application aborts in the middle of a transaction, and psql is killed while a result streams to
it. The probes' log lines read like the failures' own.
"""

import subprocess
import time

import psycopg

from captures.lab import postgres, sockets
from captures.lab.case_file import TiedLine
from captures.lab.clients import ends_of
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2, default_ttl={"client": 128})
EVERYWHERE = ("client", "router", "server", "both")
RESET = "could not receive data from client: Connection reset by peer"


def play(lab: Lab) -> None:
    lab.client.sysctl(net__ipv4__tcp_rmem="4096 8192 8192")  # a small socket buffer: the capture stays small
    lab.server.sysctl(net__ipv4__tcp_wmem="4096 8192 8192")
    database = lab.postgres(log_line_prefix="%m [%p] %r ", log_timezone="UTC", log_disconnections="off")
    log = lab.client_log("shop.orders")
    lab.listen()
    with lab.client, database.connect() as administrator:
        idle, buyer = database.connect(), database.connect()
        idle.execute("SELECT count(*) FROM pg_class")
        _probe(lab)
        administrator.execute(f"SELECT pg_terminate_backend({idle.info.backend_pid})")
        _probe(lab)
        _expect_server(lab, idle)
        try:
            idle.execute("SELECT 1")
        except psycopg.Error:
            log.exception("order list failed")
        idle.close()
        _probe(lab)
        buyer.execute("BEGIN")
        buyer.execute("SELECT 1")
        line = TiedLine("postgresql.log", "unexpected EOF on client connection with an open transaction")
        _expect_client(lab, buyer, "abortive_close", ("client_cancel",), line)
        postgres.abort(buyer)
        _probe(lab)
        _kill_reader(lab, database)
        _probe(lab)
        _probe(lab)
        administrator.execute("SELECT 2")


def _probe(lab: Lab) -> None:
    probe = lab.connect(5432)
    lab.expect(
        probe,
        reset_by="client",
        cause="health_probe",
        may_be=("abortive_close",),
        harmless=True,
        decidable_at=EVERYWHERE,
        log_lines=(TiedLine("postgresql.log", f"({probe.getsockname()[1]}) LOG:  {RESET}"),),
    )
    sockets.abort(probe)
    time.sleep(1.0)


def _kill_reader(lab: Lab, database: postgres.Cluster) -> None:
    query = "COPY (SELECT i, repeat('report ', 40) FROM generate_series(1, 100000) AS i) TO STDOUT"
    psql = lab.client.spawn(
        str(postgres.BINARIES / "psql"),
        database.url(),
        "-X",
        "-c",
        query,
        stdout=subprocess.PIPE,
        pipesize=4096,
        cwd="/",
    )
    _probe(lab)
    line = TiedLine("postgresql.log", "connection to client lost")
    may_be = ("process_exit", "client_cancel", "abortive_close")
    _expect_client(lab, ends_of(lab.client, psql), "unread_data_at_close", may_be, line)
    psql.kill()


def _expect_client(lab: Lab, connection, cause: str, may_be: tuple[str, ...], line: TiedLine) -> None:
    lab.expect(
        connection,
        reset_by="client",
        cause=cause,
        may_be=may_be,
        harmless=False,
        decidable_at=EVERYWHERE,
        log_lines=(line,),
    )


def _expect_server(lab: Lab, connection) -> None:
    lab.expect(
        connection,
        reset_by="server",
        cause="server_shutdown",
        may_be=("data_after_close",),
        harmless=False,
        decidable_at=EVERYWHERE,
        log_lines=(TiedLine("postgresql.log", "terminating connection due to administrator command"),),
    )
