"""What a log format is: data with samples that test themselves.

Lives here: `LogFormat`, `Message`, `Sample`, `Head`, and how they are written as data (`data_beside`, `messages_of`, `samples_of`); nothing
that reads logs. A format is one file of `formats/` with a module-level `FORMAT`; it imports only this module and data beside it.
Never here: a product's name, a time stamp, an encoding.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

# A message whose event depends on the system's error text, which its pattern captures as group `error`.
BY_ERROR = "by error"
# What an event says that was read from an error text.
ERROR_SENTENCES = {
    "reset_received": "the writer's kernel had received a reset",
    "reset_or_eof": "the connection was gone; whether by FIN or by reset the text does not tell",
    "broken_pipe": "the writer wrote to a connection that was already closed or reset",
    "aborted_locally": "the writer's own stack gave the connection up; nothing says that a reset arrived",
    "timed_out": "no answer came; nothing says that a reset arrived",
    "refused": "a reset answered the writer's SYN",
    "port_in_use": "another socket has that address and port, so the program does not listen there, and may be why others are refused",
    "connect_failed": "whether it was refused or nobody answered is not told",
    "unreachable": "the network said that there is no way to the peer",
    "unexpected_end": "the stream ended early",
    "protocol_error": "what the peer sent was not accepted; nothing says that a reset arrived",
}
_LEVEL = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|SEVERE|CRITICAL|FATAL|PANIC|crit|error|warn|info|notice|alert|emerg)\b"
)
_PID = re.compile(r"\b\w{1,40}\[(\d{1,10})\]:|^\S{8,30} \S{5,20} \[(\d{1,10})\]|\] (\d{1,10})#\d{1,10}: ")
_LEVELS = {"warn": "WARNING", "crit": "CRITICAL", "emerg": "EMERGENCY"}

Verified = Literal["lab", "source", "docs", "third_party", "unverified"]
Writer = Literal["server", "client", "unknown"]
Leg = Literal["client", "server"]


@dataclass(frozen=True)
class Message:
    """One thing that a program says.

    id        unique within the format; translations of one text share it
    event     one of `schema.EVENTS`, or BY_ERROR
    pattern   regular expression; named groups among client_ip, client_port, server_ip, server_port, server_name (a host or an
              address), pid, session, user, database, error, reason; or local_ip, local_port, remote_ip, remote_port (the writer's own end and
              the other one), or source_ip, source_port, destination_ip, destination_port (of a packet that an onlooker saw): which of the two
              is the server is then read from the ports
    literals  texts of at least four bytes; at least one stands wherever the pattern matches, as it does in the pattern: they are
              looked for first; a newline is the end of the entry's line
    proves    what such a line proves and what it cannot tell, one sentence
    writer    which end of the connection writes it
    leg       where one entry of a proxy speaks of both its connections: 'client' for the one that its client opened, 'server' for the one
              that it opened itself. The first message that fits counts for each; what the head says of the client is of the first alone
    verified  how well the text is known: reproduced, read in the program's source, documented, seen elsewhere, or unverified
    language  of the text
    unknown_error  the event when the pattern captures an error that is no known error text; None: then the entry says nothing
    """

    id: str
    event: str
    pattern: str
    literals: tuple[str, ...]
    proves: str
    writer: Writer = "unknown"
    verified: Verified = "source"
    language: str = "en"
    unknown_error: str | None = "reset_or_eof"
    leg: Leg = "client"

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(self.pattern)


@dataclass(frozen=True)
class Sample:
    """A real entry, continuation lines included, and what must be read from it.

    message   id of the message
    event     the event it must yield
    time      RFC 3339 with Z, as read when nothing is known about the zone; None when the entry prints no time
    fields    other columns of LOG_LINES and their values; columns not named are not checked
    """

    text: str
    message: str
    event: str
    time: str | None = None
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Head:
    """What stands before an entry's message.

    body       where the message starts; time stamps are looked for before it
    exclusive  no other format may read the entry, even if no message of this one fits
    continued  the entry only explains another one: it says nothing of its own
    elapsed    seconds from the printed time to what the message says, where a program prints when a request began and how long it took
    """

    body: int
    exclusive: bool = False
    continued: bool = False
    elapsed: float = 0.0
    severity: str | None = None
    pid: int | None = None
    session: str | None = None
    client_ip: str | None = None
    client_port: int | None = None
    server_ip: str | None = None
    server_port: int | None = None
    user: str | None = None
    database: str | None = None


@dataclass(frozen=True)
class LogFormat:
    """One program's way of logging.

    id        file name of the format
    reference where the writer's own documentation says what its lines mean
    head      reads what stands before the message; None when the entry is not of this format. It sees the entry alone, as the program
              wrote it: what a collector puts around it (syslog, journald, Docker, Kubernetes) has been taken off
    anchored  messages start at the head's body, and the head sees the entry's first line; else both see the whole entry on one line, and
              messages may stand anywhere in it
    rank      formats are asked in this order: 0 for a program whose head is its own, 5 for what may stand in any log (a language's
              runtime, a library), 9 for the general one
    programs  names under which a collector knows the program: where it says one, that format is asked first
    utc       the program prints UTC without saying so
    """

    id: str
    title: str
    reference: str
    messages: tuple[Message, ...]
    samples: tuple[Sample, ...]
    head: Callable[[str], Head | None]
    anchored: bool
    rank: int = 0
    programs: tuple[str, ...] = ()
    utc: bool = False


@dataclass(frozen=True)
class Told:
    """One message, and real entries that hold it."""

    message: Message
    samples: tuple[Sample, ...]


def told(
    id: str,
    event: str,
    pattern: str,
    literals: tuple[str, ...],
    proves: str,
    samples: Mapping[str, Mapping[str, object]],
    *,
    writer: Writer = "unknown",
    verified: Verified = "source",
    language: str = "en",
    unknown_error: str | None = None,
) -> Told:
    """A message with its samples: text -> columns that must be read from it, `event` among them where it is not the message's own."""
    message = Message(id, event, pattern, literals, proves, writer, verified, language, unknown_error)
    return Told(
        message,
        tuple(Sample(text, id, str(columns.get("event", event)), None, columns) for text, columns in samples.items()),
    )


