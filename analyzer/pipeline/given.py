"""What was given beside captures, and what of the endings was asked for.

Lives here: logs as files or tables, and LOG_LINES of them; leaving out endings. Never here: what the arguments mean (asked), analysis.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

import pandas as pd

from analyzer import logs, schema
from analyzer.errors import Notice
from analyzer.language import say
from analyzer.pipeline.asked import Span
from analyzer.pipeline.tables import stack


def only(endings: pd.DataFrame, span: Span, host: str | None, port: int | None) -> pd.DataFrame:
    """Return the endings that were asked for."""
    keep = pd.Series(True, index=endings.index)
    begin, end = span
    if begin is not None:
        keep &= endings["time"] >= begin
    if end is not None:
        keep &= endings["time"] <= end
    if host is not None:
        keep &= (endings["client_ip"] == host) | (endings["server_ip"] == host)
    if port is not None:
        keep &= (endings["client_port"] == port) | (endings["server_port"] == port)
    return endings[keep].reset_index(drop=True)


def not_asked(everything: pd.DataFrame, judged: pd.DataFrame) -> list[Notice]:
    """Return the notice about endings that were left out because others were asked for."""
    dead = everything["kind"].isin(["reset", "silence"])  # what the others are is not known yet
    total = int(dead.sum())
    count = total - int(judged["kind"].isin(["reset", "silence"]).sum())
    if not count:
        return []
    sentence = say(
        "Of {all:,} connections that ended badly, {n:,} are outside what was asked for (time, host, port).",
        all=total,
        n=count,
    )
    return [Notice("info" if count < total else "warning", "", "", sentence)]


def read_given(
    tables: Sequence[pd.DataFrame], opened: Sequence[logs.LogSource], zone: tzinfo | None, captures: pd.DataFrame
) -> tuple[pd.DataFrame, list[Notice], list[dict[str, Any]]]:
    """Return LOG_LINES, notices, and one record per source for the document."""
    first = captures["first"].min()
    found = [logs.from_frame(table, timezone=zone) for table in tables]
    if opened:
        found.append(logs.read_logs(opened, timezone=zone, year=None if pd.isna(first) else int(first.year)))
    lines = stack(schema.LOG_LINES, [lines for lines, _ in found])
    notices = [notice for _, some in found for notice in some]
    counts = lines.groupby("source", sort=False).agg(
        lines=("line", "size"), first=("written", "min"), last=("written", "max")
    )
    sources = [
        {
            "source": str(s),
            "recognised": int(row["lines"]),
            "formats": sorted(set(lines.loc[lines["source"] == s, "format"])),
        }
        for s, row in counts.iterrows()
    ]
    return lines, notices, sources
