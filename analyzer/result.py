"""The one result: a `Diagnosis`, its tables, and the document that JSON, HTML and notebooks all show.

Lives here: the frozen dataclass and the views on it. Never here: inference (diagnosis.py) or rendering (report/).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from analyzer.errors import Notice


@dataclass(frozen=True)
class Diagnosis:
    """Everything one analysis found. Tables are those of `analyzer.schema`, each in its declared columns."""

    captures: pd.DataFrame
    coverage: pd.DataFrame
    connections: pd.DataFrame
    hosts: pd.DataFrame
    gaps: pd.DataFrame
    reset_frames: pd.DataFrame
    packets: pd.DataFrame
    endings: pd.DataFrame
    log_lines: pd.DataFrame
    matches: pd.DataFrame
    clocks: pd.DataFrame
    unmatched_log_lines: pd.DataFrame
    evidence: pd.DataFrame
    findings: pd.DataFrame
    incidents: pd.DataFrame
    traffic: pd.DataFrame
    notices: tuple[Notice, ...] = ()
    causes: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id: title, mechanism, remedy, confirm, lookalikes, references
    settings: dict[str, Any] = field(default_factory=dict)  # what was asked for, and the versions of what ran

    @cached_property
    def document(self) -> dict[str, Any]:
        """The result document, schema `pcapreport/1`: plain lists, dicts, strings and numbers, ready for JSON."""
        raise NotImplementedError
