"""The client spoke another language than the server."""

from __future__ import annotations

import pandas as pd

from analyzer.causes.cause import Cause, Sign, all_of, any_of, died_talking, known, log_says

# What a server on these ports expects to hear first.
EXPECTED = {
    22: {"ssh"}, 25: {"text"}, 80: {"http"}, 443: {"tls"}, 465: {"tls"}, 636: {"tls"}, 853: {"tls"}, 993: {"tls"}, 995: {"tls"},
    5432: {"postgresql", "tls"}, 6432: {"postgresql", "tls"}, 6379: {"redis", "text"}, 8080: {"http"}, 8443: {"tls"},
}  # fmt: skip
# Answers that show that the server did not speak the language in which it was addressed.
FOREIGN = {
    "tls": {"http", "text", "ssh", "mysql", "redis", "postgresql", "binary"},
    "http": {"tls", "tls_alert", "ssh", "mysql", "redis", "postgresql"},
    "postgresql": {"http", "tls", "tls_alert", "ssh", "mysql", "redis"},
    "proxy_protocol": {"tls_alert", "ssh", "redis", "postgresql"},
    "text": {"tls_alert", "mysql"},
    "binary": {"tls_alert", "http"},
}


def _unexpected(e: pd.DataFrame) -> pd.Series[bool]:
    """True where the port is known and the client's first bytes are not what is spoken there."""
    right = pd.Series(False, index=e.index)
    for port, words in EXPECTED.items():
        right |= (e["server_port"] == port).fillna(False).astype(bool) & e["client_opening"].isin(words)
    return known(~right, e["client_opening"].notna() & e["server_port"].isin(EXPECTED))


def _foreign_answer(e: pd.DataFrame) -> pd.Series[bool]:
    """True where the server's first bytes are of another protocol than the client's."""
    foreign = pd.Series(False, index=e.index)
    for opening, answers in FOREIGN.items():
        foreign |= (e["client_opening"] == opening).fillna(False).astype(bool) & e["server_opening"].isin(answers)
    return known(foreign, e["client_opening"].notna() & e["server_opening"].notna())


CAUSE = Cause(
    id="protocol_mismatch",
    title="protocol mismatch: the client spoke another protocol than the server",
    origins=("sender",),
    mechanism=(
        "The first bytes of the client were not what listens on that port: HTTP to a TLS port, TLS to a plain port, a PROXY protocol header that "
        "was not expected or is missing, a browser on a database port. The server gives up, often without reading the rest, and the unread bytes "
        "turn its close into a reset (RFC 2525 2.17)."
    ),
    remedy=(
        "Correct the scheme, the port or the TLS setting on the side that is wrong: `https://` against `http://`, `sslmode`, the balancer's backend "
        "protocol, `proxy_protocol` on both sides or on neither (nginx `listen … proxy_protocol`, HAProxy `send-proxy`)."
    ),
    confirm="`openssl s_client -connect HOST:PORT` and `curl -v` show what is spoken there. The server's log says `invalid length of startup "
            "packet`, `http request to an HTTPS port` or `unknown protocol`.",
    signs=(
        Sign("wrong_language", "the client began in {client_opening}; the server answered in {server_opening}, or its port expects something else",
             lambda e: any_of(_unexpected(e), _foreign_answer(e)), 16, -14, source="lab case protocol_mismatch", cites=("trigger_frame", "frame"),
             plain="the client began in another protocol than the server answered in, or than its port expects"),
        Sign("spoken_to", "the client had spoken", lambda e: e["client_bytes"] > 0, 0, source="lab case protocol_mismatch", needed=True),
        Sign("nothing_served", "the server said next to nothing: {server_bytes} bytes", lambda e: e["server_bytes"] <= 600, 2, -8,
             source="lab case protocol_mismatch",
             plain="the server said next to nothing"),
        Sign("log_says_so", "a log says that one side could not understand the other", lambda e: log_says(e, "any", "protocol_error"), 5, 0,
             source="the writer's own words", cites_logs=True),
        Sign("server", "it carries the server's address", lambda e: all_of(e["apparent_sender"] == "server"), 1, -2,
             source="lab case protocol_mismatch"),
        Sign("ended_it", "that side ended the connection itself: it had closed before, or its live socket sent the reset", died_talking, 8, -8,
             source="RFC 2525 2.17; RFC 9293 3.10.7.4", cites=("trigger_frame", "frame")),
    ),
    prior={"sender": -6},
    emitter={"sender": "socket"},
    lookalikes={
        "tls_failure": "there both speak TLS and disagree about its terms",
        "unread_data_at_close": "the same packet, when the server simply stopped reading a request that it understood",
        "protocol_error": "there the server understood enough to answer with an error of its own protocol",
    },
    references=(("RFC 2525 section 2.17", "reset when data is pending"), ("HAProxy PROXY protocol specification", "versions 1 and 2")),
)  # fmt: skip
