"""A client with an open transaction aborts its connection.

An application closes its socket with SO_LINGER {1, 0} in the middle of a transaction, as a driver does that cancels
hard. Three other sessions of the same client work before, meanwhile and after, and end well.
"""

import time

from captures.lab import postgres
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab, **listen: str) -> None:
    database = lab.postgres()
    lab.listen(**listen)
    with lab.client:
        with database.connect() as before:
            before.execute("CREATE TABLE orders (id int PRIMARY KEY, state text)")
            before.execute("INSERT INTO orders SELECT i, 'new' FROM generate_series(1, 40) AS i")
        meanwhile, victim = database.connect(), database.connect()
        meanwhile.execute("SELECT count(*) FROM orders")
        victim.execute("BEGIN")
        victim.execute("UPDATE orders SET state = 'paid' WHERE id = 7")
        time.sleep(0.7)
        lab.expect(
            victim,
            reset_by="client",
            cause="abortive_close",
            may_be=("client_cancel",),
            decidable_at=("client", "router", "server", "both"),
            log_lines=(
                TiedLine("postgresql.log", "could not receive data from client: Connection reset by peer"),
                TiedLine("postgresql.log", "unexpected EOF on client connection with an open transaction"),
            ),
        )
        postgres.abort(victim)
        time.sleep(0.5)
        meanwhile.execute("SELECT * FROM orders WHERE state = 'paid'")
        meanwhile.close()
        with database.connect() as after:
            after.execute("SELECT count(*) FROM orders WHERE state = 'new'")
