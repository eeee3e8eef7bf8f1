"""What was heard of a capture point beside TCP -> ICMP_ERRORS, ADDRESS_CHANGES.

Lives here: the two tables. Never here: reading the messages (messages), whose connection is quoted (connections).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from analyzer.capture.messages import Heard
from analyzer.schema import ADDRESS_CHANGES, ICMP_ERRORS, Table


def icmp_errors(heard: Heard) -> pd.DataFrame:
    """Return ICMP_ERRORS, `connection` still empty."""
    return _table(heard.errors, ICMP_ERRORS)


def address_changes(heard: Heard) -> pd.DataFrame:
    """Return ADDRESS_CHANGES."""
    return _table(heard.changes, ADDRESS_CHANGES)


def _table(rows: list[dict[str, Any]], table: Table) -> pd.DataFrame:
    if not rows:
        return table.empty()
    frame = pd.DataFrame(rows, dtype=object)
    frame["time"] = pd.to_datetime(frame["time"].astype("int64"), utc=True)
    return table.conform(frame)
