"""What was asked for, in the program's own terms: points, moments, addresses, zones, logs.

Lives here: reading a caller's arguments, and refusing what contradicts itself. Never here: what was given (given), analysis.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone, tzinfo
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from analyzer import capture, logs
from analyzer.errors import Notice, UsageError
from analyzer.schema import NO_TIME

if TYPE_CHECKING:
    import pandas as pd

KEYLOG_AT_MOST = 64 * 1024 * 1024  # bytes of TLS secrets: some 200,000 connections

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Progress = Callable[[str, int, int], None]  # what is being done, bytes done, bytes in all

POINT = "capture"  # the name of the only capture point when it was given none
SIDES = ("client", "server")  # whose log it is, where no address is given
AROUND = timedelta(minutes=5)  # on each side of --around
# Files are read that far before and behind what is asked for: how a connection came to its end, and what followed.
LEAD, TRAIL = timedelta(minutes=15), timedelta(minutes=5)
FOREVER = 2**63 - 1  # ns since 1970

Span = tuple["pd.Timestamp | None", "pd.Timestamp | None"]  # the time that was asked for; None: open


def points_of(
    captures: Paths, at: Mapping[str, Paths] | None, span: Span = (None, None)
) -> tuple[dict[str, list[capture.CaptureFile]], list[Notice]]:
    """Return capture point -> files in time order, their names unique over all points, and what was left out.

    Of a set only the files are kept that can hold something of `span`.
    """
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
        if span != (None, None):
            begin, end = span
            first = NO_TIME if begin is None else (begin - LEAD).value
            files, others = capture.chosen(files, first, FOREVER if end is None else (end + TRAIL).value)
            left_out = [*left_out, *others]
        notices.extend(left_out)
        points[point] = [replace(f, name=f"{point}:{f.name}") if f.name in taken else f for f in files]
        taken.update(f.name for f in files)
    return points, notices


def moment_of(text: str | pd.Timestamp) -> pd.Timestamp:
    """Return a time in UTC; without a zone it is read as UTC. Raises UsageError for what is no time."""
    import pandas as pd

    try:
        moment = pd.Timestamp(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a time; write it as 2026-11-20T09:30:00Z or 2026-11-20 18:30:00+09:00."
        ) from error
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


def span_of(
    around: str | pd.Timestamp | None, since: str | pd.Timestamp | None, until: str | pd.Timestamp | None
) -> Span:
    """Return the stretch of time that was asked for. Raises UsageError where nothing can lie in it."""
    begin = None if since is None else moment_of(since)
    end = None if until is None else moment_of(until)
    if around is not None:
        moment = moment_of(around)
        begin = moment - AROUND if begin is None else max(begin, moment - AROUND)
        end = moment + AROUND if end is None else min(end, moment + AROUND)
    if begin is not None and end is not None and begin > end:
        raise UsageError("The time that was asked for ends before it begins: see --from, --to and --around.")
    return begin, end


def address_of(text: str) -> str:
    """Return an address as the tables write it. Raises UsageError for what is none."""
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError as error:
        raise UsageError(f"{text!r} is no IP address; captures know no names of hosts.") from error


def keylog_of(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a file of TLS secrets. Raises UsageError where it is none that can be read."""
    file = Path(path).absolute()
    try:
        size = file.stat().st_size if file.is_file() else None
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise UsageError(f"The TLS secrets {path} cannot be read: {error.strerror or error}.") from error
    if size is None or size > KEYLOG_AT_MOST:
        raise UsageError(
            f"The TLS secrets {path} are no file of at most {KEYLOG_AT_MOST >> 20} MB; name what SSLKEYLOGFILE wrote."
        )
    return file


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


def open_given(given: Any) -> tuple[list[pd.DataFrame], list[logs.LogSource]]:
    """Return the logs that are tables, and the opened files: a missing one is told before the captures are read."""
    items = [given] if isinstance(given, str | os.PathLike) or _is_table(given) else list(given)
    tables = [item for item in items if _is_table(item)]
    told = [log_asked(item) for item in items if not _is_table(item)]
    if not told:
        return tables, []
    hosts, zones = [host for _, host, _ in told], [zone for _, _, zone in told]
    return tables, logs.open_logs([path for path, _, _ in told], hosts=hosts, zones=zones)


def _is_table(given: Any) -> bool:
    return hasattr(given, "columns")  # known without pandas, which may not be loaded yet


def log_asked(item: str | os.PathLike[str]) -> tuple[str | os.PathLike[str], str | None, tzinfo | None]:
    """Return path, writer's host and zone of [HOST=]FILE[@ZONE]; a file of exactly that name wins, and so does one with @ in its name.

    Raises UsageError for a host that is neither an address nor 'client' or 'server', and for a zone that is none.
    """
    if not isinstance(item, str) or os.path.exists(item):
        return item, None, None
    host, equals, rest = item.partition("=")
    plain, at, zone = item.rpartition("@")
    if at and os.path.exists(plain):
        return plain, None, zone_of(zone)
    if not equals or not (host in SIDES or _is_address(host) or os.path.exists(rest.rpartition("@")[0] or rest)):
        return item, None, None
    if host not in SIDES and not _is_address(host):
        raise UsageError(f"{host!r} in --log {item} names no writer: give its IP address, or client or server.")
    writer = host if host in SIDES else address_of(host)
    plain, at, zone = rest.rpartition("@")
    if at and not os.path.exists(rest) and os.path.exists(plain):
        return plain, writer, zone_of(zone)
    return rest, writer, None


def _is_address(text: str) -> bool:
    try:
        address_of(text)
    except UsageError:
        return False
    return True
