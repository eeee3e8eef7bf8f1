"""Capture files -> SEGMENT rows: finding files, reading records, decoding headers. Never here: connections.

Lives here: the public names, loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.loading import on_use

if TYPE_CHECKING:
    from analyzer.capture.ahead import read_all as read_all
    from analyzer.capture.behind import checksums as checksums
    from analyzer.capture.behind import clips as clips
    from analyzer.capture.choosing import chosen as chosen
    from analyzer.capture.extraction import extract as extract
    from analyzer.capture.extraction import payloads as payloads
    from analyzer.capture.files import CaptureFile as CaptureFile
    from analyzer.capture.files import distinct as distinct
    from analyzer.capture.files import find as find
    from analyzer.capture.heard import address_changes as address_changes
    from analyzer.capture.heard import icmp_errors as icmp_errors
    from analyzer.capture.messages import Heard as Heard
    from analyzer.capture.overlaps import seams as seams
    from analyzer.capture.overlaps import seen_twice as seen_twice
    from analyzer.capture.quality import captures as captures
    from analyzer.capture.reading import Chunk as Chunk
    from analyzer.capture.reading import read as read
    from analyzer.capture.secrets import tls_secrets as tls_secrets
    from analyzer.capture.tally import Tally as Tally

_HOMES = {
    "CaptureFile": "files",
    "Chunk": "reading",
    "Heard": "messages",
    "Tally": "tally",
    "address_changes": "heard",
    "captures": "quality",
    "checksums": "behind",
    "chosen": "choosing",
    "clips": "behind",
    "distinct": "files",
    "extract": "extraction",
    "find": "files",
    "icmp_errors": "heard",
    "payloads": "extraction",
    "read": "reading",
    "read_all": "ahead",
    "seams": "overlaps",
    "seen_twice": "overlaps",
    "tls_secrets": "secrets",
}

__all__ = list(_HOMES)
__getattr__ = on_use(__name__, _HOMES)
