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
    names it on closing to rows of the same life. A session's rows also take a host that is named without a port.
    """
    known: dict[object, Row] = {}  # process -> the row of this life that names its client
    waiting: dict[object, list[Row]] = {}  # process -> rows of this life that no address is known for
    for row in rows:
        writer = (row.get("host"), row.get("program"))  # one file may hold the logs of many machines and programs
        keys: list[object] = [(writer, key) for key in (row.get("session"), row.get("pid")) if key is not None]
        if not keys:
            continue
        process = keys[0]  # a session is one life; a row about another process has that one's number alone
        if row["event"] == "opened":
            _forget(known, waiting, keys)
        if row.get("client_ip") and row.get("client_port"):
            known.update(dict.fromkeys(keys, row))
            for earlier in waiting.pop(process, ()):
                _take(earlier, row)
        elif process in known:
            _take(row, known[process])
        elif row.get("client_ip") is None:
            waiting.setdefault(process, []).append(row)
        elif row.get("session"):
            for earlier in waiting.get(process, ()):
                _take(earlier, row)
        if row["event"] == "closed":
            _forget(known, waiting, keys)


def _forget(known: dict[object, Row], waiting: dict[object, list[Row]], keys: list[object]) -> None:
    for key in keys:
        known.pop(key, None)
        waiting.pop(key, None)


def _take(row: Row, named: Row) -> None:
    if row.get("client_port") is None and row.get("client_ip") in (None, named["client_ip"]):
        row["client_ip"], row["client_port"] = named["client_ip"], named.get("client_port")
        row["address_basis"] = "process"
