"""A monitor probes the port every second and closes in order: no reset.

The twin of health_probe, as a negative control: handshake, FIN, FIN. A session with requests works meanwhile.
"""

import time

from captures.lab import sockets
from captures.lab.lab import Lab

PROBES = 6


def play(lab: Lab) -> None:
    lab.listen()
    with sockets.listener(lab) as listening:
        client, served = sockets.meet(lab, listening)
        for _ in range(PROBES):
            probe, accepted = sockets.meet(lab, listening)
            lab.expect(probe, ending="closed")
            probe.close()
            time.sleep(0.05)
            accepted.close()
            sockets.exchange(client, served)
            time.sleep(0.9)
        client.close()
        time.sleep(0.1)
        served.close()
