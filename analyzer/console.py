"""The edge between the command and its surroundings: standard output, files that are asked for, the progress bar.

Lives here: writing whatever the console's encoding can show, and refusing targets in one sentence. Never here: commands (cli.py).
"""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyzer.errors import UnusableInput, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from analyzer.result import Diagnosis

READABLE = 100  # columns: a longer line is lost on the way back to the next one


def writable(path: Path | None, begins: str) -> None:
    """Refuse, before the work, a target that cannot be written or that is somebody's file: ours begin with `begins`."""
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it.")
    try:
        with open(path, "rb") as file:
            first = file.read(len(begins.encode()))
    except OSError:  # most often it does not exist; other trouble shows when it is written
        first = b""
    if first not in (b"", begins.encode()):
        raise UsageError(
            f"{path} exists and was not written by pcapreport, so it is not overwritten; name another file."
        )
    folder = next((p for p in path.absolute().parents if p.exists()), Path(path.anchor))
    if not folder.is_dir():
        raise UsageError(f"{path} cannot be written: {folder} is not a folder.")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{path} cannot be written: the folder {folder} may not be changed by you.")


def save(write: Callable[[Path], str], path: Path) -> None:
    """Write a file, or say in one sentence why not."""
    try:
        write(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error


def width() -> int:
    """Return how many columns prose is set in: the terminal's, but no more than can be read; 80 where there is none."""
    return min(shutil.get_terminal_size().columns, READABLE)


def out(text: str) -> None:
    """Write to standard output."""
    _write(sys.stdout, text)


def err(text: str) -> None:
    """Write to standard error."""
    _write(sys.stderr, text)


def _write(stream: Any, text: str) -> None:
    """Write text whatever the console's encoding can show (cp932, cp936): the rest becomes '?'.

    A reader that went away (`pcapreport resets ... | head`) is no error: the rest of the text goes nowhere.
    """
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except OSError as error:
        # What is left in the stream's buffer would raise again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if error.errno not in (errno.EPIPE, errno.EINVAL):  # Windows says EINVAL of a closed pipe
            raise UnusableInput(f"Standard output cannot be written: {error.strerror or error}.") from error


def json_out(text: str) -> None:
    """Write JSON to standard output; letters that its encoding may lack as escapes, so that nothing is lost."""
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        text = json.dumps(json.loads(text), indent=1) + "\n"
    out(text)


def table_out(table: pd.DataFrame, as_json: bool) -> None:
    """Write a table to standard output, aligned or as JSON."""
    from analyzer.report import listing

    if as_json:
        json_out(json.dumps(listing.plain_rows(table), ensure_ascii=False, indent=1) + "\n")
    else:
        out(listing.table_text(table) + "\n")


def page_name(d: Diagnosis) -> str:
    """Return the report's file name: the first capture's, without what a file system may refuse."""
    name = Path(str(d.captures["capture"].iloc[0])).stem
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or "report"


def show_verdict(d: Diagnosis) -> None:
    """Write the verdict to standard output, coloured where that is a terminal."""
    from analyzer import report

    if sys.stdout.isatty():
        from rich.console import Console

        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # what the console's encoding lacks becomes '?'
        report.show(d, Console())
    else:
        out(report.text(d) + "\n")


def show_page(path: Path) -> None:
    """Open a page in the browser; where there is none, say where the page is."""
    import webbrowser

    if not webbrowser.open(path.absolute().as_uri()):
        err(f"No browser could be started; the report is {path}.\n")


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Callable[[str, int, int], None] | None]:
    """Show a progress bar on a terminal, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
