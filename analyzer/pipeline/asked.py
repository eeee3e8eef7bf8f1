"""What was asked for, in the program's own terms: points, moments, addresses, zones, logs.

Lives here: reading a caller's arguments, and refusing what contradicts itself. Never here: analysis.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone, tzinfo
from ipaddress import ip_address
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from analyzer import capture, logs, schema
from analyzer.errors import Notice, UsageError
from analyzer.language import say
from analyzer.pipeline.tables import stack

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Progress = Callable[[str, int, int], None]  # what is being done, bytes done, bytes in all

POINT = "capture"  # the name of the only capture point when it was given none
AROUND = 300.0  # seconds on each side of --around


def points_of(
    captures: Paths, at: Mapping[str, Paths] | None
) -> tuple[dict[str, list[capture.CaptureFile]], list[Notice]]:
    """Return capture point -> files in time order, their names unique over all points, and what was left out."""
    given: dict[str, Paths] = dict(at or {})
    if given and captures:
        raise UsageError("Give the captures either as one point or as --at NAME=CAPTURE for each point, not both.")
    if not given:
        given = {POINT: captures}
    points: dict[str, list[capture.CaptureFile]] = {}
    notices: list[Notice] = []
    taken: set[str] = set()
    for point, paths in given.items():
        inputs = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        if not inputs:
            raise UsageError("No capture was given: name a file, a folder or a pattern such as 'dumps/*.pcap'.")
        files, left_out = capture.find(inputs)
        notices.extend(left_out)
        points[point] = [replace(f, name=f"{point}:{f.name}") if f.name in taken else f for f in files]
        taken.update(f.name for f in files)
    return points, notices


def moment_of(text: str | pd.Timestamp) -> pd.Timestamp:
    """Return a time in UTC; without a zone it is read as UTC. Raises UsageError for what is no time."""
    try:
        moment = pd.Timestamp(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a time; write it as 2026-11-20T09:30:00Z or 2026-11-20 18:30:00+09:00."
        ) from error
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


def address_of(text: str) -> str:
    """Return an address as the tables write it. Raises UsageError for what is none."""
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError as error:
        raise UsageError(f"{text!r} is no IP address; captures know no names of hosts.") from error


def zone_of(name: str) -> tzinfo:
    """Return a time zone by IANA name or offset. Raises UsageError for what is neither."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        pass
    try:
        offset = datetime.strptime(name.replace("Z", "+0000"), "%z").utcoffset()
    except ValueError:
        offset = None
    if offset is None:
        raise UsageError(f"{name!r} is no time zone; write a name such as Asia/Tokyo or an offset such as +09:00.")
    return timezone(offset)


def only(endings: pd.DataFrame, around: pd.Timestamp | None, host: str | None, port: int | None) -> pd.DataFrame:
    """Return the endings that were asked for."""
    keep = pd.Series(True, index=endings.index)
    if around is not None:
        keep &= (endings["time"] - around).abs() <= pd.Timedelta(seconds=AROUND)
    if host is not None:
        keep &= (endings["client_ip"] == host) | (endings["server_ip"] == host)
    if port is not None:
        keep &= (endings["client_port"] == port) | (endings["server_port"] == port)
    return endings[keep].reset_index(drop=True)


def not_asked(everything: pd.DataFrame, judged: pd.DataFrame) -> list[Notice]:
    """Return the notice about endings that were left out because others were asked for."""
    count = len(everything) - len(judged)
    if not count:
        return []
    sentence = say(
        "Of {all:,} connections that ended badly, {n:,} are outside what was asked for (around, host, port).",
        all=len(everything),
        n=count,
    )
    return [Notice("info" if len(judged) else "warning", "", "", sentence)]


def open_given(given: Any) -> tuple[list[pd.DataFrame], list[logs.LogSource]]:
    """Return the logs that are tables, and the opened files: a missing one is told before the captures are read."""
    items = [given] if isinstance(given, str | os.PathLike | pd.DataFrame) else list(given)
    tables = [item for item in items if isinstance(item, pd.DataFrame)]
    return tables, logs.open_logs([item for item in items if not isinstance(item, pd.DataFrame)])


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
