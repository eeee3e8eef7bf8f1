"""The TLS secrets that a pcapng file carries (Decryption Secrets Block, draft-ietf-opsawg-pcapng 4.7): `editcap --inject-secrets` puts them there.

Lives here: reading them, line by line, for whoever hands them to tshark.
Never here: keeping them, or anything made of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from analyzer.capture.extraction import payloads
from analyzer.capture.files import CaptureFile
from analyzer.capture.records import LARGEST_FRAME, SECRETS_AT_MOST

# A line of SSLKEYLOGFILE: what it is, whose (the client's random number, a session's), the secret. What else a block holds is left there.
_LINE = re.compile(rb"[A-Z][A-Z0-9_]{2,63} [\w:-]{1,256} [\w:-]{1,256}")


def tls_secrets(file: CaptureFile, spans: Sequence[tuple[int, int]], most: int) -> tuple[bytes, bool]:
    """Return the lines of a file's TLS secrets, and whether all were read: at most `most` bytes of SECRETS_AT_MOST blocks are.

    spans
        `Chunk.secrets` of all its chunks: (offset, length) in the uncompressed file.

    Raises UnusableInput when the file can no longer be opened.
    """
    pieces, left, whole = [], most, len(spans) <= SECRETS_AT_MOST
    for offset, length in spans[:SECRETS_AT_MOST]:
        taken = min(length, left)
        whole, left = whole and taken == length, left - taken
        parts = [(offset + at, min(LARGEST_FRAME, taken - at)) for at in range(0, taken, LARGEST_FRAME)]
        pieces.append(b"".join(payloads(file, parts)))
    lines = (line.strip() for piece in pieces for line in re.split(rb"[\r\n]+", piece))
    return b"".join(line + b"\n" for line in lines if _LINE.fullmatch(line)), whole
