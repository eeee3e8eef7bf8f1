"""Log bytes -> LOG_LINES, in one pass, without holding a file.

Lives here: blocks of bytes, the literal filter, the entries around what it found, and the row of each entry. A line that holds none of
the known texts costs a table look-up per byte and nothing else.
Never here: what a program says (one format, one file), or which connection a process served (processes.py).
"""

from __future__ import annotations

import importlib
import io
import pkgutil
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Any, BinaryIO

import pandas as pd

from analyzer.errors import Notice
from analyzer.language import joined, say, say_many
from analyzer.logs import encodings, formats, timestamps
from analyzer.logs.addresses import Ends, address, ends_named, two_ends
from analyzer.logs.error_texts import EVENT_SENTENCES, error_event
from analyzer.logs.log_format import BY_ERROR, Head, LogFormat, Message
from analyzer.logs.prefilter import LiteralFilter
from analyzer.logs.processes import add_addresses
from analyzer.schema import LOG_LINES

TEXT_LIMIT = 2000  # characters of an entry's first line that are kept
ENTRY_LIMIT = 200  # lines of one entry
_STARTS = re.compile(
    rb"(?=\S)(?=[^\n]{0,512}?(?:\d:\d\d:\d\d|\b1\d{9}))"
)  # a line without a time of day belongs to the one before it


@dataclass(frozen=True)
class LogSource:
    """One log, opened.

    name      as shown to the user
    data      bytes, or a binary file, which is read once and closed
    timezone  of stamps that print none, for this source alone
    """

    name: str
    data: bytes | BinaryIO
    timezone: tzinfo | None = None


@dataclass
class _Tally:
    lines: int = 0
    recognised: Counter[str] = field(default_factory=Counter)
    timeless: list[int] = field(default_factory=list)
    decoder: encodings.LineDecoder | None = None


@cache
def all_formats() -> tuple[LogFormat, ...]:
    """The `FORMAT` of each module in `formats/`, by rank, then id."""
    found = (
        importlib.import_module(f"{formats.__name__}.{module.name}").FORMAT
        for module in pkgutil.iter_modules(formats.__path__)
    )
    return tuple(sorted(found, key=lambda f: (f.rank, f.id)))


@dataclass(frozen=True)
class _Index:
    """The filter, and for each of its literals the messages that could stand there, by format."""

    literals: LiteralFilter
    messages: Mapping[int, tuple[tuple[int, int], ...]]  # literal -> (format number, message number)
    words: tuple[str, ...]


@cache
def _index() -> _Index:
    owners: dict[bytes, list[tuple[int, int]]] = {}
    words = set()
    for f, log_format in enumerate(all_formats()):
        for m, message in enumerate(log_format.messages):
            for literal in message.literals:
                words.add(literal)
                for encoding in ("utf-8", *encodings.BY_LANGUAGE.get(message.language, ("cp1252",))):
                    data = literal.encode(encoding, "ignore") if encoding == "cp1252" else _encode(literal, encoding)
                    if len(data) >= 4:
                        owners.setdefault(data, []).append((f, m))
    literals = LiteralFilter(owners)
    return _Index(
        literals, {n: tuple(dict.fromkeys(owners[data])) for n, data in enumerate(literals.literals)}, tuple(words)
    )


