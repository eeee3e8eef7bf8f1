"""Capture files built byte by byte, and tshark's reading of them. No expectation lives here."""

import struct
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from analyzer import capture
from analyzer.schema import NO_TIME

START = 1_700_000_000_123_456_789  # ns


class Frame(NamedTuple):
    """One packet: time in ns, data as captured, length on the wire (None: as captured)."""

    time: int
    data: bytes
    wire: int | None = None

    @property
    def length(self) -> int:
        return len(self.data) if self.wire is None else self.wire


def pcap(
    frames: Iterable[Frame],
    *,
    link: int = 1,
    order: str = "<",
    nano: bool = True,
    snaplen: int = 262_144,
    minor: int = 4,
) -> bytes:
    """A classic capture file."""
    unit = 1 if nano else 1000
    out = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, minor, 0, 0, snaplen, link)]
    for frame in frames:
        seconds, rest = divmod(frame.time, 10**9)
        out += [struct.pack(order + "IIII", seconds, rest // unit, len(frame.data), frame.length), frame.data]
    return b"".join(out)


def modified_pcap(frames: Iterable[tuple[Frame, int, int]], *, link: int = 1, order: str = "<") -> bytes:
    """A file of Kuznetzov's patched libpcap: frames with interface index and packet type."""
    out = [struct.pack(order + "IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65535, link)]
    for frame, interface, kind in frames:
        seconds, rest = divmod(frame.time, 10**9)
        out.append(struct.pack(order + "IIII", seconds, rest // 1000, len(frame.data), frame.length))
        out += [struct.pack(order + "IHBx", interface, 0x0800, kind), frame.data]
    return b"".join(out)


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """Any pcapng block."""
    total = 12 + len(padded(body))
    return struct.pack(order + "II", kind, total) + padded(body) + struct.pack(order + "I", total)


def options(values: Sequence[tuple[int, bytes]], order: str = "<") -> bytes:
    """Options of a block, with the end mark."""
    if not values:
        return b""
    return b"".join(struct.pack(order + "HH", code, len(v)) + padded(v) for code, v in values) + b"\0\0\0\0"


def section(order: str = "<", extra: Sequence[tuple[int, bytes]] = (), major: int = 1) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, major, 0, -1) + options(extra, order), order)


def interface(
    link: int = 1, order: str = "<", *, snaplen: int = 0, resolution: int | None = None, offset: int | None = None
) -> bytes:
    extra = [(2, b"eth0")]
    if resolution is not None:
        extra.append((9, bytes([resolution])))
    if offset is not None:
        extra.append((14, struct.pack(order + "q", offset)))
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options(extra, order), order)


def enhanced(
    frame: Frame,
    order: str = "<",
    *,
    number: int = 0,
    ticks: int | None = None,
    extra: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """An enhanced packet block; `ticks` defaults to the frame's time in microseconds."""
    ticks = frame.time // 1000 if ticks is None else ticks
    fixed = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame.data), frame.length)
    return block(6, fixed + padded(frame.data) + options(extra, order), order)


def simple(frame: Frame, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", frame.length) + frame.data, order)


def obsolete(
    frame: Frame, order: str = "<", *, number: int = 0, lost: int = 0xFFFF, extra: Sequence[tuple[int, bytes]] = ()
) -> bytes:
    ticks = frame.time // 1000
    fixed = struct.pack(order + "HHIIII", number, lost, ticks >> 32, ticks & 0xFFFFFFFF, len(frame.data), frame.length)
    return block(2, fixed + padded(frame.data) + options(extra, order), order)


def statistics(number: int, dropped: int, order: str = "<") -> bytes:
    body = struct.pack(order + "III", number, 0, 0) + options([(5, struct.pack(order + "Q", dropped))], order)
    return block(5, body, order)


# --- Reading ----------------------------------------------------------------------------------------------------------


def found(path: Path) -> Any:
    """The capture file at `path`."""
    (file,), _ = capture.find([path])
    return file


def read(path: Path, **how: int) -> tuple[np.ndarray, list[Any]]:
    """All segments, and the chunks."""
    chunks = list(capture.read(found(path), **how))
    return np.concatenate([chunk.segments for chunk in chunks]), chunks


def text(high: int, low: int, ipv6: bool) -> str:
    """An address as tshark prints it."""
    import ipaddress

    if ipv6:
        return str(ipaddress.IPv6Address(int(high) << 64 | int(low)))
    assert high == 0 and int(low) >> 32 == 0xFFFF
    return str(ipaddress.IPv4Address(int(low) & 0xFFFFFFFF))


FIELDS = (
    "frame.number", "frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport",
    "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.len", "tcp.window_size_value", "tcp.checksum", "tcp.hdr_len",
    "ip.ttl", "ipv6.hlim", "ip.id", "ip.flags.df", "ip.flags.mf", "ip.dsfield", "ipv6.tclass", "ipv6.flow",
    "tcp.options.timestamp.tsval", "tcp.options.timestamp.tsecr", "tcp.options.mss_val", "tcp.options.wscale.shift",
    "tcp.options.sack_perm", "vlan.id",
)  # fmt: skip


def tshark_rows(
    tshark: str,
    path: Path,
    fields: Sequence[str] = FIELDS,
    display: str = "tcp && !icmp && !icmpv6",
    decode_as: Sequence[str] = (),
) -> list[dict[str, str]]:
    """tshark's fields, one dict per frame; the last value where a field occurs more than once."""
    command = [tshark, "-r", str(path), "-n", "-Y", display, "-T", "fields", "-E", "occurrence=l", "-E", "separator=|"]
    for preference in ("ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.relative_sequence_numbers:FALSE"):
        command += ["-o", preference]
    for rule in decode_as:
        command += ["-d", rule]
    for field in fields:
        command += ["-e", field]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return [dict(zip(fields, line.split("|"), strict=True)) for line in run.stdout.splitlines()]


def nanoseconds(epoch: str) -> int:
    """tshark's frame.time_epoch as ns; NO_TIME where it prints none."""
    if not epoch:
        return NO_TIME
    whole, _, rest = epoch.partition(".")
    sign = -1 if whole.startswith("-") else 1
    return sign * (abs(int(whole)) * 10**9 + int(rest.ljust(9, "0")))


def same_shape(rows: list[dict[str, str]], number: Any) -> list[int | None]:
    return [None if number(row) in ("", None) else int(number(row), 0) for row in rows]


def as_tshark(segments: np.ndarray) -> list[dict[str, str]]:
    """Our rows in the words of FIELDS."""
    rows = []
    for s in segments:
        v4, v6 = not s["ipv6"], bool(s["ipv6"])
        src, dst = (text(s[f"{side}_hi"], s[f"{side}_lo"], v6) for side in ("src", "dst"))
        time = int(s["time"])
        values: dict[str, Any] = {
            "frame.number": s["frame"],
            "frame.time_epoch": "" if time == NO_TIME else f"{time // 10**9}.{time % 10**9:09d}",
            "ip.src": src if v4 else "",
            "ip.dst": dst if v4 else "",
            "ipv6.src": src if v6 else "",
            "ipv6.dst": dst if v6 else "",
            "tcp.srcport": s["sport"],
            "tcp.dstport": s["dport"],
            "tcp.seq_raw": s["seq"],
            "tcp.ack_raw": s["ack"],
            "tcp.flags": f"0x{s['flags']:04x}",
            "tcp.len": "" if s["fragment"] else s["length"],
            "tcp.window_size_value": s["window"],
            "tcp.checksum": f"0x{s['checksum']:04x}",
            "tcp.hdr_len": s["header"],
            "ip.ttl": s["ttl"] if v4 else "",
            "ipv6.hlim": s["ttl"] if v6 else "",
            "ip.id": f"0x{s['ip_id']:04x}" if v4 else "",
            "ip.flags.df": int(s["dont_fragment"]) if v4 else "",
            "ip.flags.mf": int(s["fragment"]) if v4 else "",
            "ip.dsfield": f"0x{s['tos']:02x}" if v4 else "",
            "ipv6.tclass": f"0x{s['tos']:08x}" if v6 else "",
            "ipv6.flow": f"0x{s['flow_label']:06x}" if v6 else "",
            "tcp.options.timestamp.tsval": s["tsval"] if s["has_timestamps"] else "",
            "tcp.options.timestamp.tsecr": s["tsecr"] if s["has_timestamps"] else "",
            "tcp.options.mss_val": s["mss"] or "",
            "tcp.options.wscale.shift": s["window_shift"] if s["window_shift"] >= 0 else "",
            "tcp.options.sack_perm": "0402" if s["sack_permitted"] else "",
            "vlan.id": s["vlan"] if s["vlan"] >= 0 else "",
        }
        rows.append({field: str(values[field]) for field in FIELDS})
    return rows


def differences(ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> list[str]:
    """Where two lists of rows differ: "frame field ours theirs"."""
    left, right = ({row["frame.number"]: row for row in rows} for rows in (ours, theirs))
    missing = [f"{n} only {'ours' if n in left else 'theirs'}" for n in sorted(left.keys() ^ right.keys(), key=int)]
    return missing + [
        f"{n} {field} {left[n][field]!r} {right[n][field]!r}"
        for n in left.keys() & right.keys()
        for field in left[n]
        if left[n][field] != right[n][field]
    ]
