"""What follows from one segment alone: its SEGMENT columns `pair`, `signature`, `end` and `unfinished`.

Lives here: the one kernel that fills them, in the threads that read; the thread that folds waits for nothing then but memory.
Never here: what a header says (decode), what one segment means to another (analyzer.connections).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analyzer.compiled import HASH, callee, compiled, mix
from analyzer.schema import SEGMENT

TCP = 6
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@callee
def _two(high: Any, low: Any) -> Any:
    """Two numbers of at most 32 bits as one."""
    return np.uint64(np.uint32(high)) << HALF | np.uint64(np.uint32(low))


@callee
def _end(s: Any) -> Any:
    """0 when the segment comes from the smaller (address, port), else 1. Without branches: nothing could guess them."""
    lower = (s.src_lo > s.dst_lo) | ((s.src_lo == s.dst_lo) & (s.sport > s.dport))
    return (s.src_hi > s.dst_hi) | ((s.src_hi == s.dst_hi) & lower)


@callee
def _endpoint(hi: Any, lo: Any, port: Any) -> Any:
    """Hash of an address and a port."""
    return mix(mix(mix(HASH, hi), lo), port)


@callee
def _signature(s: Any) -> Any:
    """Hash of what the copies of a packet share: endpoints, sender, numbers, flags, length, timestamp, IP ID."""
    h = mix(s.pair ^ np.uint64(s.end), _two(s.seq, s.ack))
    return mix(mix(h, _two(s.tsval, s.length)), _two(s.ip_id, s.flags))


@callee
def _folded(total: Any) -> Any:
    """The 16-bit ones' complement sum (RFC 1071 1)."""
    for _ in range(4):
        total = (total & np.uint64(0xFFFF)) + (total >> np.uint64(16))
    return total


@callee
def _unfinished(s: Any) -> Any:
    """Whether the checksum holds only the pseudo-header's sum (RFC 9293 3.1), for the sender's network card to finish.

    With or without the length: for what the card also cuts up, some systems leave it out.
    """
    total = np.uint64(TCP) + (s.src_lo & LOW) + (s.dst_lo & LOW)  # of ::ffff:a.b.c.d, a.b.c.d
    if s.ipv6:
        total += (s.src_lo >> HALF) + (s.dst_lo >> HALF)
        total += (s.src_hi & LOW) + (s.src_hi >> HALF) + (s.dst_hi & LOW) + (s.dst_hi >> HALF)
    whole = total + np.uint64(np.int64(s.header) + s.length)
    return s.checksum == _folded(whole) or s.checksum == _folded(total)


@compiled(segments=SEGMENT)
def derive(segments: Any) -> None:
    """Fill the columns that follow from the others of the same row."""
    for i in range(len(segments)):
        s = segments[i]
        s.end = _end(s)
        s.pair = mix(HASH, _endpoint(s.src_hi, s.src_lo, s.sport) + _endpoint(s.dst_hi, s.dst_lo, s.dport))
        s.signature = _signature(s)
        s.unfinished = _unfinished(s)
