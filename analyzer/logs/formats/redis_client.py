"""What redis-py, Redis' client library for Python, says of a broken connection, in whatever log it stands.

Lives here: the format. The library prints the system's error number, and the server as its caller named it.
Never here: what the server says (redis.py).
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Told, all_samples, told, usual_head


def head(text: str) -> Head | None:
    """The words stand anywhere in an entry."""
    return usual_head(text)


_SERVER = r"(?P<server_name>[^:\s]{1,255}):(?P<server_port>\d{1,5})"
_ENDS = {"server_ip": "192.0.2.20", "server_port": 6379, "writer": "client"}
TOLD: tuple[Told, ...] = (
    told(
        "connect", BY_ERROR, rf"Error (?P<error>\d{{1,5}}) connecting to {_SERVER}\.", (" connecting to ",), "this client could not connect to the server",
        {"redis.exceptions.ConnectionError: Error 111 connecting to 192.0.2.20:6379. Connection refused.": {"event": "refused", **_ENDS}},
        writer="client", verified="lab", unknown_error="connect_failed",
    ),
    told(
        "broken", BY_ERROR, rf"Error (?:while reading from|\d{{1,5}} while writing to) {_SERVER} ?: \((?P<error>\d{{1,5}}), '", ("Error while reading from ", " while writing to "),
        "this client's connection failed",
        {
            "redis.exceptions.ConnectionError: Error while reading from 192.0.2.20:6379 : (104, 'Connection reset by peer')": {"event": "reset_received", **_ENDS},
            "redis.exceptions.ConnectionError: Error while reading from 192.0.2.20:6379 : (32, 'Broken pipe')": {"event": "broken_pipe", **_ENDS},
        },
        writer="client", verified="lab", unknown_error="reset_or_eof",
    ),
    told(
        "closed", "unexpected_end", r"redis\.exceptions\.ConnectionError: Connection closed by server", ("Connection closed by server",),
        "the server ended this client's stream: a FIN, not a reset", {"redis.exceptions.ConnectionError: Connection closed by server.": {}},
        writer="client", verified="lab",
    ),
)  # fmt: skip

FORMAT = LogFormat(
    id="redis_client",
    title="redis-py (Redis' client for Python)",
    reference="https://redis.readthedocs.io/en/stable/exceptions.html",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01 12:00:00,123 ERROR app: ", "2024-05-01T12:00:00.123Z"),
    head=head,
    anchored=False,
    rank=4,
)
