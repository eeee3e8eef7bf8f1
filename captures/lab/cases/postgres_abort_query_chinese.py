"""A client aborts its connection while a query runs; PostgreSQL logs in Chinese.

The application gives up after a second and closes with SO_LINGER {1, 0}. The backend is busy and does not notice; a
second later it has the answer, and its own kernel knows already that the connection is gone. log_connections is off.
"""

import time

from captures.lab import postgres
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    database = lab.postgres(locale="zh_CN.UTF-8", log_connections="off", log_disconnections="off")
    lab.listen()
    with lab.client:
        beside, impatient = database.connect(), database.connect()
        pid = impatient.info.backend_pid
        impatient.pgconn.send_query(b"SELECT count(*), pg_sleep(2) FROM pg_class")
        time.sleep(0.5)
        beside.execute("SELECT 1")
        time.sleep(0.5)
        lab.expect(
            impatient,
            reset_by="client",
            cause="abortive_close",
            may_be=("client_cancel",),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
            log_lines=(
                TiedLine("postgresql.log", f"[{pid}] shop@shop 日志:  无法发送数据给客户端"),
                TiedLine("postgresql.log", f"[{pid}] shop@shop 致命错误:  丢失了到客户端的连接"),
            ),
        )
        postgres.abort(impatient)
        time.sleep(2.0)
        beside.execute("SELECT 2")
        beside.close()
