"""HAProxy passes the server's reset on to its client.

HAProxy carries TCP on the router, with option nolinger, so that it ends what is broken at once. The backend aborts with
SO_LINGER {1, 0} in the middle of an answer: HAProxy meets a reset on one connection, and resets the other. The reset
that the client sees is HAProxy's own, but its reason is elsewhere. An exchange before it ends well.
"""

import time
from contextlib import suppress

from captures.lab import servers, sockets
from captures.lab.case_file import TiedLine
from captures.lab.cases.haproxy_client_timeout import CONFIGURATION
from captures.lab.lab import Lab, addresses

PROGRAMS = ("haproxy",)


def play(lab: Lab) -> None:
    configuration = CONFIGURATION.replace("5432", "8080").replace("primary", "one").replace("database", "shop")
    configuration = configuration.replace("log global", "log global\n  option nolinger")
    servers.haproxy(lab, "router", configuration.format(server=lab.server_address), 8080)
    with sockets.listener(lab) as listening:
        lab.listen(router=servers.BOTH_LEGS)
        client = servers.dial(lab, 8080)
        served, _ = listening.accept()
        for _ in range(3):
            sockets.exchange(client, served)
            time.sleep(0.3)
        client.sendall(sockets.REQUEST)
        sockets.receive(served, len(sockets.REQUEST))
        served.sendall(sockets.ANSWER[:20])
        server, proxy = addresses(served)
        line = TiedLine("haproxy.log", f"{addresses(client)[0]} [")
        lab.expect(
            (proxy, server),
            reset_by="server",
            cause="abortive_close",
            harmless=False,
            decidable_at=("router", "server", "both"),
            log_lines=(line,),
        )
        lab.expect(
            client,
            reset_by="server",
            cause="relayed_reset",
            may_be=("abortive_close",),
            harmless=False,
            decidable_at=("client", "router", "both"),
            log_lines=(line,),
        )
        time.sleep(0.2)
        sockets.abort(served)
        with suppress(ConnectionError):
            while client.recv(1000):
                pass
        client.close()
        time.sleep(0.3)
