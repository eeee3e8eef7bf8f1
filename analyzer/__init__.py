"""pcapreport as a library: `analyzer.analyze(...)` returns a `Diagnosis`. Names are loaded when used; nothing else lives here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.loading import on_use

if TYPE_CHECKING:
    from analyzer.errors import Notice as Notice
    from analyzer.errors import PcapreportError as PcapreportError
    from analyzer.errors import UnusableInput as UnusableInput
    from analyzer.errors import UsageError as UsageError
    from analyzer.pipeline import analyze as analyze
    from analyzer.pipeline import redact as redact
    from analyzer.result import Diagnosis as Diagnosis

_HOMES = {
    "Diagnosis": "result",
    "Notice": "errors",
    "PcapreportError": "errors",
    "UnusableInput": "errors",
    "UsageError": "errors",
    "analyze": "pipeline",
    "redact": "pipeline",
}

__all__ = list(_HOMES)
__getattr__ = on_use(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(_HOMES)
