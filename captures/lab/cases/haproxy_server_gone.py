"""The server behind HAProxy goes away: termination states SD and SC.

HAProxy carries TCP on the router. The backend aborts with SO_LINGER {1, 0} in the middle of an answer (SD), then stops
listening, and HAProxy's next connections to it are refused (SC). HAProxy closes its clients' connections in order: they
see no reset.
"""

import time

from captures.lab import servers, sockets
from captures.lab.case_file import TiedLine
from captures.lab.cases.haproxy_client_timeout import CONFIGURATION
from captures.lab.lab import Lab, addresses

PROGRAMS = ("haproxy",)


def play(lab: Lab) -> None:
    configuration = CONFIGURATION.replace("5432", "8080").replace("primary", "one").replace("database", "shop")
    servers.haproxy(lab, "router", configuration.format(server=lab.server_address), 8080)
    with sockets.listener(lab) as listening:
        lab.listen(router=servers.BOTH_LEGS)
        for fate in ("answer", "abort"):
            client = servers.dial(lab, 8080)
            served, _ = listening.accept()
            client.sendall(sockets.REQUEST)
            sockets.receive(served, len(sockets.REQUEST))
            name = addresses(client)[0]
            server, proxy = addresses(served)
            time.sleep(0.3)
            if fate == "answer":
                served.sendall(sockets.ANSWER)
                served.close()
            else:
                served.sendall(sockets.ANSWER[:20])
                lab.expect(
                    (proxy, server),
                    reset_by="server",
                    cause="abortive_close",
                    may_be=("process_exit", "server_shutdown"),  # from then on the port refuses
                    harmless=False,
                    decidable_at=("router", "server", "both"),
                    log_lines=(TiedLine("haproxy.log", f"{name} ["),),
                )
                lab.expect(client, ending="closed", log_lines=(TiedLine("haproxy.log", f"{name} ["),))
                time.sleep(0.1)
                sockets.abort(served)
            while client.recv(4096):
                pass
            client.close()
    for _ in range(2):
        client = servers.dial(lab, 8080)
        lab.expect(client, ending="closed", log_lines=(TiedLine("haproxy.log", f"{addresses(client)[0]} ["),))
        client.sendall(sockets.REQUEST)
        while client.recv(4096):
            pass
        client.close()
    time.sleep(0.5)
    lab.expect_rest(
        port=8080,
        reset_by="server",
        cause="connection_refused",
        decidable_at=("server", "both"),
        log_lines=(TiedLine("haproxy.log", "shop/one"),),
    )
