"""An idle client aborts its connection; PostgreSQL logs in Japanese.

The application closes with SO_LINGER {1, 0} while nothing is under way, as a pool does that evicts a session hard. The
server's messages are in Japanese, its clock shows UTC. Another session ends well.
"""

import time

from captures.lab import postgres
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab
from captures.lab.network import Network

NETWORK = Network(routers=2)


def play(lab: Lab) -> None:
    database = lab.postgres(locale="ja_JP.UTF-8", log_timezone="UTC")
    lab.listen()
    with lab.client:
        beside, idle = database.connect(), database.connect()
        beside.execute("SELECT 1")
        idle.execute("SELECT count(*) FROM pg_class")
        time.sleep(1.5)
        beside.execute("SELECT 2")
        pid = idle.info.backend_pid
        lab.expect(
            idle,
            reset_by="client",
            cause="abortive_close",
            may_be=("client_cancel",),
            decidable_at=("client", "router", "server", "both"),
            log_lines=(
                TiedLine("postgresql.log", f"[{pid}] shop@shop LOG:  クライアントからデータを受信できませんでした"),
            ),
        )
        postgres.abort(idle)
        time.sleep(0.5)
        beside.close()
