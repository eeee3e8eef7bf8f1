"""ICMP errors that quote a segment: whose connection that is, and the attempts to connect that such an error ended.

Lives here: joining ICMP_ERRORS with CONNECTIONS. Never here: reading a message (analyzer.capture), what it means (analyzer.causes).
"""

from __future__ import annotations

import pandas as pd

from analyzer.schema import ICMP_ERRORS

ENDS = ["client_ip", "client_port", "server_ip", "server_port"]
QUOTED = {
    True: ["src", "sport", "dst", "dport"],
    False: ["dst", "dport", "src", "sport"],
}  # by whether the client's segment is quoted

# What ends an attempt: everything but what asks for smaller segments. Linux ends a connection in SYN-SENT at once (tcp_v4_err); others
# repeat the SYN for a while (RFC 5461 3), and then the repeats are in the capture.
NO_END = ("fragmentation needed",)


def quoted(errors: pd.DataFrame, connections: pd.DataFrame) -> pd.DataFrame:
    """Return ICMP_ERRORS of one capture point with `connection`: of the connections between the quoted ends, the last that had begun.

    An error without a time belongs to none.
    """
    timed = errors["time"].notna()
    if not timed.any() or connections.empty:
        return errors
    left = errors.loc[timed, ["time", *QUOTED[True]]].reset_index(names="row").sort_values("time", kind="stable")
    begun = connections[["connection", "first", *ENDS]].dropna().sort_values("first", kind="stable")
    found = [
        pd.merge_asof(left, begun, left_on="time", right_on="first", left_by=names, right_by=ENDS)[
            ["row", "first", "connection"]
        ]
        for names in QUOTED.values()
    ]
    last = pd.concat(found).dropna().sort_values("first", kind="stable").drop_duplicates("row", keep="last")
    return ICMP_ERRORS.conform(errors.assign(connection=last.set_index("row")["connection"].reindex(errors.index)))


def attempts_ended(errors: pd.DataFrame, connections: pd.DataFrame) -> pd.Series[bool]:
    """Return which connections are attempts that an ICMP error ended: nothing but SYNs of the client, and an error that quotes one,
    its sequence number included (RFC 5927 4.1).
    """
    c = connections
    only_syn = (c["conn_state"] == "S0") & (c["client_bytes"] == 0) & (c["ended"] == "open")
    telling = errors[errors["connection"].notna() & ~errors["says"].isin(NO_END)]
    told = telling.merge(c[["connection", "client_ip", "client_port", "client_isn"]], on="connection")
    own = (told["src"] == told["client_ip"]) & (told["sport"] == told["client_port"])
    ended = told.loc[(own & (told["seq"] == told["client_isn"])).fillna(False).astype(bool), "connection"]
    return (only_syn & c["connection"].isin(ended)).fillna(False).astype(bool)
