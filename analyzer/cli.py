"""The command `pcapreport`: parse, call, print, exit code. Never here: anything a library user would want too.

Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analyzer.errors import PcapreportError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from analyzer.result import Diagnosis

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find out which side reset a TCP connection, and why: from packet captures and logs, with evidence that can be checked by hand.",
)

NOTHING_HARMFUL, HARMFUL, UNUSABLE, INTERNAL = 0, 1, 2, 3  # exit statuses, a contract

RESET_COLUMNS = ["time", "capture", "frame", "stream", "client", "server", "apparent_sender", "reset_by", "confidence", "cause", "harmless"]
LOG_COLUMNS = ["source", "line", "written", "zone", "format", "event", "client_ip", "client_port", "pid", "text"]

Captures = Annotated[list[str] | None, typer.Argument(metavar="CAPTURE...", help="Capture files, folders or patterns: one capture point.")]
Logs = Annotated[list[str] | None, typer.Option("--log", metavar="FILE", help="A log of either side; may be repeated.")]
At = Annotated[
    list[str] | None,
    typer.Option("--at", metavar="NAME=CAPTURE", help="One of several capture points; `client` and `server` mean those hosts. May be repeated."),
]
Around = Annotated[str | None, typer.Option(metavar="TIME", help="Only what ended within five minutes of this time.")]
Host = Annotated[str | None, typer.Option(metavar="IP", help="Only connections of this address.")]
Port = Annotated[int | None, typer.Option(metavar="N", help="Only connections of this port.")]
Zone = Annotated[str | None, typer.Option("--log-timezone", metavar="TZ", help="Zone of log lines that print none: Asia/Tokyo or +09:00.")]
NoDissection = Annotated[bool, typer.Option("--no-dissection", help="Do not run tshark on the reset connections.")]


@app.command()
def analyze(
    captures: Captures = None,
    log: Logs = None,
    at: At = None,
    around: Around = None,
    host: Host = None,
    port: Port = None,
    log_timezone: Zone = None,
    no_dissection: NoDissection = False,
    statements: Annotated[bool, typer.Option("--statements", help="Show the text of SQL statements; they stay out otherwise.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="REPORT.html", help="Where the report goes.")] = None,
    json_to: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the result document; '-' is standard output.")] = None,
) -> int:
    """Analyse captures and logs, and write one HTML report.

    Example: pcapreport analyze dump.pcap --log postgresql.log
    """
    from analyzer.pipeline import analyze as run

    with _progress() as progress:
        d = run(
            captures or (), log or (), at=_points(at), around=around, host=host, port=port, log_timezone=log_timezone,
            dissect=not no_dissection, statements=statements, progress=progress,
        )  # fmt: skip
    if json_to is not None:
        _write_json(d, json_to)
    if output is None and json_to is None:
        output = Path("reports") / f"{_report_name(d)}.html"
    if output is not None:
        d.to_html(output)
    if json_to != "-":
        _show(d)
        if output is not None:
            _out(f"Report: {output}\n")
    return HARMFUL if d.harmful else NOTHING_HARMFUL


@app.command()
def resets(
    captures: Captures = None,
    at: At = None,
    frames: Annotated[bool, typer.Option("--frames", help="Every frame that carries the RST flag, as tshark lists them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> int:
    """List the resets, for a terminal or a script."""
    from analyzer import pipeline

    with _progress() as progress:
        if frames:
            table = pipeline.reset_frames(captures or (), at=_points(at), progress=progress)
            harmful = len(table) > 0
        else:
            d = pipeline.analyze(captures or (), at=_points(at), dissect=False, progress=progress)
            table, harmful = d.resets.reset_index()[RESET_COLUMNS], d.harmful
    _table(table, as_json)
    return HARMFUL if harmful else NOTHING_HARMFUL


@app.command()
def explain(
    captures: Captures = None,
    log: Annotated[str | None, typer.Option("--log", metavar="FILE:LINE", help="Explain this log line.")] = None,
    stream: Annotated[int | None, typer.Option(metavar="N", help="Explain this tcp.stream of Wireshark's.")] = None,
    client: Annotated[str | None, typer.Option(metavar="IP:PORT", help="Explain the connection of this client.")] = None,
    at: At = None,
    log_timezone: Zone = None,
    no_dissection: NoDissection = False,
) -> int:
    """Explain one log line or one connection in full."""
    from analyzer import pipeline

    if sum(x is not None for x in (log, stream, client)) != 1:
        raise UsageError("Name exactly one of --log FILE:LINE, --stream N and --client IP:PORT.")
    logs: list[str] = []
    line = None
    if log is not None:
        path, _, number = log.rpartition(":")
        if not path or not number.isdigit():
            raise UsageError(f"{log!r} names no line; write it as postgresql.log:1234.")
        logs, line = [path], int(number)
    with _progress() as progress:
        d = pipeline.analyze(
            captures or (), logs, at=_points(at), log_timezone=log_timezone, dissect=not no_dissection, progress=progress
        )
    for ending in d.find(line=line, stream=stream, client=client):
        _out(d.explain(ending) + "\n")
    return HARMFUL if d.harmful else NOTHING_HARMFUL


@app.command()
def logs(
    files: Annotated[list[str], typer.Argument(metavar="FILE...")],
    log_timezone: Zone = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> int:
    """Show what was recognised in these logs."""
    from analyzer import pipeline

    table, notices = pipeline.recognised(files, log_timezone)
    _table(table if as_json else table[LOG_COLUMNS], as_json)
    for notice in notices:
        _err(f"{notice.source}: {notice.sentence}\n")
    return NOTHING_HARMFUL


@app.command()
def causes(cause: Annotated[str | None, typer.Argument(metavar="[ID]", help="One cause, in full.")] = None) -> int:
    """List the causes, or tell what one is, how it looks and what to do."""
    from analyzer import pipeline
    from analyzer.report import listing

    pages = pipeline.cause_pages()
    if cause is not None and cause not in pages:
        raise UsageError(f"There is no cause {cause!r}; `pcapreport causes` lists them.")
    _out((listing.causes_text(pages.values()) if cause is None else listing.cause_text(pages[cause])) + "\n")
    return NOTHING_HARMFUL


@app.command()
def formats(log_format: Annotated[str | None, typer.Argument(metavar="[ID]", help="One log format, in full.")] = None) -> int:
    """List the log formats that are understood."""
    from analyzer import pipeline
    from analyzer.report import listing

    pages = pipeline.format_pages()
    if log_format is not None and log_format not in pages:
        raise UsageError(f"There is no log format {log_format!r}; `pcapreport formats` lists them.")
    _out((listing.formats_text(list(pages.values())) if log_format is None else listing.format_text(pages[log_format])) + "\n")
    return NOTHING_HARMFUL


@app.command()
def version() -> int:
    """Print the version."""
    from importlib.metadata import version as installed

    _out(f"pcapreport {installed('pcapreport')}\n")
    return NOTHING_HARMFUL


def _points(at: list[str] | None) -> dict[str, list[str]]:
    points: dict[str, list[str]] = {}
    for item in at or ():
        name, equals, path = item.partition("=")
        if not equals or not name or not path:
            raise UsageError(f"--at {item!r} is not NAME=CAPTURE; for example --at server=db1.pcap.")
        points.setdefault(name, []).append(path)
    return points


def _report_name(d: Diagnosis) -> str:
    """Return the report's file name: the first capture's, without what a file system may refuse."""
    name = Path(str(d.captures["capture"].iloc[0])).stem
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or "report"


def _write_json(d: Diagnosis, target: str) -> None:
    if target == "-":
        _out(d.to_json())
    else:
        d.to_json(target)


def _show(d: Diagnosis) -> None:
    from analyzer import report

    if sys.stdout.isatty():
        from rich.console import Console

        report.show(d, Console())
    else:
        _out(report.text(d) + "\n")


def _table(table: pd.DataFrame, as_json: bool) -> None:
    from analyzer.report import listing

    _out((json.dumps(listing.plain_rows(table), ensure_ascii=False, indent=1) if as_json else listing.table_text(table)) + "\n")


def _out(text: str) -> None:
    _write(sys.stdout, text)


def _err(text: str) -> None:
    _write(sys.stderr, text)


def _write(stream: Any, text: str) -> None:
    """Write text whatever the console's encoding can show (cp932, cp936): the rest becomes '?'."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """Show a progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def main() -> None:
    """Run the command and leave with its exit status; an error is one sentence, never a traceback."""
    try:
        status = app(standalone_mode=False)
    except PcapreportError as error:
        _err(f"pcapreport: {error}\n")
        status = UNUSABLE
    except BrokenPipeError:  # the reader of our output went away: `pcapreport resets … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = NOTHING_HARMFUL
    except KeyboardInterrupt:
        _err("pcapreport: interrupted; nothing was written.\n")
        status = UNUSABLE
    except Exception as error:
        status = _usage_or_internal(error)
    sys.exit(status or NOTHING_HARMFUL)


def _usage_or_internal(error: Exception) -> int:
    import click

    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.ClickException):
        _err(f"pcapreport: {error.format_message()} (pcapreport --help tells more)\n")
        return UNUSABLE
    if os.environ.get("PCAPREPORT_TRACEBACK"):
        raise error
    _err(
        f"pcapreport: internal error: {type(error).__name__}: {error}. "
        "Please report it; with PCAPREPORT_TRACEBACK=1 in the environment the place is shown.\n"
    )
    return INTERNAL
