"""Bytes -> lines -> text. Never fails, whatever the bytes are.

Lives here: blocks of whole lines from any stream, and decoding line by line, because one file can hold several encodings (a
PostgreSQL backend writes in its database's encoding, the postmaster in the system's).
Never here: what a line means.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

LINE_LIMIT = 64 * 1024  # bytes of a line that are looked at
BLOCK = 1 << 20  # bytes read at a time
LOOK = 4096  # bytes at a file's beginning that tell its encoding
CANDIDATES = (
    "cp932",
    "euc_jp",
    "gb18030",
    "cp949",
    "cp1251",
    "cp1250",
    "cp1252",
)  # tried on lines that are no UTF-8, scored by known words
# The encodings in which a language's texts are looked for besides UTF-8.
BY_LANGUAGE = {
    "ja": ("cp932", "euc_jp"), "zh_CN": ("gb18030",), "zh_TW": ("big5",), "ko": ("cp949",), "ru": ("cp1251", "koi8_r"),
    "uk": ("cp1251",), "pl": ("cp1250",), "tr": ("cp1254",),
}  # fmt: skip
_ESCAPES = re.compile(r"\x1b\[[0-9;:?]{0,32}[ -/]{0,4}[@-~]|\x1b\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines, each ending with a newline (the file's last may not).

    UTF-16 becomes UTF-8, a UTF-8 mark and NUL bytes are dropped, a line longer than LINE_LIMIT ends there.
    """
    rest, skipping, decoder = b"", False, None
    first = True
    for piece in _pieces(stream):
        if first:
            decoder = _utf16(piece)
            piece = piece.removeprefix(codecs.BOM_UTF8)
            first = False
        if decoder is not None:
            piece = decoder.decode(piece).encode("utf-8", "replace")
        if b"\0" in piece:
            piece = piece.translate(None, b"\0")  # many times as fast as replace
        if skipping:
            newline = piece.find(b"\n")
            if newline < 0:
                continue
            piece, skipping = piece[newline:], False
        end = piece.rfind(b"\n") + 1
        if end:
            yield rest + piece[:end]
            rest = piece[end:]
        else:
            rest += piece
        if len(rest) > LINE_LIMIT:
            rest, skipping = rest[:LINE_LIMIT], True
    if rest:
        yield rest


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """What can be read, about BLOCK bytes at a time; also what came before an error, which is then raised."""
    read = getattr(stream, "read1", stream.read)
    while True:
        parts: list[bytes] = []
        try:
            while (missing := BLOCK - sum(map(len, parts))) > 0 and (part := read(missing)):
                parts.append(part)
        except Exception:
            if parts:
                yield b"".join(parts)
            raise
        if not parts:
            return
        yield b"".join(parts)


def _utf16(start: bytes) -> codecs.IncrementalDecoder | None:
    """What decodes the file, if it is UTF-16: by its mark, else by the zeros that every other byte of its Latin letters is."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not start.startswith(codecs.BOM_UTF32_LE):
        return codecs.getincrementaldecoder("utf-16")("replace")
    start = start[:LOOK]
    first, second = start[0::2].count(0), start[1::2].count(0)
    for name, zeros, others in (("utf-16-le", second, first), ("utf-16-be", first, second)):
        if zeros > len(start) / 8 and others < zeros / 16:
            return codecs.getincrementaldecoder(name)("replace")
    return None


class LineDecoder:
    """Decodes the lines of one file; remembers what worked last.

    score  how many known words a text holds: chooses between encodings that all accept the bytes
    """

    def __init__(self, score: Callable[[str], int]) -> None:
        self._score = score
        self._previous = ""
        self.used: set[str] = set()

    def decode(self, line: bytes) -> str:
        """The line as text, control characters and terminal escapes removed, tabs kept."""
        return clean(self._decode(line[:LINE_LIMIT]))

    def _decode(self, line: bytes) -> str:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start >= len(line) - 3 and len(line) >= LINE_LIMIT:  # a character cut by the limit
                return line.decode("utf-8", "ignore")
        best, best_score, best_name = "", 0, ""
        for name in (self._previous, *CANDIDATES) if self._previous else CANDIDATES:
            try:
                text = line.decode(name)
            except UnicodeDecodeError:
                continue
            score = self._score(text)
            if score > best_score:
                best, best_score, best_name = text, score, name
        if best_score:
            self._previous = best_name
            self.used.add(best_name)
            return best
        if self._previous:
            return line.decode(self._previous, "replace")
        self.used.add("latin_1")
        return line.decode("latin_1")


def clean(text: str) -> str:
    """Without terminal escapes, control and direction characters; line ends trimmed, tabs kept."""
    text = text.rstrip("\r\n")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return text if text.isprintable() else _CONTROLS.sub("", text)
