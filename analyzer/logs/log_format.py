"""What a log format is: data with samples that test themselves.

Lives here: `LogFormat`, `Message`, `Sample`, `Head`, and how they are written as data (`messages_of`, `samples_of`); nothing that reads logs.
A format is one file of this package with a module-level `FORMAT`; it imports only this module and data beside it.
Never here: a product's name, a time stamp, an encoding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

# A message whose event depends on the system's error text, which its pattern captures as group `error`.
BY_ERROR = "by error"

Verified = Literal["lab", "source", "docs", "third_party", "unverified"]
Writer = Literal["server", "client", "unknown"]


@dataclass(frozen=True)
class Message:
    """One thing that a program says.

    id        unique within the format; translations of one text share it
    event     one of `schema.EVENTS`, or BY_ERROR
    pattern   regular expression; named groups among client_ip, client_port, server_ip, server_port, server_name (a host or an
              address), pid, user, database, error
    literals  texts of at least four bytes; at least one stands wherever the pattern matches, as it does in the pattern: they are
              looked for first
    proves    what such a line proves and what it cannot tell, one sentence
    writer    which end of the connection writes it
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
    """

    body: int
    exclusive: bool = False
    continued: bool = False
    severity: str | None = None
    pid: int | None = None
    session: str | None = None
    client_ip: str | None = None
    client_port: int | None = None
    user: str | None = None
    database: str | None = None


@dataclass(frozen=True)
class LogFormat:
    """One program's way of logging.

    id        file name of the format
    rank      formats are asked in this order; a general one comes last
    head      reads what stands before the message; None when the entry is not of this format
    anchored  messages start at the head's body; else they may stand anywhere in the entry
    """

    id: str
    title: str
    reference: str
    messages: tuple[Message, ...]
    samples: tuple[Sample, ...]
    head: Callable[[str], Head | None]
    anchored: bool
    rank: int = 0


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
