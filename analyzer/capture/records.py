"""What passes between a capture format and the decoder: RECORD rows, and the steps in which a parser hands them out.

Lives here: the row types of a captured frame and of a place in it, the parser's contract, and the bounds that no length in a file may exceed.
Never here: a format, a header, a file.

A parser is sans-IO. It is given a buffer and a position and takes whole records only; what is incomplete stays where it is
until the buffer holds more. That is why a chunk boundary may fall anywhere: the rows cannot depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Counts = NDArray[np.int64]
Rows = NDArray[np.void]

# One frame as the file's format describes it. Positions are relative to the buffer it was read from.
RECORD = np.dtype(
    [
        ("offset", np.int64),  # where the frame's data starts
        ("start", np.int64),  # where the record or block starts
        ("size", np.int64),  # bytes of the record or block, its own header included
        ("time", np.int64),  # nanoseconds since 1970 UTC; schema.NO_TIME where the file has none
        ("captured", np.int64),  # bytes of the frame in the file
        ("wire", np.int64),  # bytes of the frame on the wire
        ("link", np.int32),  # link type; NO_FRAME for a block that Wireshark numbers but that holds no packet
        ("interface", np.int32),  # -1 unknown
        ("direction", np.uint8),  # schema.DIRECTION_*
    ],
    align=True,
)

# Where a message that is no TCP segment stands, found by the decoder.
PLACE = np.dtype(
    [
        ("record", np.int64),  # which record of the buffer
        ("start", np.int64),  # where its IP header or ARP message starts
        ("size", np.int64),  # bytes from there that were captured
        ("vlan", np.int64),  # innermost 802.1Q id; -1 none
    ]
)

NO_FRAME = -1
SECRETS_AT_MOST = 1_000  # blocks with TLS secrets of one file that are read: whoever injects some adds one
BATCH = (
    16384  # records handed out at a time: their rows stay in a core's cache (2 MB), and tiny records make no huge chunk
)

# Larger captured lengths are damage: libpcap's MAXIMUM_SNAPLEN and Wireshark's WTAP_MAX_PACKET_SIZE_STANDARD.
LARGEST_FRAME = 262_144
# USB and D-Bus frames may be larger (Wireshark's WTAP_MAX_PACKET_SIZE_DBUS and _USBPCAP); no TCP is read from them.
LARGEST_FOREIGN_FRAME = 128 * 1024 * 1024
LARGE_LINK_TYPES = frozenset({186, 189, 220, 231, 249, 266})


def largest_frame(link: int) -> int:
    """Return the captured length in bytes above which a frame of this link type is damage."""
    return LARGEST_FOREIGN_FRAME if link in LARGE_LINK_TYPES else LARGEST_FRAME


@dataclass(frozen=True)
class Damage:
    """Why a parser cannot go on: what stands at `position` of the buffer, as the end of a sentence ("claims to be …")."""

    position: int
    says: str


@dataclass(frozen=True)
class Step:
    """What one call of a parser took from its buffer.

    records  RECORD rows, valid until the next call
    position where the next record starts; beyond the last complete one
    damage   set when nothing after `position` can be understood
    others   (start, size) of blocks that are no frames but that later frames depend on
    secrets  (start, size) of TLS secrets
    more     True when complete records may remain in the buffer
    """

    records: Rows
    position: int
    damage: Damage | None = None
    others: tuple[tuple[int, int], ...] = ()
    secrets: tuple[tuple[int, int], ...] = ()
    more: bool = False


class Parser(Protocol):
    """A capture format. Its state is what earlier records said of later ones: byte order, interfaces, clocks."""

    @property
    def link_types(self) -> tuple[int, ...]:
        """Link types declared so far, in order of appearance."""

    @property
    def snaplen(self) -> int | None:
        """Snapshot length in bytes; None when unlimited or not known."""

    @property
    def drops(self) -> int | None:
        """Packets that the capturing program says it lost; None when the file does not say."""

    def step(self, data: Bytes, position: int) -> Step:
        """Take complete records from `data` (read-only), starting at `position`."""

    def fork(self) -> Parser:
        """Return another that knows the same, to go on from here once more."""
