"""The knowledge: one cause, one file. `all_causes()` lists the folder; nothing else registers a cause."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from analyzer.causes.cause import Cause


@cache
def all_causes() -> dict[str, Cause]:
    """Return every cause of this folder by id, in alphabetical order."""
    found = {}
    for module in sorted(
        m.name for m in pkgutil.iter_modules(__path__) if m.name not in ("cause", "origins", "wording")
    ):
        found[module] = importlib.import_module(f"{__name__}.{module}").CAUSE
    return found
