"""What ICMP and ARP said of a connection before it ended: the errors that quote it, and who took its end's address.

Lives here: facts from ICMP_ERRORS and ADDRESS_CHANGES, as ENDINGS columns; None where there is none, or none could be seen.
Never here: reading a message (analyzer.capture), whose connection it quotes (analyzer.connections), what it means (causes).

An error is believed to be about the connection's end only where the segment that it quotes was sent and never acknowledged: that is what a host has
to check before it acts on one (RFC 5927 4.1), and whoever forges one from afar does not know the numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import pandas as pd

from analyzer import schema
from analyzer.endings.life import Facts, Life, distance, highest, highest_ack, places

TOO_LARGE = "fragmentation needed"
HEADERS = {
    4: 40,
    6: 60,
}  # bytes of an IP and a TCP header without options: what a segment's payload comes on top of, at least
PROBE = 1  # a keepalive or window probe repeats the last acknowledged byte (RFC 9293 3.8.4)


class Said:
    """The messages of one capture point, by connection and by address."""

    def __init__(self, errors: pd.DataFrame | None, changes: pd.DataFrame | None) -> None:
        self._errors: dict[int, list[Any]] = {}
        self._changes: dict[str, list[Any]] = {}
        for error in (
            [] if errors is None or errors.empty else schema.rows(errors.dropna(subset=["connection", "time", "seq"]))
        ):
            self._errors.setdefault(error.connection, []).append(error)
        for change in (
            []
            if changes is None or changes.empty
            else schema.rows(changes.dropna(subset=["time"]).sort_values("time", kind="stable"))
        ):
            self._changes.setdefault(change.address, []).append(change)

    def facts(self, life: Life, i: int, client_ip: str, client_port: int, server_ip: str) -> Facts:
        """Return the facts of the ending at packet i: a reset, or the packet that stands for an ending without one."""
        before = i if life.resets[i] else len(life)
        until = int(life.time[i]) if life.resets[i] else None
        facts: Facts = {}
        errors = self._errors.get(life.connection, ())
        lost = {side: _Lost(life, before, side) for side in (True, False)} if errors else {}
        for error in errors:
            client = (error.src, error.sport) == (client_ip, client_port)
            if (until is None or error.time.value <= until) and error.seq in lost[client]:
                facts = _error(life, before, client, error) | {"icmp_frame": _frame(error, life, i)}
                break
        if until is not None:
            facts |= self._moved(life, i, client_ip if life.from_client[i] else server_ip)
        return facts

    def _moved(self, life: Life, i: int, address: str) -> Facts:
        """Tell of the last machine that took the address after its last packet and before the reset."""
        changes = self._changes.get(address)
        if changes is None:
            return {}
        place = bisect_right(changes, int(life.time[i]), key=lambda change: change.time.value)
        own, _ = life.speakers(i)
        since = int(life.time[own[-1]] if len(own) else life.time[0])
        if not place or changes[place - 1].time.value <= since:
            return {}
        change = changes[place - 1]
        return {
            "moved_before": (int(life.time[i]) - change.time.value) / 1e9,
            "moved_frame": _frame(change, life, i),
            "hardware_before": change.before,
            "hardware_now": change.now,
        }


class _Lost:
    """The sequence numbers that an end had sent before a packet, and that the other end had not acknowledged by then."""

    def __init__(self, life: Life, before: int, client: bool) -> None:
        plain = ~life.resets[:before]
        own, peer = (places(plain & (life.from_client[:before] == side)) for side in (client, not client))
        self._first = int(life.seq[own[0]]) if len(own) else None
        self._sent, self._acked = highest(life, own), highest_ack(life, peer)

    def __contains__(self, seq: int) -> bool:
        if self._first is None or self._sent is None or distance(seq, self._sent) > 0:
            return False
        from_ = self._first if self._acked is None else self._acked
        return distance(seq, from_) >= -PROBE


def _error(life: Life, before: int, client: bool, error: Any) -> Facts:
    facts: Facts = {
        "icmp_error": error.says,
        "icmp_from": error.sender,
        "icmp_from_end": error.sender == error.dst,
        "icmp_mtu": error.mtu,
    }
    if error.says == TOO_LARGE and error.mtu is not None:
        again = (life.from_client[:before] == client) & (life.seq[:before] == error.seq) & (life.length[:before] > 0)
        sizes = life.length[:before][again & (life.time[:before] > error.time.value)]
        # all of them: what goes to the network card at once may be more than what goes onto the wire
        room = error.mtu - HEADERS[6 if ":" in error.dst else 4]
        facts["icmp_ignored"] = bool((sizes > room).all()) if len(sizes) else None
    return facts


def _frame(message: Any, life: Life, i: int) -> int | None:
    """Return the message's frame number; None where that would be another file's."""
    return int(message.frame) if message.capture == life.capture[i] else None
