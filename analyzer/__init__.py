"""pcapreport as a library: `analyzer.analyze(...)` returns a `Diagnosis`. Names are loaded when used; nothing else lives here."""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "analyze": "analyzer.pipeline",
    "redact": "analyzer.pipeline",
    "Diagnosis": "analyzer.result",
    "Notice": "analyzer.errors",
    "PcapreportError": "analyzer.errors",
    "UnusableInput": "analyzer.errors",
    "UsageError": "analyzer.errors",
}

__all__ = [*_WHERE]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_WHERE)
