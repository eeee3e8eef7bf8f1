"""Which bytes of a block can matter: a multi-pattern literal filter over numpy arrays.

Lives here: `LiteralFilter`. Each literal is represented by one of its four-byte windows; a table of hashed windows is looked up for
every position of the block at once, and what is found is compared byte by byte.
Never here: what a literal means.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_BITS = 20
_FACTOR = np.uint32(2654435761)
_COMMON = b" etaoinsrhldcumETAOINSRHL0123456789:.,-_[]()\"'=/"  # bytes of which logs consist: the longer a window of others, the rarer


class LiteralFilter:
    """Finds any of many literals in a block of bytes."""

    def __init__(self, literals: Iterable[bytes]) -> None:
        """`literals` must be of at least four bytes each; ValueError names one that is not."""
        self.literals = tuple(dict.fromkeys(literals))
        self._table = np.zeros(1 << _BITS, dtype=np.bool_)
        self._windows: dict[bytes, list[tuple[int, int]]] = {}
        for number, literal in enumerate(self.literals):
            if len(literal) < 4:
                raise ValueError(f"literal {literal!r} is shorter than four bytes")
            offset = max(range(len(literal) - 3), key=lambda i: (self._rarity(literal[i : i + 4]), i))
            window = literal[offset : offset + 4]
            self._windows.setdefault(window, []).append((offset, number))
            self._table[self._hash(np.frombuffer(window, dtype="<u4"))] = True

    @staticmethod
    def _rarity(window: bytes) -> int:
        return sum(0 if byte in b" etaoin" else 1 if byte in _COMMON else 3 if byte < 128 else 2 for byte in window)

    @staticmethod
    def _hash(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        return (words * _FACTOR) >> np.uint32(32 - _BITS)

    def find(self, block: bytes) -> list[tuple[int, int]]:
        """(position, literal number) of every occurrence, in order of position."""
        found: list[tuple[int, int]] = []
        for phase in range(4):
            count = (len(block) - phase) // 4
            if count <= 0:
                continue
            words = np.frombuffer(block, dtype="<u4", count=count, offset=phase)
            for index in np.flatnonzero(self._table[self._hash(words)]).tolist():
                position = index * 4 + phase
                for offset, number in self._windows.get(block[position : position + 4], ()):
                    start = position - offset
                    if start >= 0 and block.startswith(self.literals[number], start):
                        found.append((start, number))
        found.sort()
        return found
