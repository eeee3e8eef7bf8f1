"""Addresses and ports as log lines write them.

Lives here: `address`; `ends_named`, which reads the two ends of a connection out of a line of any program; `two_ends`.
Never here: which connection that is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from analyzer.logs.log_format import Writer

EPHEMERAL = 32768  # first port that Linux gives to a client; Windows begins at 49152
_IP4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_IP6 = r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.\d{1,3}){0,3}"
_END = rf"(?:\[({_IP6})\]|({_IP4})):(\d{{1,5}})"
_ARROW = re.compile(rf"(?<![\w.]){_END} ?-> ?{_END}")
_SINGLE = re.compile(rf"(?<![\w.]){_END}(?![\w.])")
_TUPLE = re.compile(rf"\(['\"]({_IP4}|{_IP6})['\"], (\d{{1,5}})")
_WORDS = re.compile(
    rf"\b(?:host|server|addr(?:ess)?|remote(?:_?addr)?|peer|client)[=: ]{{1,2}}[\"']?({_IP4})[\"']?[,; ]{{1,2}}port[=: ]{{1,2}}[\"']?(\d{{1,5}})\b"
)
_LOCAL = re.compile(
    r"localAddress: '([^']{2,45})', localPort: (\d{1,5}), remoteAddress: '([^']{2,45})', remotePort: (\d{1,5})"
)
_QUOTED = re.compile(r'server at "([^"]{1,255})"(?: \(([^)]{2,45})\))?, port (\d{1,5})')


# A port to listen on, without an address or with "any".
_LISTENER = re.compile(
    r"(?:(?<![\w.])(?:\*|0\.0\.0\.0|\[::\]|::)['\"]?(?:, |:)|\btcp[46]? {0,2}:|\bport[ =:]{1,3}\"?)(\d{1,5})(?![\d.])"
)


@dataclass(frozen=True)
class Ends:
    """The ends of a connection, as far as they are named."""

    client_ip: str | None = None
    client_port: int | None = None
    server_ip: str | None = None
    server_port: int | None = None


@lru_cache(maxsize=4096)
def address(text: str | None) -> str | None:
    """The address in the form the tables use: no brackets, no zone, IPv4 as IPv4. None for a name, for nothing, and for "any" (0.0.0.0)."""
    if not text:
        return None
    try:
        parsed = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return None if parsed.is_unspecified else str(getattr(parsed, "ipv4_mapped", None) or parsed)


def ends_named(text: str, writer: Writer) -> tuple[Ends, Writer]:
    """The ends that a line names, and which end wrote it.

    `a->b` is read as the writer's end and the other. Of two ends, and of one alone, the one with the lower, not ephemeral port is the server.
    """
    if found := _ARROW.search(text):
        local, remote = (
            (address(found[1] or found[2]), _port(found[3])),
            (address(found[4] or found[5]), _port(found[6])),
        )
        return two_ends(local, remote, writer)
    if found := _LOCAL.search(text):
        return two_ends((address(found[1]), _port(found[2])), (address(found[3]), _port(found[4])), writer)
    if found := _QUOTED.search(text):
        return Ends(server_ip=address(found[2]) or address(found[1]), server_port=_port(found[3])), "client"
    for pattern in (_SINGLE, _TUPLE, _WORDS):
        if found := pattern.search(text):
            *texts, port_text = found.groups()
            ip, port = address(next(filter(None, texts))), _port(port_text)
            if ip and port and port < EPHEMERAL:
                return Ends(server_ip=ip, server_port=port), writer
            if ip:
                return Ends(client_ip=ip, client_port=port), writer
    return Ends(), writer


def listening_port(text: str) -> int | None:
    """The port that a line names without a host's address: `:8080`, `*:8080`, `[::]:8080`, `('0.0.0.0', 8080)`."""
    found = _LISTENER.search(text)
    return _port(found[1]) if found else None


def two_ends(
    local: tuple[str | None, int | None], remote: tuple[str | None, int | None], writer: Writer
) -> tuple[Ends, Writer]:
    """Which of two ends is the server, and which of them the writer is, whose end is `local`: the lower port is the server's, and so is
    a socket that has no other end."""
    if writer == "unknown" and local[1] is not None and remote == (None, None):
        writer = "server"
    if writer == "unknown" and local[1] is not None and remote[1] is not None and local[1] != remote[1]:
        writer = "client" if local[1] > remote[1] else "server"
    if writer == "server":
        return Ends(*remote, *local), writer
    return Ends(*local, *remote), writer


def _port(text: str) -> int | None:
    return int(text) if 0 < int(text) < 65536 else None
