"""The first bytes of either side, recognised by their form.

Lives here: `recognise`, and `add`, which reads them for the connections where they can matter. Never here: whole messages (dissection).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

# The bytes are read only where the server said no more than this (an alert, an error page), for at most so many connections.
LITTLE = 600
MOST = 200
READ = 64

_HTTP = re.compile(rb"(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH|CONNECT|TRACE) \S|HTTP/1|PRI \* HTTP/2")
# PostgreSQL, "Message Formats": protocol 3.x, and the numbers of CancelRequest, SSLRequest and GSSENCRequest.
_POSTGRESQL = {196608, 196610, 80877102, 80877103, 80877104}
# HAProxy's PROXY protocol, versions 1 and 2.
_PROXY = (b"PROXY ", b"\r\n\r\n\x00\r\nQUIT\n")


def recognise(data: bytes, from_client: bool) -> str | None:
    """Return ENDINGS.client_opening's (or server_opening's) word for the first payload of one side; None without bytes."""
    if not data:
        return None
    if data.startswith(_PROXY):
        return "proxy_protocol"
    if _HTTP.match(data):
        return "http"
    if len(data) >= 2 and data[0] in (0x14, 0x15, 0x16, 0x17) and data[1] == 3:
        return "tls_alert" if data[0] == 0x15 else "tls"
    if data.startswith(b"SSH-"):
        return "ssh"
    if from_client and len(data) >= 8 and int.from_bytes(data[4:8], "big") in _POSTGRESQL:
        return "postgresql"
    if not from_client and (
        data in (b"S", b"N", b"G") or (data[:1] in (b"R", b"E") and len(data) > 5 and data[1:3] == b"\0\0")
    ):
        return "postgresql"
    if not from_client and len(data) > 5 and data[3] == 0 and data[4] in (9, 10):
        return "mysql"
    if re.match(rb"\*\d+\r\n" if from_client else rb"[+\-]\w+.*\r\n", data):
        return "redis"
    return "text" if all(32 <= b < 127 or b in b"\r\n\t" for b in data) else "binary"


def add(rows: list[dict[str, Any]], payload: Callable[[str, int, int], bytes] | None) -> None:
    """Fill in client_opening and server_opening, in place. `rows` carry `_openings`: side -> (capture, offset, captured bytes)."""
    left = MOST
    for row in rows:
        openings = row.pop("_openings", {})
        if payload is None or not left or True not in openings or (row.get("server_bytes") or 0) > LITTLE:
            continue
        left -= 1
        for from_client, (capture, offset, captured) in openings.items():
            word = recognise(payload(capture, offset, min(captured, READ)), from_client)
            row["client_opening" if from_client else "server_opening"] = word
