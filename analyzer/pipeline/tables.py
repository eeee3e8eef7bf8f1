"""Tables of several capture points under each other. Nothing else lives here."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analyzer import schema


def stack(table: schema.Table, frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the frames under each other as `table`, empty ones left out."""
    kept = [f for f in frames if len(f)]
    return table.conform(pd.concat(kept, ignore_index=True)) if kept else table.empty()
