"""The arguments and options of the commands, and what they are read as. Never here: a command (cli.py)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from analyzer import language
from analyzer.errors import UsageError

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
AsJson = Annotated[bool, typer.Option("--json", help="For a script.")]

# What `analyze` writes, and what of it.
Keylog = Annotated[
    Path | None,
    typer.Option(
        "--tls-keylog", metavar="FILE", help="TLS secrets (SSLKEYLOGFILE): what they open is read like plain text."
    ),
]
Statements = Annotated[
    bool, typer.Option("--statements", help="Show the text of SQL statements; they stay out otherwise.")
]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="REPORT.html", help="Where the report goes.")]
JsonTo = Annotated[
    str | None, typer.Option("--json", metavar="FILE|-", help="Write the result document; '-' is standard output.")
]
MarkdownTo = Annotated[
    str | None, typer.Option("--markdown", metavar="FILE|-", help="Write the verdict for a ticket or a chat.")
]
CsvTo = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the resets for a spreadsheet.")]
Open = Annotated[bool, typer.Option("--open", help="Open the report in the browser.")]


def points_of(at: list[str] | None) -> dict[str, list[str]]:
    """Return the captures of each point that --at names. Raises UsageError where one is not NAME=CAPTURE."""
    points: dict[str, list[str]] = {}
    for item in at or ():
        name, equals, path = item.partition("=")
        if not equals or not name or not path:
            raise UsageError(f"--at {item!r} is not NAME=CAPTURE; for example --at server=db1.pcap.")
        points.setdefault(name, []).append(path)
    return points


def key_of(path: Path | None) -> bytes | None:
    """Return the secret that a file holds, without the line end that an editor leaves."""
    if path is None:
        return None
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise UsageError(f"The key {path} cannot be read: {error.strerror or error}.") from error
