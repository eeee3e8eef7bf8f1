"""What an envelope is: the head, or the whole wrapping, that a collector puts around a line which a program wrote.

Lives here: `Envelope`, `Peeled`, `Wrapped`; nothing that reads logs. An envelope is one file of `envelopes/` with a module-level `ENVELOPE`.
Never here: a product's name, a time stamp's form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Peeled:
    """One line, taken out of its envelope.

    inside    as the program wrote it; bytes where the collector kept them because they are no UTF-8
    time      the envelope's time, as printed; empty when it has none
    host, program, pid, severity  what the envelope says of the writer
    stream    what tells the collector's streams apart (stdout, stderr): lines of two streams are never one entry
    partial   the collector cut the line: it goes on in the next one of its stream
    more      further texts of an entry whose content is fields: `name=text`, apart by line ends
    """

    inside: str | bytes
    time: str = ""
    host: str | None = None
    program: str | None = None
    pid: int | None = None
    severity: str | None = None
    stream: str = ""
    partial: bool = False
    more: str = ""


@dataclass(frozen=True)
class Wrapped:
    """A sample: a line as the collector wrote it, and what must be taken out of it."""

    text: str
    peeled: Peeled


@dataclass(frozen=True)
class Envelope:
    """One way of collecting logs.

    id         file name of the envelope
    peel       takes one line out; None when the line is not in this envelope
    fields     what is inside are the program's own fields (JSON, logfmt): taken out only where no program's format knows the line as it is
    reference  where the collector's documentation says what it writes
    """

    id: str
    title: str
    reference: str
    peel: Callable[[str], Peeled | None]
    samples: tuple[Wrapped, ...]
    fields: bool = False


def number(text: object) -> int | None:
    """A process id, from text or a JSON value; None for anything else."""
    return (
        int(str(text))
        if text is not None and str(text).isascii() and str(text).isdigit() and len(str(text)) < 11
        else None
    )


def name(text: object) -> str | None:
    """The name of a host or program; None for nothing, for '-', and for what is no text."""
    return text if isinstance(text, str) and text not in ("", "-") else None