def all_samples(told: Iterable[Told], prefix: str = "", time: str | None = None) -> tuple[Sample, ...]:
    """The samples of all, `prefix` before each text: what programs that use a library print before its words."""
    return tuple(replace(sample, text=prefix + sample.text, time=time) for one in told for sample in one.samples)


def usual_head(text: str) -> Head:
    """What most programs print somewhere before a message: the level, and a process id in brackets."""
    start = text[:200]
    level, pid = _LEVEL.search(start), _PID.search(start)
    name = level[1] if level else None
    return Head(
        body=0,
        severity=_LEVELS.get(name.lower(), name.upper()) if name else None,
        pid=int(next(filter(None, pid.groups()))) if pid else None,
    )


def end(name: str) -> str:
    """Pattern of an address and its port, as groups `name`_ip and `name`_port; IPv6 with brackets or without."""
    ip, port = rf"(?P<{name}_ip>[0-9A-Fa-f.:]{{2,45}}?)", rf"(?P<{name}_port>\d{{1,5}})(?!\d|:\S)"
    return rf"(?P<{name}_bracket>\[)?{ip}(?({name}_bracket)\]):{port}"


def data_beside(module: str) -> dict[str, Any]:
    """What the JSON file of the same name beside a format's module holds; `module` is its ``__file__``."""
    data: dict[str, Any] = json.loads(Path(module).with_suffix(".json").read_text(encoding="utf-8"))
    return data


def messages_of(entries: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Messages from data: each entry is one meaning (id, event, proves, writer) with `texts` (language, verified, pattern, literals)."""
    return tuple(
        Message(
            id=entry["id"],
            event=entry["event"],
            pattern=text["pattern"],
            literals=tuple(text["literals"]),
            proves=entry["proves"],
            writer=entry["writer"],
            verified=text["verified"],
            language=text["language"],
            unknown_error=entry.get("unknown_error", "reset_or_eof"),
        )
        for entry in entries
        for text in entry["texts"]
    )


def samples_of(entries: Iterable[Mapping[str, Any]]) -> tuple[Sample, ...]:
    """The `samples` of the same data (text, event, fields, and time where it is checked)."""
    return tuple(
        Sample(sample["text"], entry["id"], sample["event"], sample.get("time"), sample["fields"])
        for entry in entries
        for text in entry["texts"]
        for sample in text["samples"]
    )
