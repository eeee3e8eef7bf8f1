"""The command `pcapreport`: parse, call, print, exit code. Never here: anything a library user would want too.

Heavy modules are imported inside the commands, so that `--help` answers at once. One function is one command, and half of this file
is their help, which is why it is longer than others.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analyzer import language
from analyzer.console import (
    err,
    json_out,
    out,
    page_name,
    progress_bar,
    save,
    show_page,
    show_verdict,
    table_out,
    width,
    writable,
)
from analyzer.errors import PcapreportError, UsageError
from analyzer.options import (
    Around,
    AsJson,
    At,
    Captures,
    CsvTo,
    Host,
    JsonTo,
    Keylog,
    Language,
    Logs,
    MarkdownTo,
    NoDissection,
    Open,
    Output,
    Port,
    Quiet,
    Redact,
    RedactKey,
    Since,
    Statements,
    Until,
    Zone,
    key_of,
    points_of,
)

if TYPE_CHECKING:
    pass

app = typer.Typer(
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find out which side reset a TCP connection, and why: from packet captures and logs, with evidence that can be checked by hand.",
)

NOTHING_HARMFUL, HARMFUL, UNUSABLE, INTERNAL = 0, 1, 2, 3  # exit statuses, a contract
INTERRUPTED = 130  # what shells say of a program ended by Ctrl-C: 128 + SIGINT

RESET_COLUMNS = [
    "time", "capture", "frame", "stream", "client", "server", "apparent_sender", "reset_by", "confidence", "cause", "harmless",
]  # fmt: skip
LOG_ENTRIES = 100  # entries that `logs` shows; --json has them all
LOG_COLUMNS = ["source", "line", "written", "zone", "format", "event", "client_ip", "client_port", "pid", "text"]


@app.callback(invoke_without_command=True)
def begin(context: typer.Context) -> None:  # noqa: D103 (its text would replace the help above)
    if context.invoked_subcommand is None:
        raise UsageError(
            "Name a command, for example `pcapreport analyze dump.pcap --log postgresql.log`; `pcapreport --help` lists them."
        )


@app.command()
def analyze(
    captures: Captures = None,
    log: Logs = None,
    at: At = None,
    around: Around = None,
    since: Since = None,
    until: Until = None,
    host: Host = None,
    port: Port = None,
    log_timezone: Zone = None,
    no_dissection: NoDissection = False,
    lang: Language = "",
    statements: Statements = False,
    tls_keylog: Keylog = None,
    redact: Redact = False,
    redact_key: RedactKey = None,
    output: Output = None,
    json_to: JsonTo = None,
    markdown_to: MarkdownTo = None,
    csv_to: CsvTo = None,
    quiet: Quiet = False,
    open_it: Open = False,
) -> int:
    """Analyse captures and logs, and write one HTML report.

    Example: pcapreport analyze dump.pcap --log postgresql.log --open

    Example: pcapreport analyze --at client=a.pcap --at server=b.pcap --redact -o for-vendor.html
    """
    from analyzer import pipeline

    printed = "-" in (json_to, markdown_to)
    if json_to == markdown_to == "-":
        raise UsageError("Only one of --json and --markdown can be written to standard output.")
    if csv_to == Path("-"):
        raise UsageError("--csv writes a file; name one.")
    document = None if json_to in (None, "-") else Path(json_to)
    ticket = None if markdown_to in (None, "-") else Path(markdown_to)
    key = key_of(redact_key)
    redact = redact or key is not None
    if redact and statements:
        raise UsageError("--redact takes statements out, and --statements asks for them; choose one.")
    folder = Path("reports")
    page = (json_to, markdown_to, csv_to) == (None, None, None)  # unless another form was asked for
    if open_it and output is None and not page:
        raise UsageError("--open shows the page, and none is written beside another form; name it with -o.")
    if quiet and printed:
        raise UsageError("--quiet says nothing, and '-' asks for a result on standard output; choose one.")
    writable(output or (folder / "report.html" if page else None), "<")
    writable(document, "{")
    if ticket is not None:
        from analyzer.report import markdown

        writable(ticket, markdown.BEGINS)
    if csv_to is not None:
        from analyzer.report import spreadsheet

        writable(csv_to, spreadsheet.BEGINS)
    targets = [path for path in (output, document, ticket, csv_to) if path is not None]
    for number, path in enumerate(targets):
        if path.absolute() in [other.absolute() for other in targets[:number]]:
            raise UsageError(f"Two of the results cannot both be {path}.")
    with progress_bar(quiet) as progress:
        d = pipeline.analyze(
            captures or (), log or (), at=points_of(at), around=around, since=since, until=until, host=host, port=port, log_timezone=log_timezone,
            dissect=not no_dissection, statements=statements, tls_keylog=tls_keylog,
            progress=progress,
        )  # fmt: skip
    d = pipeline.redact(d, key) if redact else d
    if json_to == "-":
        json_out(d.to_json())
    elif markdown_to == "-":
        out(d.to_markdown(lang=lang))
    if output is None and page:
        output = folder / f"{page_name(d)}.html"
    told, shown = partial(d.to_markdown, lang=lang), partial(d.to_html, lang=lang)
    for write, target in ((d.to_json, document), (told, ticket), (d.to_csv, csv_to), (shown, output)):
        if target is not None:
            save(write, target)
    if not printed and not quiet:
        with language.using(lang):
            show_verdict(d)
            if output is not None:
                out(language.tr("Report: {path}", path=str(output)) + "\n")
    if open_it and output is not None:
        show_page(output)
    return HARMFUL if d.harmful else NOTHING_HARMFUL


@app.command()
def resets(
    captures: Captures = None,
    at: At = None,
    frames: Annotated[
        bool, typer.Option("--frames", help="Every frame that carries the RST flag, as tshark lists them.")
    ] = False,
    redact: Redact = False,
    redact_key: RedactKey = None,
    as_json: AsJson = False,
) -> int:
    """List the resets, for a terminal or a script.

    Example: pcapreport resets dump.pcap --frames --json
    """
    from analyzer import pipeline

    key = key_of(redact_key)
    redact = redact or key is not None
    with progress_bar() as progress:
        if frames:
            table = pipeline.reset_frames(captures or (), at=points_of(at), progress=progress)
            table, harmful = pipeline.redact_frames(table, key) if redact else table, len(table) > 0
        else:
            d = pipeline.analyze(captures or (), at=points_of(at), dissect=False, progress=progress)
            d = pipeline.redact(d, key) if redact else d
            table, harmful = d.resets.reset_index()[RESET_COLUMNS], d.harmful
    table_out(table, as_json)
    return HARMFUL if harmful else NOTHING_HARMFUL


@app.command()
def explain(
    captures: Captures = None,
    log: Annotated[str | None, typer.Option("--log", metavar="FILE:LINE", help="Explain this log line.")] = None,
    stream: Annotated[int | None, typer.Option(metavar="N", help="Explain this tcp.stream of Wireshark's.")] = None,
    client: Annotated[
        str | None, typer.Option(metavar="IP:PORT", help="Explain the connection of this client.")
    ] = None,
    at: At = None,
    log_timezone: Zone = None,
    no_dissection: NoDissection = False,
    tls_keylog: Keylog = None,
    redact: Redact = False,
    redact_key: RedactKey = None,
    lang: Language = "",
) -> int:
    """Explain one log line or one connection in full.

    Example: pcapreport explain dump.pcap --log postgresql.log:1234
    """
    from analyzer import pipeline

    if sum(x is not None for x in (log, stream, client)) != 1:
        raise UsageError("Name exactly one of --log FILE:LINE, --stream N and --client IP:PORT.")
    key = key_of(redact_key)
    logs: list[str] = []
    line = None
    if log is not None:
        path, _, number = log.rpartition(":")
        if not path or not number.isdigit():
            raise UsageError(f"{log!r} names no line; write it as postgresql.log:1234.")
        logs, line = [path], int(number)
    with progress_bar() as progress:
        d = pipeline.analyze(
            captures or (),
            logs,
            at=points_of(at),
            log_timezone=log_timezone,
            dissect=not no_dissection,
            tls_keylog=tls_keylog,
            progress=progress,
        )
    endings = d.find(line=line, stream=stream, client=client)
    d = pipeline.redact(d, key) if redact or key is not None else d
    for ending in endings:
        out(d.explain(ending, lang=lang, width=width()) + "\n")
    return HARMFUL if d.harmful else NOTHING_HARMFUL


@app.command()
def logs(
    files: Annotated[list[str], typer.Argument(metavar="FILE...")],
    log_timezone: Zone = None,
    as_json: AsJson = False,
    lang: Language = "",
) -> int:
    """Show what was recognised in these logs: format, zone, events, what was not understood, and the first entries.

    Example: pcapreport logs postgresql.log client.log
    """
    from analyzer import pipeline
    from analyzer.report import listing
    from analyzer.report.wording import inert

    table, sources, notices = pipeline.recognised(files, log_timezone)
    with language.using(lang):
        if not as_json:
            out(listing.log_sources_text(sources) + "\n")
        table_out(table if as_json else table[LOG_COLUMNS].head(LOG_ENTRIES), as_json)
        for notice in notices if as_json else [n for n in notices if n.level != "info"]:
            err(inert(f"{notice.source}: {language.localised(notice.sentence)}") + "\n")
    return NOTHING_HARMFUL


@app.command()
def causes(
    cause: Annotated[str | None, typer.Argument(metavar="[ID]", help="One cause, in full.")] = None,
    lang: Language = "",
) -> int:
    """List the causes, or tell what one is, how it looks and what to do.

    Example: pcapreport causes idle_timeout
    """
    from analyzer import pipeline
    from analyzer.report import listing

    pages = pipeline.cause_pages()
    if cause is not None and cause not in pages:
        raise UsageError(f"There is no cause {cause!r}; `pcapreport causes` lists them.")
    with language.using(lang):
        listed = (
            listing.causes_text(pages.values(), width()) if cause is None else listing.cause_text(pages[cause], width())
        )
        out(listed + "\n")
    return NOTHING_HARMFUL


@app.command()
def formats(
    log_format: Annotated[str | None, typer.Argument(metavar="[ID]", help="One log format, in full.")] = None,
    lang: Language = "",
) -> int:
    """List the log formats that are understood.

    Example: pcapreport formats postgresql
    """
    from analyzer import pipeline
    from analyzer.report import listing

    pages = pipeline.format_pages()
    if log_format is not None and log_format not in pages:
        raise UsageError(f"There is no log format {log_format!r}; `pcapreport formats` lists them.")
    with language.using(lang):
        text = (
            listing.formats_text(list(pages.values())) if log_format is None else listing.format_text(pages[log_format])
        )
        out(text + "\n")
    return NOTHING_HARMFUL


@app.command()
def capture_command(
    host: Annotated[str | None, typer.Option(metavar="IP", help="Keep only packets of this address.")] = None,
    port: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Port of the service; may be repeated. [default: 5432]")
    ] = None,
    interface: Annotated[
        str, typer.Option(metavar="NAME", help="Where to capture; only 'any' tells what came in and what went out.")
    ] = "any",
    disk: Annotated[str, typer.Option(metavar="SIZE", help="What the ring of files may take: 500M, 10G.")] = "2G",
    headers_only: Annotated[bool, typer.Option("--headers-only", help="Keep as little payload as possible.")] = False,
    lang: Language = "",
) -> int:
    """Print what to run where to get a capture that decides, and the log settings that go with it.

    Example: pcapreport capture-command --port 5432 --disk 10G
    """
    from analyzer.report import recipes

    ports = port or [5432]
    with language.using(lang):
        out(recipes.text(ports=ports, host=host, interface=interface, disk=disk, headers_only=headers_only))
    return NOTHING_HARMFUL


@app.command()
def schema() -> int:
    """Print the JSON Schema of the result document.

    Example: pcapreport schema > pcapreport.schema.json
    """
    from analyzer import report

    json_out(report.schema())
    return NOTHING_HARMFUL


@app.command()
def version() -> int:
    """Print the version."""
    from importlib.metadata import version as installed

    out(f"pcapreport {installed('pcapreport')}\n")
    return NOTHING_HARMFUL


def main() -> None:
    """Run the command and leave with its exit status; an error is one sentence, never a traceback."""
    gc.disable()  # what a command makes lives until it ends: to look for garbage costs a fifth of its time and finds none
    atexit.register(gc.freeze)  # nor is it looked for on the way out
    # No matrix is multiplied here, and numpy's threads for that would spin beside ours.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        status = app(standalone_mode=False)
        if status == INTERRUPTED:  # some versions of typer make Ctrl-C a status, others an exception
            raise KeyboardInterrupt
    except PcapreportError as error:
        status = _complain(str(error), UNUSABLE)
    except (KeyboardInterrupt, typer.Abort):
        status = _complain("interrupted.", INTERRUPTED)
    except Exception as error:
        status = _usage_or_internal(error)
    finally:
        gc.enable()
    sys.exit(status or NOTHING_HARMFUL)


def _usage_or_internal(error: Exception) -> int:
    if hasattr(error, "format_message"):  # a usage error of click, which some versions of typer carry inside
        sentence = error.format_message().strip().rstrip(".")
        return _complain(f"{sentence} (`pcapreport --help` tells more).", UNUSABLE)
    if os.environ.get("PCAPREPORT_TRACEBACK"):
        raise error
    return _complain(
        f"internal error: {type(error).__name__}: {error}. "
        "Please report it; with PCAPREPORT_TRACEBACK=1 in the environment the place is shown.",
        INTERNAL,
    )


def _complain(sentence: str, status: int) -> int:
    """Write one line to standard error, whatever names and bytes are in it."""
    from analyzer.report.wording import inert

    err(f"pcapreport: {inert(sentence)}\n")
    return status
