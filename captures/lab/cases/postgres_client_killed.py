"""A client is killed while a large result streams to it.

psql writes a result into a pipe that nobody empties, as with a pager left open, so received bytes wait in its socket;
then SIGKILL. The kernel closes the socket with unread bytes and resets. A session beside it ends
well. The server's log names no address: log_connections is off.
"""

import subprocess
import time

from captures.lab import postgres
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    lab.client.sysctl(net__ipv4__tcp_rmem="4096 8192 8192")  # a small socket buffer: the capture stays small
    lab.server.sysctl(net__ipv4__tcp_wmem="4096 8192 8192")
    database = lab.postgres(log_connections="off", log_disconnections="off")
    lab.listen()
    with lab.client, database.connect() as beside:
        beside.execute("SELECT now()")
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
        time.sleep(1.0)
        beside.execute("SELECT 1")
        psql.kill()
        time.sleep(0.5)
        beside.execute("SELECT 2")
    lab.expect_rest(
        port=5432,
        reset_by="client",
        cause="unread_data_at_close",
        may_be=("process_exit", "client_cancel", "abortive_close"),
        harmless=False,
        decidable_at=("client", "router", "server", "both"),
        log_lines=(TiedLine("postgresql.log", "connection to client lost"),),
    )