def _encode(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return b""


def _score(text: str) -> int:
    return sum(len(word) for word in _index().words if word in text)


def read_logs(
    sources: Sequence[LogSource], *, timezone: tzinfo | None = None, year: int | None = None
) -> tuple[pd.DataFrame, list[Notice]]:
    """Everything in the sources that a format recognises, as LOG_LINES, in the order of sources and lines.

    timezone  of stamps that print no zone; None leaves them unknown (read as UTC)
    year      of stamps that print none; None takes the current one. A step back of half a year within a source begins the next year.

    A source in which nothing was recognised yields a notice, not an error.
    """
    rows: list[dict[str, Any]] = []
    notices: list[Notice] = []
    for source in sources:
        tally = _Tally(decoder=encodings.LineDecoder(_score))
        clock = Clock(source.timezone or timezone, year or datetime.now(tz=UTC).year)
        stream = io.BytesIO(source.data) if isinstance(source.data, bytes) else source.data
        with stream:
            found = list(_rows(source.name, stream, clock, tally))
        add_addresses(found)
        rows += found
        notices += _notices(source.name, tally)
    return LOG_LINES.conform(pd.DataFrame(rows, columns=list(LOG_LINES.columns), dtype=object)), notices


class Clock:
    """Turns stamps of one source into UTC: the zone given, the missing year, and the hour that daylight saving repeats."""

    def __init__(self, timezone: tzinfo | None, year: int) -> None:
        self.timezone, self.year = timezone, year
        self._previous: int | None = None

    def read(self, stamp: timestamps.Stamp, *, utc: bool = False) -> tuple[int, str]:
        """Nanoseconds since 1970 and 'printed', 'given' or 'unknown'; `utc`: the writer's stamps are UTC, printed or not."""
        if stamp.zoned:
            return stamp.nanoseconds, "printed"
        nanoseconds = stamp.nanoseconds
        if not stamp.year_printed and self._previous is not None and self._previous - nanoseconds > 180 * 86400 * 10**9:
            self.year += 1
            nanoseconds += (
                int(timedelta(days=366 if _leap_between(nanoseconds, self.year) else 365).total_seconds()) * 10**9
            )
        if self.timezone is not None and not utc:
            nanoseconds = self._utc(nanoseconds, self.timezone)
        self._previous = nanoseconds
        return nanoseconds, "printed" if utc else "unknown" if self.timezone is None else "given"

    def _utc(self, nanoseconds: int, zone: tzinfo) -> int:
        local = datetime(1970, 1, 1) + timedelta(seconds=nanoseconds // 10**9)
        first, second = (nanoseconds - _offset(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
        if second > first and self._previous is not None and self._previous > first:
            return second
        return first


def _offset(moment: datetime) -> int:
    return int((moment.utcoffset() or timedelta()).total_seconds()) * 10**9


def _leap_between(nanoseconds: int, next_year: int) -> bool:
    """Whether 29 February lies between this moment and the same date in `next_year`."""
    moment = datetime(1970, 1, 1) + timedelta(seconds=nanoseconds // 10**9)
    february = next_year if moment.month > 2 else moment.year
    return february % 4 == 0 and (february % 100 != 0 or february % 400 == 0)


def _rows(name: str, stream: BinaryIO, clock: Clock, tally: _Tally) -> Iterator[dict[str, Any]]:
    for block in _whole_entries(encodings.blocks(stream)):
        yield from _block(name, block, clock, tally)
        tally.lines += block.count(b"\n") + (not block.endswith(b"\n"))


def _whole_entries(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same blocks, lines that continue the last entry of one block moved into it from the next."""
    held = b""
    for block in blocks:
        if held:
            position = 0
            for _ in range(ENTRY_LIMIT):
                if position >= len(block) or _STARTS.match(block, position):
                    break
                position = _next_line(block, position)
            held, block = held + block[:position], block[position:]
            if not block:
                continue
            yield held
        held = block
    if held:
        yield held


def _block(name: str, block: bytes, clock: Clock, tally: _Tally) -> Iterator[dict[str, Any]]:
    """The rows of the entries of `block` that hold a known text."""
    index = _index()
    hits = index.literals.find(block)
    line, counted, done, number = tally.lines + 1, 0, 0, 0
    while number < len(hits):
        if hits[number][0] < done:
            number += 1
            continue
        first = _entry_start(block, hits[number][0], done)
        done = _entry_end(block, hits[number][0])
        line += block.count(b"\n", counted, first)
        counted = first
        literals = set()
        while number < len(hits) and hits[number][0] < done:
            literals.add(hits[number][1])
            number += 1
        yield from _entry(name, line, block[first:done], literals, clock, tally)


def _entry_start(block: bytes, position: int, floor: int) -> int:
    """Where the entry begins that holds `position`, not before `floor`: a line without a time of day continues the one before it."""
    line = start = block.rfind(b"\n", 0, position) + 1
    for _ in range(ENTRY_LIMIT):
        if _STARTS.match(block, start):
            return start
        if start <= floor:
            break
        start = block.rfind(b"\n", 0, start - 1) + 1
    return line


def _entry_end(block: bytes, position: int) -> int:
    for _ in range(ENTRY_LIMIT):
        position = _next_line(block, position)
        if position >= len(block) or _STARTS.match(block, position):
            break
    return position


def _next_line(block: bytes, position: int) -> int:
    newline = block.find(b"\n", position)
    return len(block) if newline < 0 else newline + 1


def _entry(
    name: str, line: int, entry: bytes, literals: set[int], clock: Clock, tally: _Tally
) -> Iterator[dict[str, Any]]:
    """The rows of one entry: one, or two where a proxy speaks of both its connections."""
    assert tally.decoder is not None
    lines = [tally.decoder.decode(part) for part in entry.removesuffix(b"\n").split(b"\n")]
    candidates = sorted({pair for literal in literals for pair in _index().messages[literal]})
    rows = _recognise(lines, candidates, clock.year)
    if not rows:
        return
    stamp = rows[0]["stamp"]
    if stamp is None:
        tally.timeless.append(line)
        return
    written, zone = clock.read(stamp, utc=rows[0]["utc"])
    written += round(rows[0]["elapsed"] * 1e9)
    tally.recognised[rows[0]["format"]] += 1
    for row in rows:
        for name_ in ("stamp", "utc", "elapsed"):
            del row[name_]
        yield row | {
            "source": name,
            "line": line,
            "text": _shown(lines[0]),
            "written": pd.Timestamp(written, unit="ns", tz="UTC"),
            "zone": zone,
            "resolution": stamp.resolution / 1e9,
        }


def recognise_text(text: str) -> dict[str, Any] | None:
    """The fields of one message whose time is known from elsewhere; it may lack what its writer prints before it."""
    lines = [encodings.clean(part) for part in text[: encodings.LINE_LIMIT].split("\n")]
    index = _index()
    hits = {literal for _, literal in index.literals.find("\n".join(lines).encode("utf-8", "replace"))}
    candidates = sorted({pair for literal in hits for pair in index.messages[literal]})
    row = next(iter(_recognise(lines, candidates, 1970, bare=True)), None)
    if row is not None:
        for name in ("stamp", "utc", "elapsed"):
            del row[name]
        row["text"] = _shown(lines[0])
    return row


def _shown(line: str) -> str:
    return line[:TEXT_LIMIT].replace("\t", " ")


def _recognise(
    lines: list[str], candidates: Sequence[tuple[int, int]], year: int, bare: bool = False
) -> list[dict[str, Any]]:
    """Format, message and fields of an entry; its 'stamp' among them (None where it prints no time), with 'utc' and 'elapsed'.

    One row, two where a proxy speaks of both its connections, none where nothing is known. `bare`: a head may be missing.
    """
    flat = " ".join(part.strip() for part in lines)[: encodings.LINE_LIMIT]
    shift = len(lines[0]) - len(lines[0].lstrip())
    for f, log_format in enumerate(all_formats()):
        wanted = [log_format.messages[m] for g, m in candidates if g == f]
        if not wanted:
            continue
        head = log_format.head(lines[0].strip() if log_format.anchored else flat) or (Head(body=0) if bare else None)
        if head is None:
            continue
        if head.continued:
            return []
        found: dict[str, tuple[Message, str, re.Match[str]]] = {}
        for message in wanted:
            if message.leg in found:
                continue
            match = message.regex.match(flat, head.body) if log_format.anchored else message.regex.search(flat)
            event = _event(message, match) if match else None
            if match and event:
                found[message.leg] = message, event, match
        if found:
            end = head.body + shift if log_format.anchored else timestamps.REACH
            # some programs print an entry's time below its first line
            stamp = timestamps.find(lines[0], year, end) or timestamps.find(flat, year)
            time = {"stamp": stamp, "utc": log_format.utc, "elapsed": head.elapsed}
            return [
                _said(log_format, message, event)
                | _head_fields(head, message)
                | time
                | _named(message, match, head, None if log_format.anchored else flat)
                for message, event, match in found.values()
            ]
        if head.exclusive:
            return []
    return []


def _event(message: Message, match: re.Match[str]) -> str | None:
    return (error_event(match["error"]) or message.unknown_error) if message.event == BY_ERROR else message.event


def _said(log_format: LogFormat, message: Message, event: str) -> dict[str, Any]:
    proves = message.proves
    if message.event == BY_ERROR:
        proves = f"{proves}: {EVENT_SENTENCES[event]}"
    if message.verified == "unverified":
        proves += " (this wording is not verified)"
    return {
        "format": log_format.id,
        "message": message.id,
        "event": event,
        "proves": proves[0].upper() + proves[1:] + ".",
        "verified": message.verified,
        "writer": message.writer,
    }


def _head_fields(head: Head, message: Message) -> dict[str, Any]:
    names = ("severity", "pid", "session", "user", "database")
    fields = {name: getattr(head, name) for name in names}
    if message.leg == "server":  # what the proxy's two connections have in common must not give one the other's address
        fields |= {"pid": None, "session": f"{head.session} upstream" if head.session else None}
    return fields


def _named(message: Message, match: re.Match[str], head: Head, text: str | None) -> dict[str, Any]:
    """What the message names, and its head; where neither names an end, any ends in `text`."""
    group = {name: value for name, value in match.groupdict().items() if value}
    out: dict[str, Any] = {name: group[name] for name in ("user", "database", "session") if name in group}
    if "pid" in group:
        out |= {"pid": int(group["pid"]), "session": None}  # the line is about another process than its writer
    ends = _ends(message, group, head)
    if "local_ip" in group:
        ends, out["writer"] = two_ends(_end(group, "local"), _end(group, "remote"), message.writer)
    elif "source_ip" in group:
        ends, _ = two_ends(_end(group, "source"), _end(group, "destination"), message.writer)
    elif ends == Ends() and text is not None:
        ends, out["writer"] = ends_named(text, message.writer)
    out |= {
        "client_ip": ends.client_ip,
        "client_port": ends.client_port,
        "server_ip": ends.server_ip,
        "server_port": ends.server_port,
    }
    if ends.client_ip or ends.server_ip:
        out["address_basis"] = "line"
    return out


def _ends(message: Message, group: Mapping[str, str], head: Head) -> Ends:
    server, server_port = _end(group, "server")
    server = server or address(group.get("server_name"))
    client, client_port = _end(group, "client")
    if message.leg == "client" and head.client_ip and client in (None, head.client_ip) and client_port is None:
        client, client_port = head.client_ip, head.client_port
    if head.server_ip and server is None:
        server, server_port = head.server_ip, head.server_port
    return Ends(address(client), client_port, address(server), server_port if server else None)


def _end(group: Mapping[str, str], name: str) -> tuple[str | None, int | None]:
    return address(group.get(f"{name}_ip")), _port(group.get(f"{name}_port"))


def _port(text: str | None) -> int | None:
    return int(text) if text and int(text) < 65536 else None


def _notices(name: str, tally: _Tally) -> Iterator[Notice]:
    if not tally.lines:
        yield Notice("warning", name, "", say("The log is empty."))
        return
    if tally.timeless:
        places = ", ".join(map(str, tally.timeless[:5]))
        yield Notice(
            "warning", name, f"line {places}",
            say_many("{n} entry speaks of a connection but prints no time, and was left out.",
                     "{n} entries speak of a connection but print no time, and were left out.", len(tally.timeless)),
        )  # fmt: skip
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
    if tally.decoder and tally.decoder.used:
        sentence = joined([sentence, say("Decoded as {encodings}.", encodings=", ".join(sorted(tally.decoder.used)))])
    yield Notice("info", name, "", sentence)
