"""Standard input, kept in a temporary file: a capture is read twice, and a pipe can only be read once.

Lives here: `spool`. Never here: what the bytes mean.
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from analyzer.errors import Notice, UnusableInput
from analyzer.language import say

NAME = "standard input"  # as shown, and as the path in every table: the temporary file's name means nothing to anybody
LIMIT = 16 * 2**30  # bytes; what no disk should be filled with unasked
PIECE = 1 << 20  # bytes read at a time


def spool(source: BinaryIO | None = None, limit: int = LIMIT) -> tuple[Path, list[Notice]]:
    """Copy standard input into a temporary file, which goes when the program ends; return it, and a notice where it was cut.

    Raises
    ------
    UnusableInput
        When standard input is a terminal, or the file cannot be written.
    """
    source = source or (sys.stdin.buffer if sys.stdin else None)
    if source is None or source.isatty():
        raise UnusableInput(
            "Standard input is a terminal, not a capture; pipe one into it, for example `zcat dump.pcap.gz | pcapreport analyze -`."
        )
    handle, name = tempfile.mkstemp(prefix="pcapreport-", suffix=".capture")
    path = Path(name)
    atexit.register(path.unlink, missing_ok=True)
    room = limit
    try:
        with os.fdopen(handle, "wb") as target:
            while room and (piece := source.read(min(PIECE, room))):
                target.write(piece)
                room -= len(piece)
    except OSError as error:
        raise UnusableInput(
            f"Standard input could not be kept in {path.parent}: {error.strerror or error}; "
            "set TMPDIR to a folder with more room, or give the capture as a file."
        ) from error
    if room or not source.read(1):
        return path, []
    sentence = say(
        "Only the first {n:,} bytes of standard input were read; give a larger capture as a file or a set of files.",
        n=limit,
    )
    return path, [Notice("warning", NAME, "", sentence)]
