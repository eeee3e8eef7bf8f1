"""One connection's packets as plain arrays, and the arithmetic that everything else needs.

Lives here: `Life` (copies removed, two sides, 32-bit sequence arithmetic) and `lives`, which cuts PACKETS into them.
Never here: facts about resets (packet_facts.py, exchange_facts.py) or about other connections (population.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer import schema

NONE = -1  # stands for "absent" in the integer arrays of a Life; every real value there is >= 0

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_INTEGERS = (
    "frame", "stream", "flags", "seq", "ack", "relative_seq", "relative_ack", "window", "window_shift", "length",
    "captured", "offset", "ttl", "ip_id", "flow_label", "tos", "tsval", "interface",
)  # fmt: skip
_BOOLEANS = ("from_client", "retransmission", "keepalive", "dont_fragment", "unfinished_checksum")


Facts = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What a reset is measured against, from CONNECTIONS, HOSTS and COVERAGE; None where unknown. Indexed True for the client."""

    rtt: dict[bool, float | None]
    host_ttl: dict[bool, int | None]
    local: dict[bool, bool | None]
    timestamps: bool | None


def distance(a: int, b: int) -> int:
    """Return a - b for 32-bit sequence numbers, as the signed number nearest to zero (RFC 9293 3.4)."""
    return ((a - b + 0x80000000) & 0xFFFFFFFF) - 0x80000000


@dataclass(frozen=True)
class Life:
    """The packets of one connection in the order of the capture, each shown once.

    The arrays have one element per packet; absent integers are NONE. `time` is in nanoseconds. `sightings` are the removed
    copies as (frame of the first sighting, direction) pairs; `unknown_checksum` and `direction` keep None where unknown.
    """

    connection: int
    capture: npt.NDArray[Any]
    time: Integers
    frame: Integers
    stream: Integers
    flags: Integers
    seq: Integers
    ack: Integers
    relative_seq: Integers
    relative_ack: Integers
    window: Integers
    window_shift: Integers
    length: Integers
    captured: Integers
    offset: Integers
    ttl: Integers
    ip_id: Integers
    flow_label: Integers
    tos: Integers
    tsval: Integers
    interface: Integers
    from_client: Booleans
    retransmission: Booleans
    keepalive: Booleans
    dont_fragment: Booleans
    unfinished_checksum: Booleans
    checksum_ok: npt.NDArray[Any]
    direction: npt.NDArray[Any]
    sightings: tuple[tuple[int, str | None], ...]

    def __len__(self) -> int:
        return len(self.frame)

    def has(self, flag: int) -> Booleans:
        """Return which packets carry any bit of `flag`."""
        carried: Booleans = (self.flags & flag) != 0
        return carried

    @cached_property
    def resets(self) -> Booleans:
        """Which packets carry RST."""
        return self.has(schema.RST)

    @cached_property
    def _ends(self) -> list[int]:
        ends = self.seq + self.length + self.has(schema.SYN) + self.has(schema.FIN)
        return list((ends & 0xFFFFFFFF).tolist())

    @cached_property
    def acks(self) -> list[int]:
        """The acknowledgement numbers as plain numbers."""
        return list(self.ack.tolist())

    @cached_property
    def _speakers(self) -> dict[int, tuple[Integers, Integers]]:
        return {}

    def speakers(self, i: int) -> tuple[Integers, Integers]:
        """Return the packets before packet i, resets apart, of the end that sent it and of the other end."""
        if i not in self._speakers:
            plain, own = ~self.resets[:i], self.from_client[:i] == self.from_client[i]
            self._speakers[i] = places(plain & own), places(plain & ~own)
        return self._speakers[i]

    def end(self, i: int) -> int:
        """Return the sequence number after packet i; SYN and FIN count one (RFC 9293 3.4)."""
        return self._ends[i]

    def seconds(self, later: int, earlier: int) -> float:
        """Return the time between two packets."""
        return float(self.time[later] - self.time[earlier]) / 1e9


def lives(packets: pd.DataFrame) -> Iterator[Life]:
    """Yield the Life of each connection in PACKETS, in order of connection number.

    Packets without a time (pcapng simple packet blocks) take that of the packet before: order is what matters here.
    """
    if packets.empty:
        return
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in _INTEGERS:
        columns[name] = packets[name].fillna(NONE).to_numpy(dtype=np.int64)
    for name in _BOOLEANS:
        columns[name] = packets[name].fillna(False).to_numpy(dtype=bool)
    columns["time"] = packets["time"].ffill().bfill().astype("int64").to_numpy()
    for name in ("capture", "checksum_ok", "direction"):
        values = packets[name].astype(object)
        columns[name] = values.where(values.notna(), None).to_numpy()
    copy_of = packets["copy_of"].fillna(NONE).to_numpy(dtype=np.int64)
    connection = packets["connection"].to_numpy(dtype=np.int64)
    order = np.argsort(connection, kind="stable")
    connection, copy_of = connection[order], copy_of[order]
    columns = {name: values[order] for name, values in columns.items()}
    begins = places(np.diff(connection, prepend=-1))
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(connection)], strict=True):
        whole = slice(begin, end)
        first = copy_of[whole] == NONE
        if first.all():
            yield Life(
                connection=int(connection[begin]),
                sightings=(),
                **{name: values[whole] for name, values in columns.items()},
            )
        elif first.any():
            copies = begin + places(~first)
            yield Life(
                connection=int(connection[begin]),
                sightings=tuple((int(copy_of[r]), columns["direction"][r]) for r in copies),
                **{name: values[whole][first] for name, values in columns.items()},
            )


def places(mask: npt.NDArray[Any]) -> Integers:
    """Return where `mask` holds: numpy's flatnonzero without its detours, which cost more than the search in a few packets."""
    return mask.nonzero()[0]


def highest(life: Life, indices: npt.NDArray[Any]) -> int | None:
    """Return the highest sequence number after these packets (snd_nxt of their sender), or None without packets."""
    best: int | None = None
    for i in indices.tolist():
        end = life.end(i)
        if best is None or distance(end, best) > 0:
            best = end
    return best


def highest_ack(life: Life, indices: npt.NDArray[Any]) -> int | None:
    """Return the highest acknowledgement in these packets, or None."""
    best: int | None = None
    for i in indices.tolist():
        ack = life.acks[i]
        if ack != NONE and (best is None or distance(ack, best) > 0):
            best = ack
    return best


def usual(values: npt.NDArray[Any]) -> int | None:
    """Return the most frequent value that is not NONE, the lowest of equals."""
    counts = Counter(values.tolist())
    del counts[NONE]
    return min(counts, key=lambda value: (-counts[value], value), default=None)
