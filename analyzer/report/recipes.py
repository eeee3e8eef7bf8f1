"""How to make a capture that decides: the commands and settings that `pcapreport capture-command` prints.

Lives here: the text, the capture filter and the arithmetic of the ring. Never here: anything that is run, or read from a capture.
Every line that does not begin with '#' is a command; a name of a file is never expanded by the shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from analyzer.errors import UsageError
from analyzer.language import N_, tr
from analyzer.report import wording
from analyzer.report.terminal import wrapped

WIDTH = 100
FOLDER = "/var/tmp/pcapreport"  # /tmp may be memory
WINDOWS_FOLDER = r"C:\pcapreport"
TRACE = "/sys/kernel/tracing/instances/pcapreport"
DUMPCAP_EXE = r"C:\Program Files\Wireshark\dumpcap.exe"

# What of each packet is kept. The longest link header is SLL2's (20 bytes), IP has 20 or 40, a SYN of TCP at most 60, usually 40.
SNAPLEN, HEADERS, HEADERS_IPV6 = 128, 80, 100
BESIDE = "arp or icmp or icmp6"  # errors that quote a segment; who has an address, for IPv6 as well
RECORD = 16  # bytes before each packet in a pcap file

MB = 1_000_000  # tcpdump's -C and dumpcap's filesize count in powers of ten
UNITS = {"M": 10**6, "G": 10**9, "T": 10**12, "MI": 2**20, "GI": 2**30, "TI": 2**40}
SMALLEST, LARGEST = 10 * MB, 10**13  # of a ring
FILES = 100  # of a ring, about
LARGEST_FILE = 1000  # MB; dumpcap ends at 2 GiB
MINUTES = 10  # of a file that is named by time
DAY = 24 * 60 // MINUTES


@dataclass(frozen=True)
class Ring:
    """Files that overwrite one another: together never more than the disk that was given."""

    megabytes: int
    files: int


def disk_bytes(text: str) -> int:
    """Return the bytes of '10G', '500M', '1.5T' (powers of ten) or '10GiB'. Raises UsageError for what is no such size."""
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([MGT]I?)B?\s*", text.upper(), re.ASCII)
    if match is None:
        raise UsageError(f"{text!r} is no size of a disk; write it as 500M, 10G or 1T.")
    size = int(float(match[1]) * UNITS[match[2]])
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"A ring of {text} is too {'small' if size < SMALLEST else 'large'}; give 10M to 10T.")
    return size


def ring(disk: int, snaplen: int = SNAPLEN) -> Ring:
    """Return the ring that fits: a file is closed by the packet that exceeds its size, so each may be one packet larger."""
    megabytes = min(max(disk // (FILES * MB), 1), LARGEST_FILE)
    return Ring(megabytes, disk // (megabytes * MB + snaplen + RECORD))


def capture_filter(ports: Sequence[int], host: str | None = None) -> str:
    """Return the capture filter: whole connections, and what may tell of their end without being TCP.

    Raises UsageError for what is no port or no address.
    """
    for port in ports:
        if not 0 < port < 65536:
            raise UsageError(f"{port} is no port of TCP (1 to 65535).")
    wanted = " or ".join(f"tcp port {port}" for port in dict.fromkeys(ports)) or "tcp"
    if host is not None:
        wanted = f"(host {_address(host)} and {f'({wanted})' if ' or ' in wanted else wanted})"
    return f"{wanted} or {BESIDE}"


def text(
    *,
    ports: Sequence[int] = (5432,),
    host: str | None = None,
    interface: str = "any",
    disk: str = "2G",
    headers_only: bool = False,
) -> str:
    """Return what to run where, ready to be pasted. Raises UsageError where an option makes no sense."""
    if not interface or wording.inert(interface) != interface:
        raise UsageError(f"{interface!r} is no name of an interface; `tcpdump -D` lists them.")
    wanted = capture_filter(ports, host)
    size = disk_bytes(disk)
    ipv6 = host is not None and ":" in host
    snaplen = SNAPLEN if not headers_only else HEADERS_IPV6 if ipv6 else HEADERS
    room = ring(size, snaplen)
    parts = [
        _before(room, size, snaplen, disk, headers_only, host),
        *(_linux(point, where, wanted, interface, snaplen, room) for point, where in POINTS),
        _by_time(wanted, interface, snaplen),
        _stop(),
        _postgresql(),
        _kernel(),
        _windows(wanted, ports, host, snaplen, room, size),
    ]
    return "\n".join("\n".join(part) + "\n" for part in parts)


POINTS = (
    ("client", N_("On the client's host (Linux).")),
    ("server", N_("On the server's host (Linux).")),
    (
        "router",
        N_(
            "On the router, firewall or balancer between them (Linux), if it is yours. -i any shows a forwarded packet "
            "twice, coming in and going out; a reset that only goes out was made there."
        ),
    ),
)


def _before(room: Ring, disk: int, snaplen: int, given: str, headers_only: bool, host: str | None) -> list[str]:
    lasts = wording.duration(disk / ((snaplen + RECORD) * 1000))
    kept = (
        tr(
            "Of each packet the first {snaplen} bytes are kept: the headers. No length of capture keeps headers only, since they vary: a few "
            "bytes of payload stay (about 10 to 20).",
            snaplen=snaplen,
        )
        if headers_only
        else tr(
            "Of each packet the first {snaplen} bytes are kept: the headers and some 50 bytes, enough to see which kind of message was "
            "last. They can hold the beginning of a statement or of a password: treat the files accordingly, or use --headers-only.",
            snaplen=snaplen,
        )
    )
    return [
        *_said(tr("How to capture a connection that is being reset, so that it can be told who does it.")),
        "",
        *_said(
            tr(
                "Best: on the client's host AND on the server's host at the same time. A reset that leaves one host and arrives at the other "
                "was sent by that host; a reset that arrives and never left was made by a device between them. One end alone gives likelihood."
            )
        ),
        *_said(
            tr(
                "The filter keeps whole connections: SYN, FIN, RST, the last data and its acknowledgements. Do not narrow it to resets "
                "(tcp-rst): such a capture shows only whose address a reset carries, and any device can write that address. Who sent it follows "
                "from what came before it."
            )
        ),
        *_said(kept),
        *_said(
            tr(
                "The ring ({files} files of {megabytes} MB) never takes more than {disk}; the oldest packets are overwritten. At "
                "1,000 packets a second it reaches back at least {lasts}: stop or copy within that time of the event.",
                files=room.files,
                megabytes=room.megabytes,
                disk=given,
                lasts=lasts,
            )
        ),
        *(
            _said(
                tr(
                    "Only packets of {host} are kept. Behind address translation the other side shows another address: leave out --host "
                    "there.",
                    host=host,
                )
            )
            if host is not None
            else []
        ),
    ]


def _linux(point: str, where: str, wanted: str, interface: str, snaplen: int, room: Ring) -> list[str]:
    return [
        *_said(tr(where), rule=True),
        *_folder(),
        tcpdump(point, wanted, interface, snaplen, room),
        *_said(tr("or, where Wireshark is installed (its files also tell whether packets were lost):")),
        dumpcap(point, wanted, interface, snaplen, room),
    ]


def tcpdump(point: str, wanted: str, interface: str, snaplen: int, room: Ring) -> str:
    """Return tcpdump's line for a ring. -C with -W overwrites the oldest file; tcpdump itself appends the numbers."""
    return (
        f"sudo tcpdump -i {shlex.quote(interface)} -s {snaplen} -B 16384 -Z root -C {room.megabytes} -W {room.files} "
        f"-w '{FOLDER}/at-{point}.pcap' '{wanted}'"
    )


