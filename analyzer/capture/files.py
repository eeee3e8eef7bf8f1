"""Which capture files there are, and in which order they were captured.

Lives here: `CaptureFile` and `find`: files, folders and globs -> captures in time order, each with a name to show.
Never here: what the captures hold beyond the time of their first packet.

Content decides what is a capture, not the suffix: rings are named `.pcap0`, `.1` or by a time with colons in it.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analyzer.capture import foreign, pcap, pcapng, spooling
from analyzer.capture.names import stale
from analyzer.capture.streams import Stream, unreadable
from analyzer.capture.walking import parser_of, stretches
from analyzer.errors import Notice, UnusableInput
from analyzer.language import say
from analyzer.schema import NO_TIME

# How far a file is read to learn when it begins; packets without a time (pcapng simple packets) may come first.
FIRST_TIME_BYTES = 1 << 22
FIRST_CHUNK_BYTES = 1 << 16
SHOWN = 5  # names in a notice about many files


@dataclass(frozen=True)
class CaptureFile:
    """One capture file.

    path         as given, or as found in a folder that was given
    name         as shown to the user: the file name, made unique by as much of its folder as is needed
    bytes        its size on disk
    format       'pcap' or 'pcapng', of its content when it is compressed
    first        time of its first packet that has one, ns since 1970 UTC; None when there is none
    compression  'gzip', 'xz', 'bzip2', 'zstd', 'lz4'; None when plain
    spooled      it came through standard input: `path` is our own copy
    """

    path: Path
    name: str
    bytes: int
    format: str
    first: int | None
    compression: str | None = None
    spooled: bool = False

    @property
    def given(self) -> str:
        """The path as given: '-' for standard input."""
        return "-" if self.spooled else str(self.path)


class _NoCapture(UnusableInput):
    """The file can be read and is something else: in a folder that is no trouble."""


def find(inputs: Sequence[str | os.PathLike[str]]) -> tuple[list[CaptureFile], list[Notice]]:
    """Find the captures among files, folders and glob patterns.

    Parameters
    ----------
    inputs : sequence of str or path
        What exists is taken as it is; only a name that does not exist is read as a pattern. Folders are searched without
        their subfolders. '-' is standard input, which is kept in a temporary file (see `spooling`).

    Returns
    -------
    list of CaptureFile
        In the order of their first packets, whatever their names; those without a time come last, as given.
    list of Notice
        What was left out, and why.

    Raises
    ------
    UnusableInput
        When nothing can be used; the sentence is about the first input.
    """
    found: dict[Path, CaptureFile] = {}
    troubles: list[UnusableInput] = []
    notices: list[Notice] = []
    for given in inputs:
        try:
            if os.fspath(given) == "-" and not os.path.lexists("-"):
                path, cut = spooling.spool()
                found[path] = replace(_inspect(path, spooling.NAME), spooled=True)
                notices += cut
                continue
            if os.path.isdir(given):
                notices += _search(Path(given), found)
                continue
            for path in _expand(given):
                try:
                    _add(path, found)
                except UnusableInput as trouble:
                    troubles.append(trouble)
                    notices.append(Notice("error", str(path), "", trouble.sentence))
        except UnusableInput as trouble:
            troubles.append(trouble)
            notices.append(Notice("error", os.fspath(given), "", trouble.sentence))
    if not found:
        if not troubles:
            raise UnusableInput("No capture was given.")
        rest = len(troubles) - 1
        more = f" ({rest} other {'inputs are' if rest > 1 else 'input is'} unusable, too)" if rest else ""
        raise UnusableInput(str(troubles[0]).removesuffix(".") + more + ".") from troubles[0]
    files = sorted(distinct(list(found.values())), key=lambda file: (file.first is None, file.first or 0))
    return files, notices + stale(files)


def _expand(given: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the files that one input names."""
    path, pattern = Path(given), os.fspath(given)
    try:
        os.lstat(path)
    except (OSError, ValueError) as error:  # a pattern may well be no valid name
        if not glob.has_magic(pattern):
            if isinstance(error, NotADirectoryError | ValueError):
                error = FileNotFoundError()
            raise UnusableInput(unreadable(path, error)) from error
    else:
        yield path
        return
    files = [Path(match) for match in sorted(glob.glob(pattern, recursive=True)) if not os.path.isdir(match)]
    if not files:
        raise UnusableInput(say("No file matches {pattern}.", pattern=pattern))
    yield from files


