"""A client is killed, idle and inside a transaction: ordinary closes on the wire, and no word of an error in the log but one.

psql waits at its prompt and is killed. Its kernel closes with a FIN, the backend reads the end and closes too. A second
one is killed inside a transaction: only then does the server complain.
"""

import subprocess
import time

from captures.lab import postgres
from captures.lab.case_file import TiedLine
from captures.lab.clients import ends_of
from captures.lab.lab import Lab
from captures.lab.network import Network

COMPLAINT = (TiedLine("postgresql.log", "在客户端连接上的已打开事务中出现意外 EOF"),)
NETWORK = Network(default_ttl={"server": 128})


def play(lab: Lab) -> None:
    database = lab.postgres(locale="zh_CN.UTF-8", log_timezone="UTC")
    lab.listen()
    with lab.client, database.connect() as beside:
        lab.expect(beside, ending="closed")
        for commands, ending, cause, lines in (
            (b"SELECT 1;\n", "closed", None, ()),
            (b"BEGIN; SELECT 1;\n", "fin_midway", "closed_midway", COMPLAINT),
        ):
            psql = lab.client.spawn(
                str(postgres.BINARIES / "psql"),
                database.url(),
                "-X",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                cwd="/",
            )
            psql.stdin.write(commands)
            psql.stdin.flush()
            time.sleep(1.0)
            lab.expect(ends_of(lab.client, psql), ending=ending, cause=cause, log_lines=lines)
            psql.kill()
            beside.execute("SELECT 2")
        time.sleep(0.5)
