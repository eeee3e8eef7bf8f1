"""Lines out of their envelopes, one in the other: a Java program in a container in Kubernetes under journald.

Lives here: `unwrap`, and the list of envelopes. Never here: what an envelope looks like (one envelope, one file).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from analyzer.logs import envelopes
from analyzer.logs.encodings import clean
from analyzer.logs.envelope import Envelope

DEPTH = 4  # envelopes around one line


@dataclass(frozen=True)
class Line:
    """One line, out of all its envelopes.

    text      as its program wrote it
    envelopes ids, the outermost first
    times     of the envelopes, as printed, the innermost first
    writer    what must be equal for two lines to be of one entry: envelopes, host, program, pid and stream
    partial   the line goes on in the next one of the same writer
    more      further texts of an entry whose content is fields
    """

    text: str
    envelopes: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    host: str | None = None
    program: str | None = None
    pid: int | None = None
    severity: str | None = None
    writer: tuple[object, ...] = ()
    partial: bool = False
    more: str = ""


@cache
def all_envelopes() -> tuple[Envelope, ...]:
    """The `ENVELOPE` of each module in `envelopes/`, by id."""
    found = (
        importlib.import_module(f"{envelopes.__name__}.{module.name}").ENVELOPE
        for module in pkgutil.iter_modules(envelopes.__path__)
    )
    return tuple(sorted(found, key=lambda envelope: envelope.id))


@cache
def _some(fields: bool) -> tuple[Envelope, ...]:
    return tuple(envelope for envelope in all_envelopes() if envelope.fields is fields)


def unwrap(line: Line, decode: Callable[[bytes], str], *, fields: bool = False) -> Line:
    """Take `line` out of every envelope that it is in; `fields`: out of one whose content is a program's own fields, too.

    What an inner envelope says of the writer goes before what an outer one says.
    """
    for _ in range(DEPTH - len(line.envelopes)):
        for envelope in _some(fields):
            peeled = envelope.peel(line.text)
            if peeled is not None:
                inside = peeled.inside
                line = Line(
                    text=decode(inside) if isinstance(inside, bytes) else clean(inside),
                    envelopes=(*line.envelopes, envelope.id),
                    times=(peeled.time, *line.times) if peeled.time else line.times,
                    host=peeled.host or line.host,
                    program=peeled.program or line.program,
                    pid=peeled.pid or line.pid,
                    severity=peeled.severity or line.severity,
                    writer=(*line.writer, envelope.id, peeled.host, peeled.program, peeled.pid, peeled.stream),
                    partial=peeled.partial or line.partial,
                    more="\n".join(filter(None, (clean(peeled.more), line.more))),
                )
                break
        else:
            break
    return line
