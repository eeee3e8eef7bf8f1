"""What a file is that is no capture we read: one sentence, with what to do instead.

Lives here: the table of other formats, by their first bytes and, where they have none, by suffix.
Never here: opening files.
"""

from __future__ import annotations

from pathlib import Path

from analyzer.language import N_, Sentence, say

HEAD_BYTES = 4096  # what `sentence` wants to see of a file

CONVERT = N_("{name} is {format}, which is not understood; convert it with `editcap -F pcap` (part of Wireshark).")
NO_CAPTURE, UNPACK = N_("{name} is {format}, not a capture."), N_("{name} is {format}, not a capture; unpack it first.")
OTHER = N_("{name} is {format}.")

# First bytes -> the sentence, and the format that it names.
MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"GMBU", CONVERT, N_("a Microsoft Network Monitor capture")),
    (b"RTSS", CONVERT, N_("a Microsoft Network Monitor 1 capture")),
    (b"snoop\0\0\0", CONVERT, N_("a snoop capture")),
    (b"btsnoop\0", OTHER, N_("a Bluetooth capture (btsnoop), which holds no TCP")),
    (b"TRSNIFF data    \x1a", CONVERT, N_("a Sniffer capture")),
    (b"XCP\0", CONVERT, N_("a NetXRay or Sniffer capture")),
    (b"\x7fver", CONVERT, N_("an OmniPeek capture")),
    (b"iptrace ", CONVERT, N_("an AIX iptrace capture")),
    (b"TR\0d\0", CONVERT, N_("an HP-UX nettl trace")),
    (b"NetScaler", CONVERT, N_("a NetScaler trace")),
    (b"\x89PNG", NO_CAPTURE, N_("a PNG picture")),
    (b"\xff\xd8\xff", NO_CAPTURE, N_("a JPEG picture")),
    (b"GIF8", NO_CAPTURE, N_("a GIF picture")),
    (b"%PDF", NO_CAPTURE, N_("a PDF document")),
    (b"7z\xbc\xaf\x27\x1c", UNPACK, N_("a 7-Zip archive")),
    (b"Rar!", UNPACK, N_("a RAR archive")),
    (b"\x7fELF", NO_CAPTURE, N_("a program")),
    (b"MZ", NO_CAPTURE, N_("a Windows program")),
    (b"SQLite format 3\0", NO_CAPTURE, N_("an SQLite database")),
    (b"ElfFile\0", NO_CAPTURE, N_("a Windows event log")),
)

SUFFIX = {
    ".etl": (
        N_(
            "{name} is {format}, which is not understood; convert it with `pktmon etl2pcap` (a pktmon trace) or etl2pcapng (a `netsh trace` one)."
        ),
        N_("a Windows trace"),
    ),
    ".erf": (CONVERT, N_("an Endace (ERF) capture")),
    ".cap": (
        N_("{name} is {format}; if Wireshark opens it, convert it with `editcap -F pcap` (part of Wireshark)."),
        N_("not a capture in the pcap or pcapng format"),
    ),
}
FIDDLER = (
    N_(
        "{name} is {format}: it holds HTTP sessions without packets and cannot show a reset; capture with `pktmon start --capture` "
        "or Wireshark instead."
    ),
    N_("a Fiddler archive"),
)
ZIP, TAR = (UNPACK, N_("a ZIP archive")), (UNPACK, N_("a tar archive"))
NOT_A_CAPTURE = (OTHER, N_("not a capture in the pcap or pcapng format"))


def sentence(name: str, head: bytes) -> Sentence:
    """Return what the file is, as one sentence that begins with `name`.

    Parameters
    ----------
    name : str
        The file as shown to the user; its suffix decides only where the bytes say nothing.
    head : bytes
        Its first HEAD_BYTES.
    """
    suffix = Path(name).suffix.lower()
    if head.startswith(b"PK\3\4"):
        fiddler = suffix == ".saz" or b"raw/" in head
        return _said(name, *(FIDDLER if fiddler else ZIP))
    for magic, template, kind in MAGIC:
        if head.startswith(magic):
            return _said(name, template, kind)
    if head[257:262] == b"ustar":
        return _said(name, *TAR)
    if not head.strip(b"\0"):
        return say(
            "{name} holds nothing but zero bytes: the capture was never written, or the disk lost it.", name=name
        )
    if suffix in SUFFIX and suffix != ".cap":
        return _said(name, *SUFFIX[suffix])
    if is_text(head):
        return say("{name} is text, not a capture; a log is given with --log.", name=name)
    return _said(name, *SUFFIX.get(suffix, NOT_A_CAPTURE))


def _said(name: str, template: str, kind: str) -> Sentence:
    return say(template, name=name, format=say(kind))


def is_text(head: bytes) -> bool:
    """Return whether these first bytes of a file are text, in UTF-8, UTF-16 or a single-byte encoding."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return control == 0
