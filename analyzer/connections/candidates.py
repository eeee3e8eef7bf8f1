"""Connections that ended with FINs and yet may have died: chosen by what pass 1 remembers, before any packet is read again.

Lives here: `may_have_died`. Never here: the decision, which needs the packets, the application's words and the logs (analyzer.endings).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# A goodbye is short: PostgreSQL's Terminate and MySQL's COM_QUIT have 5 bytes, and 51 with a close_notify under TLS 1.3.
GOODBYE = 64  # bytes
# PostgreSQL's and PgBouncer's ports: a client that leaves in order says Terminate before its FIN, so there silence is telling.
SAYS_GOODBYE = (5432, 6432)


def may_have_died(connections: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows of CONNECTIONS ended with a FIN in a place where work may have been under way.

    Either a request stood unanswered when the server closed, or when the client did and nothing came any more; or a client of a protocol
    with a goodbye left without one.
    """
    c = connections
    quiet = c["closed_by"].notna() & ~c["ended"].isin(["reset", "silence"]) & ~c["spoken_to"].fillna(False)
    asked = (c["spoke_last"] == "client").fillna(False) & (c["said_last"] > GOODBYE).fillna(False)
    left = (c["closed_by"] == "client").fillna(False) & (c["spoke_last"] == "server").fillna(False)
    out: pd.Series[bool] = (quiet & (asked | (left & c["server_port"].isin(SAYS_GOODBYE)))).astype(bool)
    return out
