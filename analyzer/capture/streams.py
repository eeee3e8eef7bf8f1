"""The one place that opens capture files: plain or compressed, always as a stream of uncompressed bytes.

Lives here: opening, recognising compression by content, and the sentence for a file that may not be read.
Never here: what the bytes mean.

There is no mmap: a file that shrinks while it is mapped kills the process.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from analyzer.errors import UnusableInput
from analyzer.language import say

# First bytes -> name. RFC 1952 2.3.1, RFC 8878 3.1.1, the .xz format 2.1.1.1, the LZ4 frame format.
COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"BZh": "bzip2",
}

Read = TypeVar("Read", int, bytes)


def compression_of(head: bytes) -> str | None:
    """Return how a file that begins with `head` is compressed; None for plain bytes."""
    return next((name for magic, name in COMPRESSIONS.items() if head.startswith(magic)), None)


def _gzip(raw: BinaryIO) -> BinaryIO:
    try:
        module = importlib.import_module("isal.igzip")  # more than twice as fast, and not made for every processor
    except ImportError:
        return _gzip_thoroughly(raw)
    return cast(BinaryIO, module.IGzipFile(fileobj=raw))


def _gzip_thoroughly(raw: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw))


def _zstd(raw: BinaryIO) -> BinaryIO:
    try:
        module = importlib.import_module("compression.zstd")  # the standard library's, from Python 3.14 on
    except ImportError:
        module = importlib.import_module("backports.zstd")
    return cast(BinaryIO, module.ZstdFile(raw))


def _lz4(raw: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, importlib.import_module("lz4.frame").LZ4FrameFile(raw))


OPENERS: dict[str, Callable[[BinaryIO], BinaryIO]] = {
    "gzip": _gzip,
    "xz": lambda raw: cast(BinaryIO, lzma.LZMAFile(raw)),  # noqa: SIM115 (Stream closes it)
    "bzip2": lambda raw: cast(BinaryIO, bz2.BZ2File(raw)),
    "zstd": _zstd,
    "lz4": _lz4,
}


class Stream:
    """An open capture file: uncompressed bytes, in order. Close it, or use it in a `with` statement."""

    def __init__(self, path: Path) -> None:
        self._raw: BinaryIO
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise UnusableInput(
                    say("{path} is not a regular file; write the capture to a file first.", path=str(path))
                )
            self._raw = open(path, "rb", buffering=0)  # noqa: SIM115 (close does)
        except OSError as error:
            raise UnusableInput(unreadable(path, error)) from error
        self.compression = compression_of(self._raw.read(6))
        self._raw.seek(0)
        self.bytes: BinaryIO = self._raw
        if self.compression:
            try:
                self.bytes = OPENERS[self.compression](self._raw)
            except ImportError as error:
                self._raw.close()
                raise UnusableInput(
                    say(
                        "{path} is compressed with {method}, which this Python cannot read; decompress it first.",
                        path=str(path),
                        method=self.compression,
                    )
                ) from error

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self.bytes is not self._raw:
            self.bytes.close()
        self._raw.close()

    def read_into(self, buffer: memoryview) -> int:
        """Read into `buffer` what is at hand, at least one byte; return how many, 0 at the end. Raises OSError."""

        # Where decompression fails, readinto1 keeps what could still be decompressed.
        def read() -> int:
            return int((getattr(self.bytes, "readinto1", None) or self.bytes.readinto)(buffer) or 0)  # type: ignore[attr-defined]

        return self._read(read)

    def head(self, length: int) -> bytes:
        """Return the first `length` bytes, fewer where the file ends or decompression fails; go back to the beginning.

        Raises OSError where not even one byte can be had.
        """
        found = bytearray(length)
        filled = count = self.read_into(memoryview(found))
        while count and filled < length:
            try:
                count = self.read_into(memoryview(found)[filled:])
            except OSError:
                break
            filled += count
        self.bytes.seek(0)
        return bytes(found[:filled])

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on, fewer at the end. Raises OSError.

        Cheap only in ascending order when the file is compressed.
        """

        def read() -> bytes:
            self.bytes.seek(offset)
            pieces, missing = [], length
            while missing > 0 and (piece := self.bytes.read(missing)):
                pieces.append(piece)
                missing -= len(piece)
            return b"".join(pieces)

        return self._read(read)

    def _read(self, read: Callable[[], Read]) -> Read:
        """Read, where gzip data is damaged with the standard library: isal drops up to a buffer of what precedes the damage."""
        with self._one_error():
            if self.compression != "gzip" or type(self.bytes) is gzip.GzipFile:
                return read()
            place = self.bytes.tell()
            try:
                return read()
            except Exception:
                self.bytes.close()
                self._raw.seek(0)
                self.bytes = _gzip_thoroughly(self._raw)
                self.bytes.seek(place)
                return read()

    @contextmanager
    def _one_error(self) -> Iterator[None]:
        """Turn what the decompressors raise (EOFError, zlib.error, LZMAError, RuntimeError …) into OSError."""
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            raise OSError(f"{self.compression} data: {error}") from error


def unreadable(path: Path, error: OSError) -> str:
    """Return the sentence for a file that the system refuses: what it is, and whose."""
    if isinstance(error, FileNotFoundError):
        return say("{path} does not exist.", path=str(path))
    if isinstance(error, IsADirectoryError):
        return say("{path} is a folder.", path=str(path))
    if not isinstance(error, PermissionError):
        return say("{path} cannot be read: {reason}.", path=str(path), reason=error.strerror or str(error))
    try:
        mode = stat.filemode(os.stat(path).st_mode)
        belongs = say("it belongs to {owner} (mode {mode})", owner=path.owner(), mode=mode)
        whose = belongs if os.name == "posix" else say("access to it is denied")
    except (OSError, KeyError, NotImplementedError):  # no such user, or not even its folder may be searched
        whose = say("access to it is denied")
    return say(
        "{path} cannot be read: {whose}; run as a user who may read it, or copy it where you may.",
        path=str(path),
        whose=whose,
    )
