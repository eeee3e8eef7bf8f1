"""Log bytes -> LOG_LINES, in one pass, without holding a file.

Lives here: what is read from which source, and the row of each entry. A line that holds none of the known texts costs a look of the literal
filter and nothing else.
Never here: where an entry begins (entries.py), what it says (recognition.py), or which connection a process served (processes.py).
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, BinaryIO

import pandas as pd

from analyzer.errors import Notice
from analyzer.language import joined, say, say_many
from analyzer.logs import encodings, packing
from analyzer.logs.clock import Clock
from analyzer.logs.entries import Entry, entries
from analyzer.logs.peeling import Line, unwrap
from analyzer.logs.processes import add_addresses
from analyzer.logs.recognition import raw_filter, recognise, score
from analyzer.schema import LOG_LINES, LOG_SOURCES

_EITHER_WAY = re.compile(r"(?<!\d)\d{1,2}[/.]\d{1,2}[/.]\d{4},? \d{1,2}:\d\d")
ENTRIES_LIMIT = 1_000_000  # recognised entries of one source: about 2 GB of memory


@dataclass(frozen=True)
class LogSource:
    """One log, opened.

    name      as shown to the user
    data      bytes, or a binary file, which is read once and closed
    timezone  of stamps that print none, for this source alone
    host      the machine that wrote it (an address, 'client' or 'server'), as told
    log       the log that it is a part of, where rotation made several files of one; None: it stands alone
    """

    name: str
    data: bytes | BinaryIO
    timezone: tzinfo | None = None
    host: str | None = None
    log: str | None = None


@dataclass
class _Tally:
    decoder: encodings.LineDecoder
    lines: int = 0
    recognised: Counter[str] = field(default_factory=Counter)
    not_understood: list[int] = field(default_factory=list)  # the first of them
    not_understood_entries: int = 0
    timeless: list[int] = field(default_factory=list)  # the first of them
    timeless_entries: int = 0
    two_ways: int = 0  # of these, that print a date whose order of day and month depends on a language
    cut: int = 0  # the line after which nothing was read, because there was too much
    broken: str = ""  # why reading stopped before the end


def read_logs(
    sources: Sequence[LogSource], *, timezone: tzinfo | None = None, year: int | None = None
) -> tuple[pd.DataFrame, list[Notice]]:
    """Everything in the sources that a format recognises, as LOG_LINES, in the order of sources and lines.

    timezone  of stamps that print no zone; None leaves them unknown (read as UTC)
    year      of stamps that print none; None takes the current one. A step back of half a year within a source begins the next year.

    A source in which nothing was recognised yields a notice, not an error.
    """
    lines, _, notices = read_sources(sources, timezone=timezone, year=year)
    return lines, notices


def read_sources(
    sources: Sequence[LogSource], *, timezone: tzinfo | None = None, year: int | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, list[Notice]]:
    """The same as LOG_LINES, with what was recognised in each source as LOG_SOURCES."""
    rows: list[dict[str, Any]] = []
    summaries: list[dict[str, Any]] = []
    by_log: dict[tuple[str, str | None], list[list[dict[str, Any]]]] = {}
    notices: list[Notice] = []
    for source in sources:
        tally = _Tally(encodings.LineDecoder(score))
        clock = Clock(source.timezone or timezone, year or datetime.now(tz=UTC).year)
        stream = io.BytesIO(source.data) if isinstance(source.data, bytes) else source.data
        with stream:
            found = sorted(_rows(source.name, stream, clock, tally), key=lambda row: int(row["line"]))
        for row in found:
            row |= {"log": source.log, "writer_host": source.host}
        by_log.setdefault((source.log or source.name, source.host), []).append(found)
        rows += found
        summaries.append(_summary(source.name, found, tally))
        notices += _notices(source.name, tally)
    for parts in by_log.values():  # a process goes on from one file of a rotated log to the next
        parts.sort(key=lambda part: part[0]["written"] if part else pd.Timestamp.max.tz_localize("UTC"))
        add_addresses([row for part in parts for row in part])
    lines = LOG_LINES.conform(pd.DataFrame(rows, columns=list(LOG_LINES.columns), dtype=object))
    return lines, LOG_SOURCES.of(summaries), notices


def _summary(name: str, rows: list[dict[str, Any]], tally: _Tally) -> dict[str, Any]:
    times = [row["written"] for row in rows]
    return {
        "source": name,
        "lines": tally.lines,
        "entries": tally.recognised.total(),
        "formats": dict(tally.recognised.most_common()),
        "events": dict(Counter(row["event"] for row in rows).most_common()),
        "envelopes": ", ".join(sorted({row["envelope"] for row in rows if row["envelope"]})) or None,
        "encodings": ", ".join(sorted(tally.decoder.used)) or None,
        "first": min(times, default=None),
        "last": max(times, default=None),
        "zones": ", ".join(sorted({row["zone"] for row in rows})) or None,
        "timeless": tally.timeless_entries,
        "not_understood": tally.not_understood_entries,
        "not_understood_lines": tally.not_understood,
    }


def _rows(name: str, stream: BinaryIO, clock: Clock, tally: _Tally) -> Iterator[dict[str, Any]]:
    for entry in entries(_counted(encodings.blocks(stream), tally), _positions, tally.decoder.decode):
        yield from _entry(name, entry, clock, tally)
        if tally.recognised.total() >= ENTRIES_LIMIT:
            tally.cut = entry.number
            return


def _counted(blocks: Iterable[bytes], tally: _Tally) -> Iterator[bytes]:
    """The blocks, as far as the file can be read."""
    try:
        for block in blocks:
            tally.lines += block.count(b"\n") + (not block.endswith(b"\n"))
            yield block
    except packing.ERRORS as error:
        tally.broken = str(error)


def _positions(block: bytes) -> list[int]:
    return [position for position, _ in raw_filter().find(block)]


def _entry(name: str, entry: Entry, clock: Clock, tally: _Tally) -> Iterator[dict[str, Any]]:
    """The rows of one entry: one, or two where a proxy speaks of both its connections."""
    rows = recognise(entry.first, entry.lines, clock.year)
    if rows is None:
        tally.not_understood_entries += 1
        if len(tally.not_understood) < 5:
            tally.not_understood.append(entry.number)
    if not rows:
        return
    stamp = rows[0]["stamp"]
    if stamp is None:
        tally.timeless_entries += 1
        tally.two_ways += bool(_EITHER_WAY.search(entry.lines[0][:200]))
        if len(tally.timeless) < 5:
            tally.timeless.append(entry.number)
        return
    written, zone = clock.read(stamp)
    written += round(rows[0]["elapsed"] * 1e9)
    tally.recognised[rows[0]["format"]] += 1
    for row in rows:
        del row["stamp"], row["elapsed"]
        yield row | {
            "source": name,
            "line": entry.number,
            "written": pd.Timestamp(written, unit="ns", tz="UTC"),
            "zone": zone,
            "resolution": stamp.resolution / 1e9,
        }


def recognise_text(text: str) -> dict[str, Any] | None:
    """The fields of one message whose time is known from elsewhere; it may lack what its writer prints before it."""
    first, *others = [encodings.clean(part) for part in text[: encodings.LINE_LIMIT].split("\n")]
    line = unwrap(Line(first), str)
    lines = [*line.text.split("\n"), *others]
    row = next(iter(recognise(line, lines, 1970, bare=True) or []), None)
    if row is not None:
        del row["stamp"], row["elapsed"]
    return row


def _notices(name: str, tally: _Tally) -> Iterator[Notice]:
    if tally.broken:
        sentence = say(
            "The file could not be read to its end ({error}): what came before was read.", error=tally.broken
        )
        yield Notice("warning", name, "", sentence)
    if tally.cut:
        sentence = say(
            "More than {n:,} entries speak of connections: what follows line {line:,} was not read. Cut the log to the time of the capture.",
            n=ENTRIES_LIMIT,
            line=tally.cut,
        )
        yield Notice("warning", name, "", sentence)
    if not tally.lines:
        yield Notice("warning", name, "", say("The log is empty."))
        return
    if tally.timeless:
        places = ", ".join(map(str, tally.timeless))
        yield Notice(
            "warning", name, f"line {places}",
            say_many("{n} entry speaks of a connection but prints no time, and was left out.",
                     "{n} entries speak of a connection but print no time, and were left out.", tally.timeless_entries),
        )  # fmt: skip
    if tally.two_ways:
        sentence = say(
            "Dates such as 5/1/2024 are the first of May or the fifth of January: export the log with dates as 2024-05-01, or Windows events as XML "
            "(wevtutil qe LOG /f:xml)."
        )
        yield Notice("warning", name, "", sentence)
    recognised = sum(tally.recognised.values())
    if not recognised:
        yield Notice(
            "warning",
            name,
            "",
            say("Nothing in {n:,} lines was recognised as speaking of a connection.", n=tally.lines),
        )
        return
    kinds = ", ".join(f"{count:,} {name}" for name, count in tally.recognised.most_common())
    sentence = say(
        "{lines:,} lines read, {entries:,} entries recognised ({kinds}).",
        lines=tally.lines,
        entries=recognised,
        kinds=kinds,
    )
    if tally.decoder.used:
        sentence = joined([sentence, say("Decoded as {encodings}.", encodings=", ".join(sorted(tally.decoder.used)))])
    yield Notice("info", name, "", sentence)
