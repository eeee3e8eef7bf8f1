"""A monitor probes the PostgreSQL port every second: handshake, then a reset.

The monitor closes with SO_LINGER {1, 0} right after the handshake, as many load balancers do. A real session works
meanwhile.
"""

import socket
import struct
import time

from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2, default_ttl={"client": 128})
PROBES = 10


def play(lab: Lab) -> None:
    database = lab.postgres()
    lab.listen()
    with lab.client, database.connect() as session:
        start = time.monotonic()
        for number in range(PROBES):
            time.sleep(max(0.0, start + number - time.monotonic()))
            probe = lab.connect(5432)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            lab.expect(
                probe,
                reset_by="client",
                cause="health_probe",
                may_be=("abortive_close",),
                harmless=True,
                decidable_at=("client", "router", "server", "both"),
                log_lines=(TiedLine("postgresql.log", "could not receive data from client: Connection reset by peer"),),
            )
            probe.close()
            session.execute("SELECT now()")
