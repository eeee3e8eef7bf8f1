"""A DataFrame of log messages -> LOG_LINES, for notebooks and for logs that live in a database.

Lives here: `from_frame`. Never here: what a message means (the formats), or reading files (reader.py).
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

import pandas as pd

from analyzer.errors import Notice, UsageError
from analyzer.language import say
from analyzer.logs.processes import add_addresses
from analyzer.logs.reader import recognise_text
from analyzer.schema import LOG_LINES

NAME = "table of messages"


def from_frame(frame: pd.DataFrame, *, timezone: tzinfo | None = None) -> tuple[pd.DataFrame, list[Notice]]:
    """What is recognised in `frame`, as LOG_LINES and notices; `line` is the row's place, from 1.

    frame
        `time` (datetime64, or text that says its offset), `message` (with or without the writer's prefix); optional `source`, and `pid`
        where the message does not carry it
    timezone
        of times without one; None leaves them unknown (read as UTC)

    Raises UsageError when a column is missing or `time` holds no times.
    """
    missing = [name for name in ("time", "message") if name not in frame.columns]
    if missing:
        raise UsageError(
            f"A table of log messages needs the columns time and message; {' and '.join(missing)} is missing."
        )
    try:
        text = not pd.api.types.is_datetime64_any_dtype(frame["time"])
        times = pd.to_datetime(frame["time"], format="ISO8601") if text else frame["time"]
    except (ValueError, TypeError) as error:
        raise UsageError(f"The column time of a table of log messages must hold times: {error}") from None
    if not pd.api.types.is_datetime64_any_dtype(times):
        raise UsageError(
            "The column time of a table of log messages must hold times of one kind, all with an offset or all without."
        )
    zone = "printed"
    if times.dt.tz is None:
        zone = "unknown" if timezone is None else "given"
        times = times.dt.tz_localize(timezone or "UTC", ambiguous="NaT", nonexistent="NaT")
    written = times.dt.tz_convert("UTC").astype("datetime64[ns, UTC]")
    step = _resolution(written)
    sources = (
        frame["source"].astype("string").fillna(NAME)
        if "source" in frame.columns
        else pd.Series(NAME, index=frame.index)
    )
    pids = frame["pid"] if "pid" in frame.columns else pd.Series(pd.NA, index=frame.index)
    rows: dict[str, list[dict[str, Any]]] = {}
    for number, (time, message, source, pid) in enumerate(
        zip(written, frame["message"], sources, pids, strict=True), 1
    ):
        found = recognise_text(str(message)) if not pd.isna(message) and not pd.isna(time) else None
        own = rows.setdefault(str(source), [])
        if found is not None:
            found |= {"source": str(source), "line": number, "written": time, "zone": zone, "resolution": step}
            if found.get("pid") is None and not pd.isna(pid):
                found["pid"] = int(pid)
            own.append(found)
    for own in rows.values():
        add_addresses(own)
    everything = [row for own in rows.values() for row in own]
    sentence = say("{n:,} messages read, {recognised:,} recognised.", n=len(frame), recognised=len(everything))
    notice = Notice("info" if everything else "warning", NAME, "", sentence)
    return LOG_LINES.conform(pd.DataFrame(everything, columns=list(LOG_LINES.columns), dtype=object)), [notice]


def _resolution(times: pd.Series) -> float:
    values = times.dropna().astype("int64")
    for step in (10**9, 10**6, 10**3):
        if len(values) and (values % step == 0).all():
            return step / 1e9
    return 1e-9
