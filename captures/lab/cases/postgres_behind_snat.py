"""Clients behind a translating router: PostgreSQL's log names the router's address.

The router rewrites every client's address and port to its own. One session aborts with SO_LINGER {1, 0} inside a
transaction; the log calls it by the router's address and a port that its own host never used. Another ends well.
"""

import time

from captures.lab import postgres
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab, addresses


def play(lab: Lab) -> None:
    database = lab.postgres(log_line_prefix="%m [%p] %r ")
    lab.router.iptables("-t nat -A POSTROUTING -p tcp -o toserver -j SNAT --to-source 10.2.0.1:20000-29999 --random")
    lab.listen()
    with lab.client:
        beside, victim = database.connect(), database.connect()
        beside.execute("SELECT 1")
        client, server = addresses(victim)
        row = victim.execute("SELECT host(inet_client_addr()), inet_client_port()").fetchone()
        address, port = row or ("", "")
        victim.execute("BEGIN")
        victim.execute("SELECT 1")
        time.sleep(0.5)
        name = f"{address}({port}) LOG:  "
        lines = (
            TiedLine("postgresql.log", name + "could not receive data from client: Connection reset by peer"),
            TiedLine("postgresql.log", name + "unexpected EOF on client connection with an open transaction"),
        )
        # One connection with two names: the client's link shows the first, the server's link the second.
        for end, views in ((client, ("client", "router", "both")), (f"{address}:{port}", ("server", "both"))):
            lab.expect(
                (end, server),
                reset_by="client",
                cause="abortive_close",
                may_be=("client_cancel",),
                decidable_at=views,
                log_lines=lines,
            )
        postgres.abort(victim)
        time.sleep(0.5)
        beside.execute("SELECT 2")
        beside.close()
