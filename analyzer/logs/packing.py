"""Packed logs: gzip, bzip2, xz and zstd, known by their first bytes.

Lives here: `unpacked`, and `ERRORS`, what reading a damaged one raises. Never here: paths, or what is in a log.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, BinaryIO


def _zstd() -> ModuleType:
    try:
        return importlib.import_module("compression.zstd")  # the standard library's, from Python 3.14 on
    except ModuleNotFoundError:
        return importlib.import_module("backports.zstd")


_MAGIC: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": _zstd().open,
}
ERRORS: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, lzma.LZMAError, _zstd().ZstdError)


def unpacked(stream: BinaryIO, start: bytes) -> BinaryIO | None:
    """The same stream, unpacked while it is read; None when its first bytes are of no packed file."""
    for magic, opened in _MAGIC.items():
        if start.startswith(magic):
            plain: BinaryIO = opened(stream)
            return plain
    return None
