"""Which bytes of a block can matter: a multi-pattern literal filter (Hyperscan), in one pass whatever the number of texts.

Lives here: `LiteralFilter`. Never here: what a literal means.
"""

from __future__ import annotations

from collections.abc import Iterable

import hyperscan

SHORTEST = 4  # bytes: a shorter text would be found everywhere


class LiteralFilter:
    """Finds any of many literals in a block of bytes."""

    def __init__(self, literals: Iterable[bytes]) -> None:
        """`literals` must be of at least SHORTEST bytes each; ValueError names one that is not."""
        self.literals = tuple(dict.fromkeys(literals))
        for literal in self.literals:
            if len(literal) < SHORTEST:
                raise ValueError(f"literal {literal!r} is shorter than four bytes")
        self._lengths = tuple(map(len, self.literals))
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=["".join(f"\\x{byte:02x}" for byte in literal).encode() for literal in self.literals],
            ids=list(range(len(self.literals))),
            flags=[0] * len(self.literals),
        )

    def find(self, block: bytes) -> list[tuple[int, int]]:
        """(position, literal number) of every occurrence, in order of position."""
        found: list[tuple[int, int]] = []

        def note(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found.append((end - self._lengths[number], number))

        self._database.scan(block, match_event_handler=note)
        found.sort()
        return found
