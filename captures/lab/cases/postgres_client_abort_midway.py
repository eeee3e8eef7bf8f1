"""A client with an open transaction aborts its connection; the captures began after it was opened.

No handshake is on record: who is client and who is server must be told from the ports and the traffic, and neither
window scale nor the agreement on timestamps is known.
"""

import time

from captures.lab import postgres
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    database = lab.postgres()
    with lab.client:
        victim = database.connect()
        victim.execute("CREATE TABLE orders AS SELECT i AS id, 'new' AS state FROM generate_series(1, 40) AS i")
        lab.listen()
        victim.execute("SELECT count(*) FROM orders")
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
