"""Clients are killed under TLS: a FIN only, and yet the server's log says reset.

Two psql sessions with TLS. One is idle when it is killed, one fetches rows through a cursor. A TLS stream that
ends without its own goodbye is an error to OpenSSL, and PostgreSQL calls that error a reset by the peer. What the
server then sends, a TLS alert or more of the result, meets no socket any more: the client's kernel resets, and that
is a consequence. A session beside them closes in order: it does not wait for the server's TLS goodbye, so even that
one is answered with a reset, which harms nobody.
"""

import subprocess
import time

from captures.lab import postgres
from captures.lab.case_file import TiedLine
from captures.lab.clients import ends_of
from captures.lab.lab import Lab

RESET = "could not receive data from client: Connection reset by peer"


def play(lab: Lab) -> None:
    database = lab.postgres(ssl="on", log_line_prefix="%m [%p] %r ")
    lab.listen()
    with lab.client, database.connect() as beside:
        for commands in (
            b"SELECT 1;\n",
            b"SELECT repeat('x', 500), pg_sleep(0.05) FROM generate_series(1, 1000);\n",
        ):
            psql = lab.client.spawn(
                str(postgres.BINARIES / "psql"),
                database.url(),
                "-X",
                "--variable=FETCH_COUNT=1",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                cwd="/",
            )
            psql.stdin.write(commands)
            psql.stdin.flush()
            time.sleep(1.0)
            ends = ends_of(lab.client, psql)
            lab.expect(
                ends,
                reset_by="client",
                cause="process_exit",
                may_be=("data_after_close", "client_cancel"),
                decidable_at=("client", "router", "server", "both"),
                log_lines=(TiedLine("postgresql.log", f"{ends[0].replace(':', '(')}) LOG:  {RESET}"),),
            )
            psql.kill()
            time.sleep(0.5)
            beside.execute("SELECT 1")
        time.sleep(0.5)
    lab.expect_rest(
        port=5432,
        reset_by="client",
        cause="data_after_close",
        may_be=("late_reset",),
        decidable_at=("client", "router", "server", "both"),
    )
