"""Zeek's words for a connection: `conn_state` and `history`.

Lives here: two pure functions. The letters and states are those of Zeek's base/protocols/conn (main.zeek), the end states
those of its TCPSessionAdapter.
Never here: how the facts they need are gathered (kernels.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from analyzer.connections.layout import LETTERS

_RSTOS0 = re.compile(r"S[^HAFGIQ]*R")


class End(Enum):
    """State of one end, as in Zeek's TCP_Endpoint.h."""

    INACTIVE = 0
    SYN_SENT = 1
    SYN_ACK_SENT = 2
    PARTIAL = 3
    ESTABLISHED = 4
    CLOSED = 5
    RESET = 6


@dataclass(frozen=True)
class Seen:
    """What one end was seen to send."""

    packets: bool = False
    syn: bool = False
    syn_ack: bool = False
    fin: bool = False
    reset: bool = False
    payload: bool = False


def history(codes: int, count: int, client_end: int) -> str:
    """The letters in order of their first occurrence, once per direction; upper case from the client.

    Parameters
    ----------
    codes : int
        `count` codes of 4 bits, the first in the lowest: letter (index in layout.LETTERS) + 8 * end.
    client_end : int
        0 or 1.
    """
    letters = []
    for i in range(count):
        code = codes >> (4 * i) & 15
        letter = LETTERS[code & 7]
        letters.append(letter if code >> 3 == client_end else letter.lower())
    return "".join(letters)


def end_state(own: Seen, other: Seen, is_client: bool) -> End:
    """Where Zeek's state machine stands for one end when the connection is over."""
    if own.reset:
        return End.RESET
    if own.fin:
        return End.CLOSED
    if not own.packets:
        return End.INACTIVE
    if is_client:
        if own.syn_ack:
            return End.SYN_ACK_SENT
        if other.syn_ack or (own.syn and other.syn):  # a missed SYN counts as sent once the SYN-ACK was seen
            return End.ESTABLISHED
        return End.SYN_SENT if own.syn else End.PARTIAL
    return End.ESTABLISHED if own.syn_ack or own.syn else End.PARTIAL


def conn_state(client: Seen, server: Seen, letters: str) -> str:
    """Zeek's conn_state (base/protocols/conn/main.zeek): S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 RSTRH SH SHR OTH."""
    c = end_state(client, server, True)
    s = end_state(server, client, False)
    client_inactive = c in (End.INACTIVE, End.PARTIAL)
    server_inactive = s in (End.INACTIVE, End.PARTIAL)
    if s is End.RESET:
        # Zeek looks at the client's state; one that had a SYN-ACK was established before the reset.
        if c in (End.SYN_SENT, End.SYN_ACK_SENT) or (c is End.RESET and not client.payload and not server.payload):
            return "REJ"
        return "RSTRH" if client_inactive else "RSTR"
    if c is End.RESET:
        if server_inactive:
            return "RSTOS0" if _RSTOS0.match(letters) else "OTH"
        return "RSTO"
    if s is End.CLOSED and c is End.CLOSED:
        return "SF"
    if c is End.CLOSED:
        return "SH" if server_inactive else "S2"
    if s is End.CLOSED:
        return "SHR" if client_inactive else "S3"
    if c is End.SYN_SENT and s is End.INACTIVE:
        return "S0"
    if c is End.ESTABLISHED and s is End.ESTABLISHED:
        return "S1"
    return "OTH"
