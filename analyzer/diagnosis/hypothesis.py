"""Lives here: `Hypothesis`, a cause with the origin it is supposed to come from. Never here: which of them is true."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.causes.cause import Cause, Origin, Sign


@dataclass(frozen=True)
class Hypothesis:
    """One (cause, origin) pair with all its signs, in the order in which the report shows them."""

    cause: Cause
    origin: Origin
    signs: tuple[Sign, ...]
