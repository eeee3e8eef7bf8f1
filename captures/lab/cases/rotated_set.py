"""The server's goodbye and the reset that follows lie in different files of a rotated set.

Every point writes a new file every two seconds, five in all. PostgreSQL ends an idle session after 3 s, in the second
file: it says why (57P05) and sends its FIN. The client's next query comes five seconds later and is reset: who looks
only at the last file sees a query answered with a reset, and no reason.
"""

import time

import psycopg

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab

FILES = 5
SECONDS = 2
LAST_SECONDS = 1.2  # the captures run a little longer than the play


def play(lab: Lab) -> None:
    database = lab.postgres(idle_session_timeout=3000, log_line_prefix="%m [%p] %r ")
    log = lab.client_log("shop.catalogue")
    ring = "exec tcpdump -i {} -Z root -G 2 -w {}-%H%M%S.pcap"
    time.sleep(-time.time() % SECONDS)
    started = time.monotonic()
    lab.listen(
        client=ring.format("eth0", "client"),
        router=ring.format("toclient", "router"),
        server=ring.format("eth0", "server"),
    )
    with lab.client, database.connect() as busy:
        rests = database.connect()
        rests.execute("SELECT count(*) FROM pg_class")
        while time.monotonic() < started + FILES * SECONDS - LAST_SECONDS - 0.6:
            busy.execute("SELECT 1")
            time.sleep(0.25)
        lab.expect(
            rests,
            reset_by="server",
            cause="server_timeout",
            may_be=("data_after_close",),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
            log_lines=(TiedLine("postgresql.log", "terminating connection due to idle-session timeout"),),
        )
        try:
            rests.execute("SELECT 'the customer came back'")
        except psycopg.Error:
            log.exception("catalogue failed")
