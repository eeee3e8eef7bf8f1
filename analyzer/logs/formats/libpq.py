"""What libpq, PostgreSQL's client library, says of a broken connection, in whatever log of whatever program it stands.

Lives here: the format. Its messages are in libpq.json, in fifteen languages. Most fold a FIN and a reset together: libpq prints one
text for both, and such a line never argues for a reset.
Never here: what the server says (postgresql.py).
"""

from __future__ import annotations

from typing import Any

from analyzer.logs.log_format import Head, LogFormat, data_beside, messages_of, samples_of

_DATA: dict[str, Any] = data_beside(__file__)


def head(text: str) -> Head | None:
    """libpq's words stand anywhere in an entry, so nothing before them is its own."""
    return Head(body=0)


FORMAT = LogFormat(
    id="libpq",
    title="libpq and the drivers built on it (psql, psycopg, Ruby pg, PHP, ODBC)",
    reference="https://www.postgresql.org/docs/current/libpq.html",
    messages=messages_of(_DATA["messages"]),
    samples=samples_of(_DATA["messages"]),
    head=head,
    anchored=False,
    rank=5,
)
