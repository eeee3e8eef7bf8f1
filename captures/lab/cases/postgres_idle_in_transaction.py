"""PostgreSQL ends a session that sits idle in a transaction; the client then sends a query.

The server says goodbye (FATAL 25P03) and closes. The client's next query meets no socket, and the server's kernel
resets. A session without a transaction rests as long and lives.
"""

import time

import psycopg

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    database = lab.postgres(idle_in_transaction_session_timeout=1500)
    log = lab.client_log("shop.checkout")
    lab.listen(options="--time-stamp-precision=nano")
    with lab.client, database.connect() as idle:
        idle.execute("SELECT 1")
        slow = database.connect()
        slow.execute("BEGIN")
        slow.execute("SELECT count(*) FROM pg_class")
        time.sleep(2.5)
        lab.expect(
            slow,
            reset_by="server",
            cause="server_timeout",
            may_be=("data_after_close",),
            decidable_at=("client", "router", "server", "both"),
            log_lines=(TiedLine("postgresql.log", "terminating connection due to idle-in-transaction timeout"),),
        )
        try:
            slow.execute("SELECT 'the customer came back'")
        except psycopg.Error:
            log.exception("checkout failed")
        time.sleep(0.3)
        slow.close()
        idle.execute("SELECT 2")