def dumpcap(point: str, wanted: str, interface: str, snaplen: int, room: Ring) -> str:
    """Return dumpcap's line for the same ring; it puts number and time into the names itself."""
    return (
        f"sudo dumpcap -q -i {shlex.quote(interface)} -s {snaplen} -B 16 -b filesize:{room.megabytes * 1000} -b files:{room.files} "
        f"-w '{FOLDER}/at-{point}.pcapng' -f '{wanted}'"
    )


def timed(point: str, wanted: str, interface: str, snaplen: int) -> str:
    """Return tcpdump's line for files named by time; -G with -W ends after so many files."""
    return (
        f"sudo tcpdump -i {shlex.quote(interface)} -s {snaplen} -B 16384 -Z root -G {60 * MINUTES} -W {DAY} "
        f"-w '{FOLDER}/at-{point}-%Y%m%d-%H%M%S.pcap' '{wanted}'"
    )


def _folder() -> list[str]:
    return [f"sudo install -d -m 700 {FOLDER}"]


def _by_time(wanted: str, interface: str, snaplen: int) -> list[str]:
    return [
        *_said(
            tr(
                "Instead of the ring, for a day at most (here for the server's host): a file for each {minutes} minutes, named by its time; it "
                "ends by itself after {files} files. It has no limit of size, so watch the disk. "
                "Keep the %-codes: tcpdump fills them in at each rotation. A date that the shell fills in stays the same, "
                "and each rotation then overwrites the file.",
                minutes=MINUTES,
                files=DAY,
            ),
            rule=True,
        ),
        *_folder(),
        f"df -h {FOLDER}",
        timed("server", wanted, interface, snaplen),
    ]


def _stop() -> list[str]:
    return [
        *_said(
            tr(
                "To stop: Ctrl-C, once, a few seconds after the event; tcpdump then writes what it still holds. From another terminal:"
            ),
            rule=True,
        ),
        f"sudo pkill -INT -f '^(tcpdump|dumpcap) .*{FOLDER}/'",
        *_said(
            tr(
                "'0 packets dropped by kernel' should be its last word; else raise -B. Run it inside tmux or screen, or it ends with your "
                "session. A ring that is started again begins with its first file: move the files away before. -Z root lets tcpdump write into "
                "a folder that belongs to root; the names end in .pcap because AppArmor lets it write no others. In "
                "containers, run it on the node. Then collect the files in one place, and:"
            )
        ),
        f'sudo chown -R "$USER" {FOLDER}',
        f"pcapreport analyze --at 'client={FOLDER}/at-client*' --at 'server={FOLDER}/at-server*' --log postgresql.log",
    ]


