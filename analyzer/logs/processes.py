"""Which connection a process served: its lines get the address that another of its lines named.

Lives here: `add_addresses`. A process id is used again after its process has ended, so a name holds from the line that opened a
connection to the one that closed it.
Never here: what a line means.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def add_addresses(rows: list[Row]) -> None:
    """Fill client_ip, client_port and address_basis of `rows` (one source, in file order) from other rows of the same process.

    Forward from the row that names the address until the connection closed or the process opened another; backward from a row that
    names it on closing to rows of the same life.
    """
    known: dict[object, Row] = {}  # process -> the row of this life that names its client
    waiting: dict[object, list[Row]] = {}  # process -> rows of this life that no address is known for
    for row in rows:
        process = row.get("session") or row.get("pid")
        if process is None:
            continue
        if row["event"] == "opened":
            known.pop(process, None)
            waiting.pop(process, None)
        if row.get("client_ip") and row.get("client_port"):
            known[process] = row
            for earlier in waiting.pop(process, ()):
                _take(earlier, row)
        elif row.get("client_ip") is None or process in known:
            if process in known:
                _take(row, known[process])
            else:
                waiting.setdefault(process, []).append(row)
        if row["event"] == "closed":
            known.pop(process, None)
            waiting.pop(process, None)


def _take(row: Row, named: Row) -> None:
    if row.get("client_port") is None:
        row["client_ip"], row["client_port"], row["address_basis"] = named["client_ip"], named["client_port"], "process"
