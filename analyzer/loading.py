"""What is loaded when: a package's names when they are first used, so that a command pays only for what it does.

Lives here: the one way to defer an import. Never here: which names those are (the packages say so).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping


def on_use(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return a package's `__getattr__` (PEP 562): `homes` has the module of the package in which each public name lives."""

    def __getattr__(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return __getattr__