def _postgresql() -> list[str]:
    settings = (
        ("log_connections", "on"),
        ("log_disconnections", "on"),
        ("log_line_prefix", "'%m [%p] %r '"),
        ("log_timezone", "'UTC'"),
    )
    psql = "sudo -u postgres psql"
    return [
        *_said(
            tr(
                "On the server: let PostgreSQL say which connection a line is about (time, process, client's address and port). Note the old "
                "prefix first, since other programs may read these logs. Sessions that are already open log their end only after they have "
                "reconnected; no restart is needed. On a managed service set the same parameters in its console."
            ),
            rule=True,
        ),
        f'{psql} -c "SHOW log_line_prefix"',
        f"{psql} " + " ".join(f'-c "ALTER SYSTEM SET {name} = {value}"' for name, value in settings),
        f'{psql} -c "SELECT pg_reload_conf()"',
        *_said(tr("Afterwards, to undo it:")),
        f"{psql} "
        + " ".join(f'-c "ALTER SYSTEM RESET {name}"' for name, _ in settings)
        + ' -c "SELECT pg_reload_conf()"',
        *_said(tr("Keep the client's log too, with the whole error and its time.")),
    ]


def _kernel() -> list[str]:
    event = f"{TRACE}/events/tcp/tcp_send_reset/enable"
    return [
        *_said(
            tr(
                "On a Linux host that may send the resets: its kernel names each reset that it sends, and from Linux 6.10 on the reason. A reset "
                "that is on the wire and not in this list was made by a firewall (also by the host's own) or by another machine. It sees all "
                "containers, so run it on the node. Ctrl-C ends it."
            ),
            rule=True,
        ),
        *_folder(),
        f"sudo mkdir -p {TRACE}",
        f"echo 1 | sudo tee {event}",
        f"sudo cat {TRACE}/trace_pipe | while IFS= read -r line; do "
        f"printf '%(%Y-%m-%d %H:%M:%S%z)T %s\\n' -1 \"$line\"; done | sudo tee -a {FOLDER}/resets-sent.log",
        *_said(tr("Afterwards:")),
        f"echo 0 | sudo tee {event}",
        f"sudo rmdir {TRACE}",
        *_said(tr("or, with perf (its times count from the start of the machine):")),
        f"sudo perf record -a -e tcp:tcp_send_reset -o {FOLDER}/resets-sent.data",
        f"sudo perf script -i {FOLDER}/resets-sent.data",
    ]


def _windows(wanted: str, ports: Sequence[int], host: str | None, snaplen: int, room: Ring, disk: int) -> list[str]:
    address = "" if host is None else f" -i {_address(host)}"
    filters = [f"pktmon filter add pcapreport -t TCP{address} -p {port}" for port in dict.fromkeys(ports)]
    return [
        *_said(
            tr(
                "On Windows (10 from 2004 on, 11, Server 2022), in PowerShell as administrator. Without --comp nics pktmon records each packet "
                "many times. Its log is circular. Written after Microsoft's documentation, and never run by us."
            ),
            rule=True,
        ),
        f"mkdir {WINDOWS_FOLDER}",
        "pktmon filter remove",
        *(filters or [f"pktmon filter add pcapreport -t TCP{address}"]),
        f"pktmon start --capture --comp nics --pkt-size {snaplen} --file-name {WINDOWS_FOLDER}\\at-client.etl --file-size {disk >> 20}",
        *_said(tr("After the event:")),
        "pktmon stop",
        f"pktmon etl2pcap {WINDOWS_FOLDER}\\at-client.etl --out {WINDOWS_FOLDER}\\at-client.pcapng",
        "pktmon filter remove",
        *_said(tr("or, where Wireshark is installed; -D lists the interfaces, and the number goes after -i:")),
        f'& "{DUMPCAP_EXE}" -D',
        f'& "{DUMPCAP_EXE}" -q -i 1 -s {snaplen} -B 16 -b filesize:{room.megabytes * 1000} -b files:{room.files} '
        f'-w {WINDOWS_FOLDER}\\at-client.pcapng -f "{wanted}"',
    ]


def _address(host: str) -> str:
    try:
        address = ip_address(host.strip("[]"))
    except ValueError as error:
        raise UsageError(
            f"{host!r} is no IP address; a capture filter by name would follow only one of its addresses."
        ) from error
    if isinstance(address, IPv6Address) and address.scope_id:
        raise UsageError(f"{host!r} names an interface; give the address without it, and --interface.")
    return str(address)


def _said(words: str, rule: bool = False) -> list[str]:
    """Return prose as lines of comment; with a rule above where something new begins."""
    lines = [line for _, line in wrapped(words, WIDTH, "# ")]
    return [*(["# " + "-" * (WIDTH - 2)] if rule else []), *lines]
