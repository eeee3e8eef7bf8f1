"""The same connection under two names: at another capture point, or with other addresses behind a NAT.

Lives here: `Kin`. Never here: what the other point shows of a connection's end (vantage), how the clocks stand (clock).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyzer import schema

# What is looked at of connections that may be the same one.
_KIN = [
    "connection", "point", "client_ip", "client_port", "server_ip", "server_port", "client_isn", "server_isn", "first", "server_rtt",
    "handshake", "syn_frames", "roles_known", "client_bytes",
]  # fmt: skip


def _has_kin(connections: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows share their addresses with a row of another point, or both initial sequence numbers with any row."""
    c = connections
    numbers = c[["client_isn", "server_isn"]]
    out = (numbers.duplicated(keep=False) & numbers.notna().all(axis=1)).to_numpy(bool, copy=True)
    if c["point"].nunique() > 1:
        codes, _ = pd.factorize(pd.concat([c["client_ip"], c["server_ip"]]))
        ends = codes.reshape(2, -1) << 16 | np.stack(
            [c["client_port"].to_numpy(np.int64), c["server_port"].to_numpy(np.int64)]
        )
        pairs = pd.DataFrame({"low": ends.min(axis=0), "high": ends.max(axis=0)})
        out |= pairs.duplicated(keep=False).to_numpy(bool)
    return out


class Kin:
    """The rows of CONNECTIONS that are the same connection: seen at another point, or at the same one with other addresses (NAT)."""

    def __init__(self, connections: pd.DataFrame, asked: pd.Series | None = None) -> None:
        """Know the rows that have kin, and those that are `asked` for by number: most of a large capture are neither."""
        told = _has_kin(connections)
        if asked is not None:
            told |= connections["connection"].isin(asked).to_numpy(bool)
        self.by_id: dict[int, Any] = {}
        self._by_addresses: dict[tuple[Any, ...], list[Any]] = {}
        self._by_numbers: dict[tuple[Any, ...], list[Any]] = {}
        for row in schema.rows(connections.loc[told, _KIN]):
            self.by_id[row.connection] = row
            self._by_addresses.setdefault(_addresses(row), []).append(row)
            if row.client_isn is not None and row.server_isn is not None:
                self._by_numbers.setdefault((row.client_isn, row.server_isn), []).append(row)

    def of(self, connection: int) -> list[Any]:
        """Return the other rows of this connection.

        The same addresses at another point, unless the initial sequence numbers differ; or both initial sequence numbers the same
        whatever the addresses: 64 random bits do not meet by chance (RFC 6528).
        """
        mine = self.by_id[connection]
        same = [o for o in self._by_addresses[_addresses(mine)] if o.point != mine.point and _same_numbers(mine, o)]
        found = {o.connection: o for o in same}
        for o in self._by_numbers.get((mine.client_isn, mine.server_isn), []):
            if o.connection != mine.connection and (o.point != mine.point or _addresses(o) != _addresses(mine)):
                found[o.connection] = o
        return list(found.values())


def _addresses(row: Any) -> tuple[Any, ...]:
    """Return both addresses in a fixed order: without a handshake two points may guess the roles differently."""
    ends = sorted([(row.client_ip, row.client_port), (row.server_ip, row.server_port)])
    return (*ends[0], *ends[1])


def _same_numbers(a: Any, b: Any) -> bool:
    return a.client_isn is None or b.client_isn is None or bool(a.client_isn == b.client_isn)
