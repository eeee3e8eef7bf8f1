"""What a file is that is no capture we read: one sentence, with what to do instead.

Lives here: the table of other formats, by their first bytes and, where they have none, by suffix.
Never here: opening files.
"""

from __future__ import annotations

from pathlib import Path

CONVERT = "convert it with `editcap -F pcap` (part of Wireshark)"
HEAD_BYTES = 4096  # what `sentence` wants to see of a file

# First bytes -> what follows "<file> is …".
MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"GMBU", f"a Microsoft Network Monitor capture, which is not understood; {CONVERT}."),
    (b"RTSS", f"a Microsoft Network Monitor 1 capture, which is not understood; {CONVERT}."),
    (b"snoop\0\0\0", f"a snoop capture, which is not understood; {CONVERT}."),
    (b"btsnoop\0", "a Bluetooth capture (btsnoop), which holds no TCP."),
    (b"TRSNIFF data    \x1a", f"a Sniffer capture, which is not understood; {CONVERT}."),
    (b"XCP\0", f"a NetXRay or Sniffer capture, which is not understood; {CONVERT}."),
    (b"\x7fver", f"an OmniPeek capture, which is not understood; {CONVERT}."),
    (b"iptrace ", f"an AIX iptrace capture, which is not understood; {CONVERT}."),
    (b"TR\0d\0", f"an HP-UX nettl trace, which is not understood; {CONVERT}."),
    (b"NetScaler", f"a NetScaler trace, which is not understood; {CONVERT}."),
    (b"\x89PNG", "a PNG picture, not a capture."),
    (b"\xff\xd8\xff", "a JPEG picture, not a capture."),
    (b"GIF8", "a GIF picture, not a capture."),
    (b"%PDF", "a PDF document, not a capture."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive, not a capture; unpack it first."),
    (b"Rar!", "a RAR archive, not a capture; unpack it first."),
    (b"\x7fELF", "a program, not a capture."),
    (b"MZ", "a Windows program, not a capture."),
    (b"SQLite format 3\0", "an SQLite database, not a capture."),
    (b"ElfFile\0", "a Windows event log, not a capture."),
)

SUFFIX = {
    ".etl": (
        "a Windows trace, which is not understood; convert it with `pktmon etl2pcap` (a pktmon trace) or"
        " etl2pcapng (a `netsh trace` one)."
    ),
    ".erf": f"an Endace (ERF) capture, which is not understood; {CONVERT}.",
    ".cap": f"not a capture in the pcap or pcapng format; if Wireshark opens it, {CONVERT}.",
}

FIDDLER = (
    "a Fiddler archive: it holds HTTP sessions without packets and cannot show a reset; capture with"
    " `pktmon start --capture` or Wireshark instead."
)
NOT_A_CAPTURE = "not a capture in the pcap or pcapng format."


def sentence(name: str, head: bytes) -> str:
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
        return f"{name} is {FIDDLER if fiddler else 'a ZIP archive, not a capture; unpack it first.'}"
    for magic, says in MAGIC:
        if head.startswith(magic):
            return f"{name} is {says}"
    if head[257:262] == b"ustar":
        return f"{name} is a tar archive, not a capture; unpack it first."
    if not head.strip(b"\0"):
        return f"{name} holds nothing but zero bytes: the capture was never written, or the disk lost it."
    if suffix in SUFFIX and suffix != ".cap":
        return f"{name} is {SUFFIX[suffix]}"
    if is_text(head):
        return f"{name} is text, not a capture; a log is given with --log."
    return f"{name} is {SUFFIX.get(suffix, NOT_A_CAPTURE)}"


def is_text(head: bytes) -> bool:
    """Return whether these first bytes of a file are text, in UTF-8, UTF-16 or a single-byte encoding."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return control == 0
