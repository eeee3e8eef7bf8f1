"""The arguments and options that several commands share. Never here: a command (cli.py)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from analyzer import language

Captures = Annotated[
    list[str] | None,
    typer.Argument(metavar="CAPTURE...", help="Capture files, folders or patterns: one capture point."),
]
Logs = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        metavar="[HOST=]FILE[@ZONE]",
        help="A log of either side; may be repeated. HOST (an address, client or server) is whose it is, ZONE that of its stamps.",
    ),
]
At = Annotated[
    list[str] | None,
    typer.Option(
        "--at",
        metavar="NAME=CAPTURE",
        help="One of several capture points; `client` and `server` mean those hosts. May be repeated.",
    ),
]
Around = Annotated[str | None, typer.Option(metavar="TIME", help="Only what ended within five minutes of this time.")]
Since = Annotated[str | None, typer.Option("--from", metavar="TIME", help="Only what ended at this time or later.")]
Until = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Only what ended at this time or before.")]
Host = Annotated[str | None, typer.Option(metavar="IP", help="Only connections of this address.")]
Port = Annotated[int | None, typer.Option(metavar="N", help="Only connections of this port.")]
Zone = Annotated[
    str | None,
    typer.Option("--log-timezone", metavar="TZ", help="Zone of log lines that print none: Asia/Tokyo or +09:00."),
]
Redact = Annotated[
    bool,
    typer.Option(
        "--redact", help="For showing it to others: pseudonyms for addresses and names, no payload, no free text."
    ),
]
RedactKey = Annotated[
    Path | None,
    typer.Option(
        "--redact-key",
        metavar="FILE",
        help="A secret of 16 bytes or more; with the same one, later runs use the same pseudonyms.",
    ),
]


def _language(given: str) -> str:
    """Return the language that is asked for, else the locale's."""
    return language.checked(given) if given else language.of_locale(os.environ)


Language = Annotated[
    str,
    typer.Option(
        "--lang", metavar="en|ja|zh", help="Language of what is told. [default: the locale's]", callback=_language
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing; the exit status and the files tell.")]
NoDissection = Annotated[bool, typer.Option("--no-dissection", help="Do not run tshark on the reset connections.")]
