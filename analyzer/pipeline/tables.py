"""Tables of several capture points under each other. Nothing else lives here."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analyzer import schema


def stack(table: schema.Table, frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the frames under each other as `table`, empty ones left out."""
    kept = [f for f in frames if len(f)]
    if not kept:
        return table.empty()
    return table.conform(kept[0] if len(kept) == 1 else pd.concat(kept, ignore_index=True))
