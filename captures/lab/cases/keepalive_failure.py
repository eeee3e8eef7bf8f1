"""The server's keepalive probes are answered, but the answers do not arrive.

PostgreSQL probes an idle session after 2 s, then every second, three times. The router has begun to drop what the
client sends, so the server gives up: its reset reaches a client that is alive.
"""

import time

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(default_ttl={"server": 128})


def play(lab: Lab) -> None:
    database = lab.postgres(tcp_keepalives_idle=2, tcp_keepalives_interval=1, tcp_keepalives_count=3)
    lab.listen()
    with lab.client, database.connect() as before:
        before.execute("SELECT 1")
    with lab.client:
        quiet = database.connect()
        quiet.execute("SELECT 1")
        lab.expect(
            quiet,
            reset_by="server",
            cause="keepalive_timeout",
            decidable_at=("client", "router", "server", "both"),
            log_lines=(TiedLine("postgresql.log", "could not receive data from client: Connection timed out"),),
        )
        time.sleep(0.5)
        lab.router.iptables("-A FORWARD -i toclient -j DROP")
        time.sleep(6)
