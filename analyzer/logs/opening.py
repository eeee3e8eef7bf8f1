"""Paths -> log sources: the only place of this package that touches the file system.

Lives here: `open_logs`, which looks at a file's first bytes and says in one sentence why something is no log.
Never here: reading lines.
"""

from __future__ import annotations

import gzip
import os
import re
import stat
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import BinaryIO, cast

from analyzer.errors import UnusableInput
from analyzer.logs import packing
from analyzer.logs.reader import LogSource

_LOOK = 4096  # bytes that are looked at

_CAPTURES = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a")
_KINDS = {
    b"\x7fELF": "a program", b"MZ": "a Windows program", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive: unpack it first", b"ElfFile\x00": "a Windows event log: export it as text first",
    b"SQLite format 3\x00": "a database",
    b"LPKSHHRH": "a systemd journal: write it out with journalctl first",
}  # fmt: skip


# What rotation adds to a log's name, or sets into it: dates and times, days of the week, a number, the ending of a packer.
_ROTATED = re.compile(
    r"(?:[-_.](?:19|20)\d\d-?[01]\d-?[0-3]\d(?:[-_T]?\d{4,6})?|[-_.](?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?=\.|$)|(?<=[A-Za-z])\.\d{1,4}$"
    r"|\.(?:gz|bz2|xz|zst|old)$)"
)


def log_of(name: str) -> str:
    """The name of the log that a file is a part of: rotated files of one log have the same."""
    previous = ""
    while name != previous:
        previous, name = name, _ROTATED.sub("", name)
    return name


def open_logs(
    paths: Iterable[str | os.PathLike[str]],
    *,
    zones: Sequence[tzinfo | None] | None = None,
    hosts: Sequence[str | None] | None = None,
) -> list[LogSource]:
    """Open each file; gzip, bzip2, xz and zstd are unpacked while reading. `zones` and `hosts` are what was told of each.

    Names are the files' own names, with as much of their folders as tells them apart.
    Raises UnusableInput for what is missing, may not be read (it says whose it is), is a folder, or is binary and no log.
    """
    given = [Path(path) for path in paths]
    nothing = [None] * len(given)
    logs = [str(path.parent / log_of(path.name)) for path in given]
    return [
        LogSource(name, _open(path), zone, host, log_of(path.name) if logs.count(log) > 1 else None)
        for path, name, log, zone, host in zip(
            given, _names(given), logs, zones or nothing, hosts or nothing, strict=True
        )
    ]


def _names(paths: list[Path]) -> list[str]:
    names = [path.name for path in paths]
    return [str(path) if names.count(path.name) > 1 else path.name for path in paths]


def _open(path: Path) -> BinaryIO:
    try:
        if path.is_dir():
            raise UnusableInput(f"{path} is a folder, not a log: name the files in it.")
        stream = path.open("rb")
        start = stream.peek(_LOOK)[:_LOOK]
    except FileNotFoundError:
        raise UnusableInput(f"{path} does not exist.") from None
    except PermissionError:
        raise UnusableInput(f"{path} may not be read{_owner(path)}: run as its owner, or copy it.") from None
    except OSError as error:
        raise UnusableInput(f"{path} cannot be read: {error.strerror or error}.") from None
    if plain := packing.unpacked(stream, start):
        return _unpacked(path, plain)
    _refuse_binary(path, start)
    return stream


def _unpacked(path: Path, stream: BinaryIO) -> BinaryIO:
    try:
        start = cast("gzip.GzipFile", stream).peek(_LOOK)[:_LOOK]
    except packing.ERRORS as error:
        raise UnusableInput(f"{path} cannot be unpacked: {error}.") from None
    _refuse_binary(path, start)
    return stream


def _refuse_binary(path: Path, start: bytes) -> None:
    if start.startswith(_CAPTURES):
        raise UnusableInput(f"{path} is a packet capture, not a log: name it before --log.")
    for magic, kind in _KINDS.items():
        if start.startswith(magic):
            raise UnusableInput(f"{path} is no log but {kind}.")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return
    # NUL bytes alone are no proof: a log may hold a run of them after a crash of its machine
    text = start.replace(b"\0", b"")
    controls = sum(byte < 32 and byte not in b"\t\n\r\x1b\x0c\x08" for byte in text)
    if start and (len(text) < len(start) / 2 or controls > len(text) / 20 + 1):
        raise UnusableInput(f"{path} is binary, not a log.")


def _owner(path: Path) -> str:
    try:
        return f" by you: it belongs to {path.owner()} (mode {stat.filemode(path.stat().st_mode)})"
    except (OSError, KeyError, NotImplementedError):  # Windows has no owners in this sense
        return ""
