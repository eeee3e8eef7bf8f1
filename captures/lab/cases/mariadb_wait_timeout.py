"""MariaDB resets an idle connection; another client aborts.

wait_timeout is 2 s: the server ends what rests for longer with a reset of its own, without a FIN or a word. Another
client aborts with SO_LINGER {1, 0} while its query runs. With log_warnings at 4 the log tells both as aborted
connections, by the server's own numbers and without a port.
"""

import time
from contextlib import suppress

from captures.lab import servers, sockets
from captures.lab.case_file import TiedLine
from captures.lab.clients import MariaDB
from captures.lab.lab import Lab

PROGRAMS = ("mariadbd",)


def play(lab: Lab) -> None:
    servers.mariadb(lab, wait_timeout=2, log_warnings=4)
    lab.listen()
    rests, hasty, busy = (MariaDB(lab.connect(3306)) for _ in range(3))
    rests.query("SELECT 'a basket'")
    lab.expect(
        rests.socket,
        reset_by="server",
        cause="server_timeout",
        may_be=("abortive_close",),
        decidable_at=("client", "router", "server", "both"),
        log_lines=(TiedLine("mariadb.log", f" Aborted connection {rests.thread} to db"),),
    )
    lab.expect(
        hasty.socket,
        reset_by="client",
        cause="abortive_close",
        may_be=("client_cancel",),
        harmless=False,
        decidable_at=("client", "router", "server", "both"),
        log_lines=(TiedLine("mariadb.log", f" Aborted connection {hasty.thread} to db"),),
    )
    hasty.send("SELECT SLEEP(1.5)")
    time.sleep(1.0)
    sockets.abort(hasty.socket)
    for _ in range(3):
        busy.query("SELECT 1")
        time.sleep(0.8)
    with suppress(ConnectionError, EOFError):
        rests.query("SELECT 'the customer came back'")
    rests.socket.close()
    busy.quit()
    time.sleep(0.3)
