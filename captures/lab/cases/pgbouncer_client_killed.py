"""An idle client of a pooler is killed: PgBouncer's log complains of an ordinary close.

PgBouncer runs on the router. psql waits at its prompt and is killed: its kernel closes with a FIN, nothing was under way, and nothing is
lost. "client unexpected eof" in the pooler's log would be said of a reset, too. Another client says goodbye.
"""

import subprocess
import time

import psycopg

from captures.lab import postgres, servers
from captures.lab.case_file import TiedLine
from captures.lab.clients import ends_of
from captures.lab.lab import Lab, addresses

PROGRAMS = ("pgbouncer",)


def play(lab: Lab) -> None:
    lab.postgres()
    url = servers.pgbouncer(lab, "router", pool_mode="transaction")
    lab.listen(router=servers.BOTH_LEGS)
    with lab.client:
        polite = psycopg.connect(url, autocommit=True)
        lab.expect(addresses(polite), ending="closed")
        psql = lab.client.spawn(
            str(postgres.BINARIES / "psql"), url, "-X", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/"
        )
        psql.stdin.write(b"SELECT 1;\n")
        psql.stdin.flush()
        time.sleep(1.0)
        client, pooler = ends_of(lab.client, psql)
        line = TiedLine("pgbouncer.log", f"shop/shop@{client} closing because: client unexpected eof")
        lab.expect((client, pooler), ending="closed", cause="orderly_close", harmless=True, log_lines=(line,))
        psql.kill()
        polite.execute("SELECT 2")
        time.sleep(0.5)
        polite.close()
    time.sleep(0.3)
