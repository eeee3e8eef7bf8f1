"""HAProxy ends idle clients: termination states cD and CD.

HAProxy carries TCP on the router, with timeout client at 2 s, in front of PostgreSQL. It closes the session that rests
(cD); the client's next query is reset. Another client aborts with SO_LINGER {1, 0} (CD), and HAProxy passes that on: it
resets its own connection to the database, which logs HAProxy's address.
"""

import time

import psycopg

from captures.lab import postgres, servers
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab, addresses

PROGRAMS = ("haproxy",)
CONFIGURATION = """
defaults
  mode tcp
  option tcplog
  log global
  timeout connect 5s
  timeout client 2s
  timeout server 10s
listen database
  bind :5432
  server primary {server}:5432
"""


def play(lab: Lab) -> None:
    lab.postgres(log_line_prefix="%m [%p] %r ")
    servers.haproxy(lab, "router", CONFIGURATION.format(server=lab.server_address), 5432)
    log = lab.client_log("shop.catalogue")
    url = f"postgresql://shop@{servers.ROUTER_ADDRESS}:5432/shop?sslmode=disable&gssencmode=disable"
    lab.listen(router=servers.BOTH_LEGS)
    with lab.client:
        hasty, rests = psycopg.connect(url, autocommit=True), psycopg.connect(url, autocommit=True)
        rests.execute("SELECT count(*) FROM pg_class")
        hasty.execute("SELECT 1")
        row = hasty.execute("SELECT host(inet_client_addr()), inet_client_port()").fetchone()
        relay, port = row or ("", "")
        lab.expect(
            (f"{relay}:{port}", f"{lab.server_address}:5432"),
            reset_by="client",
            cause="relayed_reset",
            may_be=("abortive_close", "client_cancel"),
            decidable_at=("router", "server", "both"),
            log_lines=(TiedLine("postgresql.log", f"{relay}({port}) LOG:  could not receive data from client"),),
        )
        for session in (hasty, rests):
            name = addresses(session)[0]
            lab.expect(
                session,
                reset_by="client" if session is hasty else "server",
                cause="abortive_close" if session is hasty else "server_timeout",
                may_be=("client_cancel",) if session is hasty else ("data_after_close",),
                decidable_at=("client", "router", "both"),
                log_lines=(TiedLine("haproxy.log", f"{name} ["),),
            )
        time.sleep(0.5)
        postgres.abort(hasty)
        time.sleep(2.5)
        try:
            rests.execute("SELECT 'the customer came back'")
        except psycopg.OperationalError:
            log.exception("catalogue failed")
        rests.close()
        time.sleep(0.5)
