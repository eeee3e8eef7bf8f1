"""A client aborts its connection in the middle of COPY FROM STDIN; PostgreSQL logs in German.

A loader sends a row every tenth of a second and then closes with SO_LINGER {1, 0}. The server waits for the next row,
so it notices at once.
"""

import time

from captures.lab import postgres
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(default_ttl={"client": 128})


def play(lab: Lab) -> None:
    database = lab.postgres(locale="de_DE.UTF-8", log_timezone="Europe/Berlin")
    lab.listen()
    with lab.client, database.connect() as beside:
        beside.execute("CREATE TABLE orders (id int PRIMARY KEY, state text)")
        loader = database.connect()
        pid = loader.info.backend_pid
        loader.pgconn.exec_(b"COPY orders FROM STDIN")
        for row in range(10):
            loader.pgconn.put_copy_data(f"{row}\tnew\n".encode())
            loader.pgconn.flush()
            time.sleep(0.1)
        lab.expect(
            loader,
            reset_by="client",
            cause="abortive_close",
            may_be=("client_cancel",),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
            log_lines=(
                TiedLine("postgresql.log", f"[{pid}] shop@shop LOG:  konnte Daten vom Client nicht empfangen"),
                TiedLine("postgresql.log", f"[{pid}] shop@shop FEHLER:  "),
            ),
        )
        postgres.abort(loader)
        time.sleep(0.5)
        beside.execute("SELECT count(*) FROM orders")
