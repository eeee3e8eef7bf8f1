"""A value is larger than Redis allows: an error in its protocol, then a reset while the value is still coming.

proto-max-bulk-len is 1 MB. A client announces a value of 4 MB and begins to send it; Redis answers "-ERR Protocol error:
invalid bulk length" and closes with most of what came unread: its kernel resets. A value of ordinary size on another
connection is stored.
"""

import time
from contextlib import suppress

from captures.lab import servers, sockets
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab, addresses

PROGRAMS = ("redis-server",)
IMAGE = 4 << 20
BEGINNING = 60_000  # bytes of it; Redis reads 16 kB at a time


def play(lab: Lab) -> None:
    servers.redis(lab, "--proto-max-bulk-len", "1mb", "--loglevel", "verbose")
    lab.listen()
    small, large = (lab.connect(6379) for _ in range(2))
    small.sendall(_set(5, b"apple\r\n"))
    sockets.receive(small, len(b"+OK\r\n"))
    lab.expect(
        large,
        reset_by="server",
        cause="protocol_error",
        may_be=("unread_data_at_close",),
        harmless=False,
        decidable_at=("client", "router", "server", "both"),
        log_lines=(TiedLine("redis.log", f"addr={addresses(large)[0]} "),),
    )
    with suppress(ConnectionError):
        large.sendall(_set(IMAGE, b"x" * BEGINNING))
    time.sleep(0.5)
    large.close()
    small.close()
    time.sleep(0.3)


def _set(length: int, value: bytes) -> bytes:
    return b"*3\r\n$3\r\nSET\r\n$6\r\nbasket\r\n$%d\r\n%b" % (length, value)
