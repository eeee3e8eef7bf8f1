"""One backend is killed with SIGKILL; the postmaster ends all the others and starts anew. The log is jsonlog.

The kernel closes the killed backend's socket with a FIN; its client's next query is reset. The other sessions are
warned (57P02) and closed; what such a session sends later is reset too. The killed backend writes no line of its own:
the postmaster names its process.
"""

import os
import signal
import time

import psycopg

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    database = lab.postgres(log_destination="jsonlog")
    log = lab.client_log("shop.orders")
    lab.listen()
    with lab.client:
        killed, bystander = database.connect(), database.connect()
        for session in (killed, bystander):
            session.execute("SELECT count(*) FROM pg_class")
        time.sleep(0.5)
        pid = killed.info.backend_pid
        lab.expect(
            killed,
            reset_by="server",
            cause="process_exit",
            may_be=("data_after_close",),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
            log_lines=(TiedLine("postgresql.json", f"server process (PID {pid}) was terminated by signal 9"),),
        )
        lab.expect(
            bystander,
            reset_by="server",
            cause="server_shutdown",
            may_be=("data_after_close", "process_exit"),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
        )
        os.kill(pid, signal.SIGKILL)
        time.sleep(1.5)
        for name, session in (("order list", killed), ("basket", bystander)):
            try:
                session.execute("SELECT 2")
            except psycopg.OperationalError:
                log.exception("%s failed", name)
            time.sleep(0.3)
        with database.connect() as after:
            after.execute("SELECT 3")
