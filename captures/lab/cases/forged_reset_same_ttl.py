"""A device on the path forges a reset to an idle client, and copies the server's marks.

The forged packet carries the server's TTL, the next identification, its window and its timestamps. Nothing at the
client tells it from the server's own; only the server's capture does, where it is absent. The server keeps the
session open.
"""

import time

import psycopg

from captures.lab.case_file import Claim, TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    database = lab.postgres()
    log = lab.client_log("shop.export")
    lab.listen()
    with lab.client, database.connect() as beside:
        victim = database.connect()
        lab.expect(
            victim,
            reset_by="middlebox",
            cause="injected_reset",
            decidable_at=("both",),
            must_not=(Claim(reset_by="client"),),
            log_lines=(TiedLine("client.log", "server closed the connection unexpectedly"),),
        )
        with lab.forger(victim) as forger:
            victim.execute("SELECT count(*) FROM pg_class")
            time.sleep(0.8)
            forger.reset_client(disguised=True)
            time.sleep(0.2)
        beside.execute("SELECT 1")
        try:
            victim.execute("SELECT count(*) FROM pg_class")
        except psycopg.OperationalError:
            log.exception("export failed")
