"""Entries -> what they say: format, message, and the fields of LOG_LINES that can be read from them.

Lives here: the formats, the literal filters over their messages, and the rules by which one of them reads an entry.
Never here: what a program says (one format, one file), or where an entry begins (entries.py).
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from typing import Any

from analyzer.logs import encodings, formats, timestamps
from analyzer.logs.addresses import Ends, address, ends_named, listening_port, two_ends
from analyzer.logs.clock import settle
from analyzer.logs.error_texts import error_event
from analyzer.logs.log_format import BY_ERROR, ERROR_SENTENCES, Head, LogFormat, Message
from analyzer.logs.peeling import Line, unwrap
from analyzer.logs.prefilter import SHORTEST, LiteralFilter

ENTRY_ENDS = 8192  # characters at the beginning and at the end of an entry that are looked at: a traceback says it last
MESSAGES_LIMIT = 64  # messages that are tried on one entry; a real one holds texts of ten at most
TEXT_LIMIT = 2000  # characters of an entry's first line that are kept
# Lines that may hold any text in a form that no literal finds: their content is looked at once it is out.
HIDDEN = (b'"MESSAGE":[', b'"MESSAGE": [', b'"MESSAGE" : [', b" stdout P ", b" stderr P ")


@cache
def all_formats() -> tuple[LogFormat, ...]:
    """The `FORMAT` of each module in `formats/`, by rank, then id."""
    found = (
        importlib.import_module(f"{formats.__name__}.{module.name}").FORMAT
        for module in pkgutil.iter_modules(formats.__path__)
    )
    return tuple(sorted(found, key=lambda f: (f.rank, f.id)))


@cache
def raw_filter() -> LiteralFilter:
    """Finds where bytes of a log may speak of a connection: every literal in every encoding and escaping that logs have."""
    forms = set(HIDDEN)
    for log_format in all_formats():
        for message in log_format.messages:
            for literal in message.literals:
                forms.update(_forms(literal, message.language))
    return LiteralFilter(sorted(form for form in forms if len(form) >= SHORTEST))


def _forms(literal: str, language: str) -> Iterator[bytes]:
    escaped = json.dumps(literal)[1:-1]
    markup = escaped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")  # as Go writes JSON
    for text in (literal, escaped, json.dumps(literal, ensure_ascii=False)[1:-1], markup, escape(literal)):
        yield text.encode("utf-8")
    for encoding in encodings.BY_LANGUAGE.get(language, ("cp1252",)):
        try:
            yield literal.encode(encoding)
        except UnicodeEncodeError:
            continue


@dataclass(frozen=True)
class _Index:
    """The filter over text, and for each of its literals the messages that could stand there, by format."""

    literals: LiteralFilter
    messages: tuple[tuple[tuple[int, int], ...], ...]  # literal -> (format number, message number)


@cache
def _index() -> _Index:
    owners: dict[bytes, dict[tuple[int, int], None]] = {}
    for f, log_format in enumerate(all_formats()):
        for m, message in enumerate(log_format.messages):
            for literal in message.literals:
                owners.setdefault(literal.encode("utf-8"), {})[(f, m)] = None
    literals = LiteralFilter(owners)
    return _Index(literals, tuple(tuple(owners[data]) for data in literals.literals))


def score(text: str) -> int:
    """How much of a text is known: chooses between encodings that all accept the bytes."""
    index = _index()
    return sum(
        len(index.literals.literals[number]) for _, number in index.literals.find(text.encode("utf-8", "replace"))
    )


def recognise(first: Line, lines: list[str], year: int, *, bare: bool = False) -> list[dict[str, Any]] | None:
    """Format, message and fields of an entry; its 'stamp' among them (None where it prints no time), and 'elapsed'.

    first  the entry's first line and what its envelopes say
    lines  the entry's lines, as their program wrote them
    bare   what a program prints before a message may be missing

    One row, two where a proxy speaks of both its connections, none where a program says nothing of a connection; None where nobody reads
    it. A program's own format is asked first; then an entry that is fields (JSON, logfmt) is taken apart; then what may stand in any log.
    """
    flat = _flat(lines)
    rows = _read(first, lines, flat, _candidates(flat, first.program, own=True), year, bare)
    if rows is None and _claimed(lines, flat):
        return []
    if rows is None:
        taken_out = unwrap(replace(first, text="\n".join(lines)), str, fields=True)
        if taken_out.envelopes != first.envelopes:
            return recognise(taken_out, taken_out.text.split("\n"), year, bare=bare)
        if first.more:
            lines = [*lines, *first.more.split("\n")]
            flat = _flat(lines)
        rows = _read(first, lines, flat, _candidates(flat, first.program, own=False), year, bare)
    return rows


def _flat(lines: list[str]) -> str:
    text = " ".join(part.strip() for part in lines)
    return text if len(text) <= 2 * ENTRY_ENDS else f"{text[:ENTRY_ENDS]} … {text[-ENTRY_ENDS:]}"


def _candidates(flat: str, program: str | None, *, own: bool) -> dict[int, list[Message]]:
    """The messages that could stand in a text, by number of their format, in the order in which formats are asked.

    program  as a collector names it: its format goes first
    own      of programs with a head of their own, or of all the others
    """
    index, known = _index(), all_formats()
    found = {
        pair
        for _, literal in index.literals.find(f"{flat}\n".encode("utf-8", "replace"))
        for pair in index.messages[literal]
    }
    mine = [pair for pair in found if (known[pair[0]].rank == 0) is own]
    mine.sort(key=lambda pair: (program is None or program.lower() not in known[pair[0]].programs, pair))
    wanted: dict[int, list[Message]] = {}
    for f, m in mine[:MESSAGES_LIMIT]:
        wanted.setdefault(f, []).append(known[f].messages[m])
    return wanted


def _claimed(lines: list[str], flat: str) -> bool:
    """Whether a program has an entry for its own although it says nothing in it that we know: words in it are quoted from elsewhere."""
    heads = (f.head(lines[0].strip() if f.anchored else flat) for f in all_formats() if f.rank == 0)
    return any(head is not None and (head.exclusive or head.continued) for head in heads)


def _read(
    first: Line, lines: list[str], flat: str, wanted: Mapping[int, list[Message]], year: int, bare: bool
) -> list[dict[str, Any]] | None:
    """The rows of the first format that reads the entry; None where none does, and none has it for its own."""
    shift = len(lines[0]) - len(lines[0].lstrip())
    for f, messages in wanted.items():
        log_format = all_formats()[f]
        head = log_format.head(lines[0].strip() if log_format.anchored else flat) or (Head(body=0) if bare else None)
        if head is None:
            continue
        if head.continued:
            return []
        found: dict[str, tuple[Message, str, re.Match[str]]] = {}
        for message in messages:
            if message.leg in found:
                continue
            match = message.regex.match(flat, head.body) if log_format.anchored else message.regex.search(flat)
            event = _event(message, match) if match else None
            if match and event:
                found[message.leg] = message, event, match
        if found:
            shown = (flat if first.more else lines[0])[:TEXT_LIMIT].replace("\t", " ")
            end = head.body + shift if log_format.anchored else timestamps.REACH
            # some programs print an entry's time below its first line
            stamp = timestamps.find(lines[0], year, end) or timestamps.find(flat, year)
            if stamp and log_format.utc:
                stamp = replace(stamp, zoned=True)
            collected = next(filter(None, (timestamps.find(time, year) for time in first.times)), None)
            common = {"stamp": settle(stamp, collected), "elapsed": head.elapsed if stamp else 0.0, "text": shown}
            return [
                _said(log_format, message, event)
                | _head_fields(head, message, first)
                | common
                | _named(message, match, head, None if log_format.anchored else flat)
                | (_listener(match, flat) if event == "port_in_use" else {})
                for message, event, match in found.values()
            ]
        if head.exclusive:
            return []
    return None


def _event(message: Message, match: re.Match[str]) -> str | None:
    return (error_event(match["error"]) or message.unknown_error) if message.event == BY_ERROR else message.event


def _said(log_format: LogFormat, message: Message, event: str) -> dict[str, Any]:
    proves = message.proves
    if message.event == BY_ERROR:
        proves = f"{proves}: {ERROR_SENTENCES[event]}"
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


def _head_fields(head: Head, message: Message, first: Line) -> dict[str, Any]:
    names = ("severity", "pid", "session", "user", "database")
    fields = {name: getattr(head, name) for name in names}
    fields["severity"] = head.severity or first.severity
    fields["pid"] = head.pid if head.pid is not None else first.pid
    fields |= {"host": first.host, "program": first.program, "envelope": " ".join(first.envelopes) or None}
    if message.leg == "server":  # what the proxy's two connections have in common must not give one the other's address
        fields |= {"pid": None, "session": f"{head.session} upstream" if head.session else None}
    return fields


def _named(message: Message, match: re.Match[str], head: Head, text: str | None) -> dict[str, Any]:
    """What the message names, and its head; where neither names an end, any ends in `text`."""
    group = {name: value for name, value in match.groupdict().items() if value}
    out: dict[str, Any] = {name: group[name] for name in ("user", "database", "session", "reason") if name in group}
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


def _listener(match: re.Match[str], text: str) -> dict[str, Any]:
    """What a line names that speaks of no connection, but of the port where a server wanted to listen."""
    group = match.groupdict()
    ip, port = address(group.get("server_ip")), _port(group.get("server_port")) or listening_port(text)
    nobody = {"client_ip": None, "client_port": None, "writer": "server"}
    return nobody | {"server_ip": ip, "server_port": port, "address_basis": "line" if ip or port else None}


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
    return int(text) if text and 0 < int(text) < 65536 else None
