"""Running tshark, and reading its answer with pyshark's packet classes.

Lives here: where tshark is looked for, how it is called (no shell, no user settings, a time limit), how its PDML is read.
Never here: pyshark's own way of finding and running tshark, which executes what a `config.ini` in the current directory
names and fails in a running event loop. pyshark is loaded only when a packet is read.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

TIMEOUT = 120  # seconds; the input is bounded, so only a tshark that hangs meets it
LAYERS = ("pgsql", "mysql", "tls", "http", "http2", "resp")  # what `words` understands
OPTIONS = {  # those that matter here, whatever the installation's defaults
    "tcp.desegment_tcp_streams": "TRUE",
    "tcp.analyze_sequence_numbers": "TRUE",
    "tcp.reassemble_out_of_order": "FALSE",
    "tcp.try_heuristic_first": "FALSE",
    "tcp.check_checksum": "FALSE",
    "ip.check_checksum": "FALSE",
    "tls.desegment_ssl_records": "TRUE",
    "http.desegment_headers": "TRUE",
    "http.desegment_body": "FALSE",  # a response is seen when its head is complete
    "http.dechunk_body": "FALSE",
    "http.decompress_body": "FALSE",
}


class TsharkFailed(Exception):
    """tshark could not be run, did not end in time, or failed; its text is one sentence."""


def find_tshark() -> Path | None:
    """Look for tshark in the absolute folders of PATH and the usual ones; never where the current directory says.

    Returns
    -------
    Path or None
        Absolute; None where tshark is not installed.
    """
    name = "tshark.exe" if sys.platform == "win32" else "tshark"
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(folder)]
    for variable in ("ProgramW6432", "ProgramFiles", "ProgramFiles(x86)"):
        if os.path.isabs(os.environ.get(variable, "")):
            folders.append(os.path.join(os.environ[variable], "Wireshark"))
    if sys.platform != "win32":
        folders += ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/opt/local/bin"]
        folders.append("/Applications/Wireshark.app/Contents/MacOS")
    for folder in folders:
        found = shutil.which(os.path.join(folder, name))
        if found:
            return Path(found)
    return None


def _run(tshark: Path, arguments: Sequence[str], answer: Path | None = None) -> bytes:
    """Run tshark without the user's settings; its standard output goes to the file `answer`, else it is returned."""
    if not tshark.is_absolute():
        raise TsharkFailed(f"tshark's path is not absolute ({tshark})")
    with tempfile.TemporaryDirectory(prefix="pcapreport-", ignore_cleanup_errors=True) as home:
        kept = ("SYSTEMROOT", "SYSTEMDRIVE", "PATHEXT", "LD_LIBRARY_PATH", "PATH")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        homes = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME",
                 "WIRESHARK_CONFIG_DIR", "TMPDIR", "TEMP", "TMP")  # fmt: skip
        environment |= dict.fromkeys(homes, home) | {"LC_ALL": "C", "TZ": "UTC"}
        output, trouble = Path(home) / "answer", Path(home) / "trouble"
        try:
            with open(answer or output, "wb") as out, open(trouble, "wb") as err:
                done = subprocess.run(
                    [str(tshark), *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment,
                    cwd=home, timeout=TIMEOUT, check=False,
                )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise TsharkFailed(f"tshark did not end within {TIMEOUT} seconds") from None
        except (OSError, ValueError) as error:
            raise TsharkFailed(f"tshark could not be run ({type(error).__name__})") from None
        if done.returncode:
            with open(trouble, "rb") as err:
                said = err.read(4096).decode("utf-8", "replace")
            lines = [line for line in said.splitlines() if line.strip() and not line.startswith("Running as user")]
            why = "".join(c if c.isprintable() else "?" for c in lines[-1][:200]) if lines else "it said nothing"
            raise TsharkFailed(f"tshark ended with status {done.returncode}: {why}")
        return b"" if answer else output.read_bytes()


def tshark_version(tshark: Path) -> str:
    """Return tshark's version as it prints it ("4.0.17"); "unknown" where it prints none.

    Raises TsharkFailed when it cannot be run.
    """
    found = re.search(rb"\d+\.\d+\.\d+[\w.]*", _run(tshark, ["--version"])[:400])
    return found.group().decode() if found else "unknown"


def _reading(file: Path) -> list[str]:
    arguments = ["-n", "-r", str(file)]
    for name, value in OPTIONS.items():
        arguments += ["-o", f"{name}:{value}"]
    return arguments


def payloads_of(file: Path, tshark: Path) -> Iterator[tuple[int, bytes]]:
    """Frame number and TCP payload of each frame of `file` that has one; what the payload is, is not looked at."""
    plain = ["-d", "tcp.port==1-65535,data", "-o", "tcp.desegment_tcp_streams:FALSE"]
    fields = ["-T", "fields", "-E", "occurrence=f", "-e", "frame.number", "-e", "tcp.payload"]
    for line in _run(tshark, [*_reading(file), *plain, *fields]).splitlines():
        number, _, payload = line.partition(b"\t")
        if payload:
            try:
                yield int(number), bytes.fromhex(payload.decode("ascii").replace(":", ""))
            except ValueError:
                raise TsharkFailed("tshark's answer was not understood") from None


def layers_of(file: Path, tshark: Path, keylog: Path | None = None) -> Iterator[tuple[int, list[Any]]]:
    """Frame number and pyshark's layers of each frame of `file`, in order; a frame that cannot be read has none.

    With the secrets of `keylog` (SSLKEYLOGFILE's format) what TLS encrypted has its layers behind TLS's own.
    """
    import lxml.etree
    import lxml.objectify
    from pyshark.tshark.output_parser.tshark_xml import DEL_BAD_XML_CHARS, packet_from_xml_packet

    answer = file.with_suffix(".pdml")
    keys = [] if keylog is None else ["-o", f"tls.keylog_file:{keylog}"]
    _run(tshark, [*_reading(file), *keys, "-T", "pdml", "-J", " ".join(("frame", *LAYERS))], answer)
    reader = lxml.objectify.makeparser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, recover=True, encoding="utf-8"
    )
    for number, text in enumerate(_packets(answer), start=1):
        clean = text.decode("utf-8", "ignore").translate(DEL_BAD_XML_CHARS).encode()
        try:
            layers = packet_from_xml_packet(lxml.objectify.fromstring(clean, reader)).layers
        except (lxml.etree.XMLSyntaxError, AttributeError, IndexError, KeyError, TypeError, ValueError):
            layers = []
        yield number, layers
    answer.unlink()


def _packets(answer: Path) -> Iterator[bytes]:
    """Each `<packet>` element of a PDML file as it stands: values are escaped, so the tags are tshark's own."""
    pending = b""
    with open(answer, "rb") as file:
        while block := file.read(1 << 20):
            *whole, pending = (pending + block).split(b"</packet>")
            for text in whole:
                yield text[max(0, text.find(b"<packet>")) :] + b"</packet>"