def _add(path: Path, found: dict[Path, CaptureFile]) -> None:
    """Add a capture to `found`, where each file is once, however it was named."""
    file = _inspect(path)
    found.setdefault(path.resolve(), file)


def _search(folder: Path, found: dict[Path, CaptureFile]) -> list[Notice]:
    """Add the captures of a folder to `found`; return what was left out. Raises UnusableInput where it holds none."""
    notices: list[Notice] = []
    passed: list[str] = []
    captures = 0
    try:
        paths = sorted(path for path in folder.iterdir() if not path.is_dir())
    except OSError as error:
        raise UnusableInput(
            say(
                "The folder {folder} cannot be read: {reason}.", folder=str(folder), reason=error.strerror or str(error)
            )
        ) from error
    for path in paths:
        try:
            _add(path, found)
            captures += 1
        except _NoCapture:
            passed.append(path.name)
        except UnusableInput as trouble:
            notices.append(Notice("error", str(path), "", trouble.sentence))
    if not captures:
        if notices:
            raise UnusableInput(notices[0].sentence)
        raise UnusableInput(
            say("The folder {folder} holds no capture (its subfolders were not searched).", folder=str(folder))
        )
    if passed:
        names = ", ".join(passed[:SHOWN]) + (f" … (+{len(passed) - SHOWN})" if len(passed) > SHOWN else "")
        notices.append(Notice("info", str(folder), "", say("Not captures, and left out: {names}.", names=names)))
    return notices


def _inspect(path: Path, shown: str = "") -> CaptureFile:
    """Return what a file is; raise UnusableInput with the sentence why it cannot be used, which begins with what is `shown`."""
    called = shown.capitalize() or str(path)
    with Stream(path) as stream:
        size = path.stat().st_size
        if size == 0:
            raise UnusableInput(
                say("{name} is empty (0 bytes): nothing was captured, or it was not written yet.", name=called)
            )
        try:
            head = stream.head(foreign.HEAD_BYTES)
        except OSError as error:
            raise UnusableInput(
                say("{name} is damaged: its {method} data cannot be read.", name=called, method=str(stream.compression))
            ) from error
        if head[:4] in pcap.MAGICS:
            form = "pcap"
        elif head[:4] == pcapng.MAGIC:
            form = "pcapng"
        elif any(magic.startswith(head) for magic in (*pcap.MAGICS, pcapng.MAGIC)):
            raise UnusableInput(
                say("{name} is cut within its first {n} bytes and holds no packet.", name=called, n=len(head))
            )
        else:
            raise _NoCapture(foreign.sentence(called, head))
        return CaptureFile(path, shown or path.name, size, form, _first(stream, form), stream.compression)


def _first(stream: Stream, form: str) -> int | None:
    """Return the time of the first packet that has one, ns since 1970 UTC."""
    for stretch in stretches(stream, parser_of(form), "", FIRST_CHUNK_BYTES):
        times = stretch.step.records["time"]
        known = times[times != NO_TIME]
        if len(known):
            return int(known[0])
        if stretch.base > FIRST_TIME_BYTES:
            break
    return None


def distinct(files: Sequence[CaptureFile]) -> list[CaptureFile]:
    """Return the files with names that differ: the file name, and as many folders before it as that takes.

    `find` does so for what it finds; several capture points are told apart by calling this for the files of all of them.
    """
    parts = [(file.name,) if file.spooled else file.path.absolute().parts for file in files]
    depth = [1] * len(files)
    while True:
        names = [Path(*part[-count:]).as_posix() for part, count in zip(parts, depth, strict=True)]
        counts = Counter(names)
        short = [i for i, name in enumerate(names) if counts[name] > 1 and depth[i] < len(parts[i])]
        if not short:
            return [replace(file, name=name) for file, name in zip(files, names, strict=True)]
        for i in short:
            depth[i] += 1
