"""Varnish: what `varnishlog` prints of sessions and of fetches from a backend.

Lives here: the format. A session's first record (SessOpen) names the client with its port and the time; its last (SessClose) the reason, and
how many seconds later that was. REM_CLOSE is said of a FIN and of a reset alike.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Told, all_samples, told

_AGE = re.compile(r"\bSessClose +(?:c )?[A-Z_]{2,20} (\d{1,9}\.\d{1,9})")
_RECORD = re.compile(r"-{1,4} +[A-Z][A-Za-z_]{2,20} ")


def head(text: str) -> Head | None:
    """Records, each `-   Name   values`; the time is the session's beginning, and the close says how much later it was."""
    if not _RECORD.match(text):
        return None
    age = _AGE.search(text)
    return Head(body=0, exclusive=True, elapsed=float(age[1]) if age else 0.0)


_OPEN = "-   SessOpen       192.0.2.10 51234 a0 192.0.2.20 80 1714564800.123456 22\n-   Link           req 2 rxreq\n"
_ENDS = {
    "client_ip": "192.0.2.10",
    "client_port": 51234,
    "server_ip": "192.0.2.20",
    "server_port": 80,
    "writer": "server",
}
_SESSION = r"SessOpen +(?:c )?(?P<client_ip>[0-9A-Fa-f:.]{2,45}) (?P<client_port>\d{1,5}) \S{1,60} (?P<server_ip>[0-9A-Fa-f:.]{2,45}) (?P<server_port>\d{1,5}) .{0,4000}?SessClose +(?:c )?"
# Reason of a session's end -> event, and what it proves.
_REASONS = {
    "REM_CLOSE": ("reset_or_eof", "Varnish found its client gone; it says the same of a FIN and of a reset"),
    "REQ_CLOSE": ("closed", "Varnish closed the connection, as the client had asked"),
    "RX_BAD": ("protocol_error", "Varnish closed the connection because it could not read the client's request"),
    "RX_BODY": ("reset_or_eof", "the client's request was cut off"),
    "RX_JUNK": ("protocol_error", "Varnish closed the connection because it could not read what the client sent"),
    "RX_OVERFLOW": ("rejected", "Varnish closed the connection because the client's request was too large"),
    "RX_TIMEOUT": ("local_timeout", "Varnish closed the connection because the client's request took too long"),
    "RX_CLOSE_IDLE": ("idle_timeout", "Varnish closed the connection because it was idle"),
    "TX_ERROR": ("reset_or_eof", "writing to the client failed; whether it had reset or closed the connection the text does not tell"),
    "TX_EOF": ("closed", "Varnish ended its answer by closing the connection"),
    "RESP_CLOSE": ("closed", "Varnish closed the connection, as the answer demanded"),
    "OVERLOAD": ("rejected", "Varnish closed the connection because it lacked a resource"),
    "RANGE_SHORT": ("unexpected_end", "the backend gave less than it had promised, so Varnish closed the client's connection"),
    "RAPID_RESET": ("rejected", "Varnish closed the connection because the client opened and cancelled too many streams"),
    "TX_PIPE": ("closed", "a piped connection ended"),
}  # fmt: skip
OPENED = (
    told("session_opened", "opened", _SESSION.partition(" .{0,4000}")[0], ("SessOpen ",), "a client connected to Varnish", {_OPEN: _ENDS}, writer="server"),
)  # fmt: skip
_FETCH = "--  Timestamp      Bereq: 1714564800.123456 0.000100 0.000100\n--  FetchError     "
SESSIONS: tuple[Told, ...] = tuple(
    told(f"session_{reason.lower()}", event, rf"{_SESSION}{reason} ", (f" {reason} ",), proves, {_OPEN + f"-   SessClose      {reason} 0.500000": _ENDS}, writer="server")
    for reason, (event, proves) in _REASONS.items()
)  # fmt: skip
FETCHES = (
    told("fetch_connect", BY_ERROR, r"FetchError +(?:b )?backend \S{1,100}: fail errno \d{1,5} \((?P<error>[^)]{1,200})\)", (": fail errno ",), "the SYN of Varnish, here the client, to its backend was not answered with a connection",
         {_FETCH + "backend boot.default: fail errno 111 (Connection refused)": {"event": "refused", "writer": "client"}}, writer="client"),
    told("fetch_timeout", "local_timeout", r"FetchError +(?:b )?(?:first byte timeout|timeout|between bytes timeout|HTC timeout)", ("FetchError ",), "the backend did not answer Varnish, here the client, in time", {_FETCH + "first byte timeout": {}}, writer="client"),
    told("fetch_write", BY_ERROR, r"FetchError +(?:b )?(?:backend write error|req\.body read error|http write error|proxy write errno): ?\d{1,5} \((?P<error>[^)]{1,200})\)", ("FetchError ",), "a connection of Varnish failed while it passed a request on: the backend's, or the client's where a body was read",
         {_FETCH + "backend write error: 104 (Connection reset by peer) (Peer Closed)": {"event": "reset_received"}, _FETCH + "req.body read error: 104 (Connection reset by peer)": {"event": "reset_received"}}),
    told("fetch_lost", "reset_or_eof", r"FetchError +(?:b )?(?:HTC (?:eof|close|status -[14])|backend closed|http (?:first )?read error: EOF|straight insufficient bytes|eof socket fail)", ("FetchError ",), "Varnish, here the client, found its backend gone before the answer was complete; it keeps no error number",
         {_FETCH + "HTC eof (Unexpected end of input)": {}, _FETCH + "backend closed": {}}, writer="client"),
    told("backend_opened", "opened", r"BackendOpen +(?:b )?\d{1,10} \S{1,100} (?P<server_ip>[0-9A-Fa-f:.]{2,45}) (?P<server_port>\d{1,5}) (?P<client_ip>[0-9A-Fa-f:.]{2,45}) (?P<client_port>\d{1,5}) connect\b", ("BackendOpen ",), "Varnish, here the client, opened a connection to its backend",
         {"--  Timestamp      Start: 1714564800.123456 0.000000 0.000000\n--  BackendOpen    26 boot.default 192.0.2.20 8080 192.0.2.30 41234 connect": {"client_ip": "192.0.2.30", "client_port": 41234, "server_port": 8080, "writer": "client"}}, writer="client"),
)  # fmt: skip

FORMAT = LogFormat(
    id="varnish",
    title="Varnish (varnishlog)",
    reference="https://varnish-cache.org/docs/trunk/reference/vsl.html",
    messages=tuple(one.message for one in (*SESSIONS, *FETCHES, *OPENED)),
    samples=(
        *all_samples(SESSIONS, "", "2024-05-01T12:00:00.623456Z"),
        *all_samples(OPENED, "", "2024-05-01T12:00:00.123456Z"),
        *all_samples(FETCHES, "", "2024-05-01T12:00:00.123456Z"),
    ),
    head=head,
    anchored=False,
)
