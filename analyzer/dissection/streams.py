"""From captured payload to clean streams: in order, without duplicates, cut where bytes are missing, begun at a message.

Lives here: putting segments in order, recognising the protocol by its bytes, finding where a message begins in a window
cut from the middle of a connection, and the small capture of these streams that tshark reads.
Never here: what a message says (tshark and `words` say that).

tshark reads this capture and not the user's frames because one missing or displaced segment, or a window that begins in
the middle of a message, makes it take payload for a header and swallow all that follows; and because a protocol on an
unusual port, or two protocols on one port, then need no option: each stream gets its protocol's own port.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SEARCHED = 64 * 1024  # how far into a stream the beginning of a message is looked for
PORTS = {"postgresql": 5432, "tls": 443, "http": 80}
NO_PORT = 61_000  # nothing is registered here

STARTUP = re.compile(rb"\x00\x00[\x00-\x27].(?:\x00\x03\x00[\x00-\x02]|\x04\xd2\x16[\x2e-\x30])", re.DOTALL)
HTTP = re.compile(rb"HTTP/1\.[01] \d{3}[ \r]|PRI \* HTTP/2\.0\r|[A-Z][A-Z-]{2,19} [^\r\n]{1,8000} HTTP/1\.[01]\r?\n")
TLS_RECORD = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]")
FROM_CLIENT, FROM_SERVER = b"QPBEDSHCXdcfpF", b"RSKZCDTEN123nstIAGHWdcVv"
EMPTY = {True: b"SHXc", False: b"123nsIc"}  # messages that are always four bytes long (without the type)
ERROR_FIELDS = b"SVCMDHPpqWstcdnFLR"


@dataclass(frozen=True)
class Segment:
    """One packet's payload: where it stands (capture, frame), its bytes, and whether it comes after the ending."""

    ending: str
    place: int  # number within its ending, in the order of the captures
    capture: str
    frame: int
    from_client: bool
    seq: int  # raw, then relative to the first of its direction
    length: int  # by the IP header
    payload: bytes  # as captured
    after: bool

    def last(self, most: int) -> Segment:
        """The segment cut down to its last `most` bytes."""
        cut = max(0, len(self.payload) - most)
        if not cut or len(self.payload) < self.length:
            return replace(self, payload=self.payload[:most])
        return self.without(cut)

    def without(self, count: int) -> Segment:
        """The segment without its first `count` bytes."""
        return replace(self, seq=self.seq + count, length=self.length - count, payload=self.payload[count:])


@dataclass(frozen=True)
class Stream:
    """Contiguous segments of one ending, both directions where they begin together, from the beginning of a message."""

    ending: str
    protocol: str | None  # 'postgresql', 'tls', 'http'; None when the bytes do not say
    segments: tuple[Segment, ...]
    port: int


def _in_order(segments: Sequence[Segment]) -> list[list[Segment]]:
    """One direction's runs: by (relative) sequence number, no byte twice, a new run where bytes are missing."""
    base = segments[0].seq
    relative = [replace(s, seq=((s.seq - base + 2**31) % 2**32) - 2**31) for s in segments]
    runs: list[list[Segment]] = []
    due: int | None = None
    for segment in sorted(relative, key=lambda s: (s.seq, s.place)):
        if due is not None and segment.seq < due:
            segment = segment.without(due - segment.seq)
        if not segment.payload or segment.length <= 0:
            continue  # seen before
        if segment.seq != due or len(runs[-1][-1].payload) < runs[-1][-1].length:
            runs.append([])
        runs[-1].append(segment)
        due = segment.seq + segment.length
    return runs


def _postgresql(data: bytes, at: int, from_client: bool) -> int | None:
    """Length of the PostgreSQL message at `at`; None when there is none. Its body is looked at where it is captured."""
    kind = data[at : at + 1]
    if kind not in (FROM_CLIENT if from_client else FROM_SERVER) or len(data) - at < 5:
        return None
    length = int.from_bytes(data[at + 1 : at + 5], "big")
    body = data[at + 5 : at + 1 + length]
    whole = len(body) == length - 4
    right = 4 <= length < 2**30
    if kind in EMPTY[from_client]:
        right = length == 4
    elif from_client:
        right &= length > 4 and (not whole or kind not in b"Qf" or body.endswith(b"\0"))
    elif kind == b"Z":
        right = length == 5 and (not body or body in (b"I", b"T", b"E"))
    elif kind == b"D":
        right &= length >= 6 and int.from_bytes(body[:2], "big") <= 1664
        if right and len(body) >= 6 and int.from_bytes(body[:2], "big"):
            first = int.from_bytes(body[2:6], "big", signed=True)
            right = -1 <= first <= length - 10
    elif kind in b"EN":
        right &= length > 5 and (not body or body[0] in ERROR_FIELDS) and (not whole or body.endswith(b"\0"))
    elif kind in b"CS":
        right &= length > 5 and (not whole or body.endswith(b"\0"))
    elif kind in b"TtGHWRK":
        right &= 6 <= length < 2**20
    return 1 + length if right else None


def unfinished(data: bytes, from_client: bool) -> str:
    """The type of the PostgreSQL message that `data` breaks off in; empty where it ends with a message or is none."""
    at = int.from_bytes(data[:4], "big") if from_client and STARTUP.match(data) else 0
    while len(data) - at >= 5:
        length = _postgresql(data, at, from_client)
        if length is None:
            return ""
        if at + length > len(data):
            return chr(data[at])
        at += length
    return ""


def headed(segment: Segment) -> bool:
    """Whether the captured part of a cut segment shows the header of every PostgreSQL message in it."""
    data, at = segment.payload, 0
    if segment.from_client and STARTUP.match(data):
        at = int.from_bytes(data[:4], "big")
    while len(data) - at >= 5:
        at += _postgresql(data, at, segment.from_client) or len(data) + segment.length
    return at == segment.length


def _tls(data: bytes, at: int, from_client: bool) -> int | None:
    """Length of the TLS record at `at`; None when there is none."""
    if len(data) - at < 5 or not TLS_RECORD.match(data, at):
        return None
    length = int.from_bytes(data[at + 3 : at + 5], "big")
    return 5 + length if 0 < length <= 2**14 + 2048 else None


Framing = Callable[[bytes, int, bool], int | None]


def _chain(data: bytes, at: int, from_client: bool, framing: Framing) -> tuple[int, bool]:
    """How many whole messages follow one another from `at`, and whether nothing contradicts."""
    whole = 0
    while len(data) - at >= 5 and whole < 8:
        length = framing(data, at, from_client)
        if length is None:
            return whole, False
        at += length
        whole += at <= len(data)
    return whole, True


def _beginning(data: bytes, from_client: bool, framing: Framing, needed: int) -> int | None:
    """Where the first message begins: at 0, or where `needed` whole messages follow one another; None if nowhere."""
    for at in range(min(len(data) - 4, SEARCHED)):
        whole, right = _chain(data, at, from_client, framing)
        if right and (whole >= needed or (whole and not at)):
            return at
    return None


def _recognise(run: list[Segment], *, first: bool, known: str | None, port: int | None) -> tuple[str | None, int]:
    """Protocol of a run, and how many bytes before its first message are to be left out."""
    data, from_client = b"".join(s.payload for s in run)[: 4 * SEARCHED], run[0].from_client
    if first and from_client and STARTUP.match(data):
        return "postgresql", 0
    if first and not from_client and known == "postgresql" and data[:1] in (b"S", b"N", b"R", b"E", b"G"):
        return "postgresql", 0
    if HTTP.match(data):
        return "http", 0
    if _chain(data, 0, from_client, _tls)[1] and len(data) >= 5:
        return "tls", 0
    expected = known == "postgresql" or port == PORTS["postgresql"]
    whole, right = _chain(data, 0, from_client, _postgresql)
    if right and len(data) >= 5 and (whole or (expected and int.from_bytes(data[1:5], "big") < 2**24)):
        return "postgresql", 0
    left_out = 0
    for segment in run:
        if HTTP.match(segment.payload):
            return "http", left_out
        left_out += len(segment.payload)
    begin = _beginning(data, from_client, _postgresql, 2 if expected else 4)
    if begin is not None:
        return "postgresql", begin
    begin = _beginning(data, from_client, _tls, 2)
    if begin is not None:
        return "tls", begin
    return ("http", 0) if known == "http" else (None, 0)


def untangle(segments: Sequence[Segment], server_port: int | None) -> list[Stream]:
    """Turn the segments of one ending, in capture order, into its streams.

    The first runs of both directions form one stream (what one side says decides how the other is read: SSLRequest);
    every run after a hole stands alone.
    """
    ways: dict[bool, list[Segment]] = defaultdict(list)
    for segment in segments:
        ways[segment.from_client].append(segment)
    runs = {way: _in_order(own) for way, own in ways.items()}
    known: str | None = None
    sorted_runs: list[tuple[str | None, bool, list[Segment]]] = []
    for way in (True, False):
        for place, run in enumerate(runs.get(way, [])):
            protocol, left_out = _recognise(run, first=place == 0, known=known, port=server_port)
            known = known or protocol
            while left_out and run:
                cut = min(left_out, len(run[0].payload))
                run = [run[0].without(cut), *run[1:]] if cut < len(run[0].payload) else run[1:]
                left_out -= cut
            if run:
                sorted_runs.append((protocol, place == 0, run))
    together: dict[tuple[str | None, int], list[Segment]] = defaultdict(list)
    for number, (protocol, first, run) in enumerate(sorted_runs, start=1):
        together[protocol or None, 0 if first else number] += run
    streams = []
    for (protocol, _), members in together.items():
        members = _interleave(members)
        port = PORTS[protocol] if protocol else server_port
        if not protocol and (port is None or port in PORTS.values()):
            port = NO_PORT
        streams.append(Stream(segments[0].ending, protocol, tuple(members), port or NO_PORT))
    return streams


def _interleave(members: list[Segment]) -> list[Segment]:
    """Both directions in the order of the capture, each direction in the order of its bytes."""
    ways = {way: [s for s in members if s.from_client is way] for way in (True, False)}
    merged: list[Segment] = []
    while ways[True] or ways[False]:
        heads = [own[0] for own in ways.values() if own]
        soonest = min(heads, key=lambda s: s.place)
        merged.append(ways[soonest.from_client].pop(0))
    return merged


def write(streams: Sequence[Stream], file: Path) -> list[tuple[Stream, Segment]]:
    """Write the streams as a capture (raw IPv4, one connection each); return the segments in the order of its frames."""
    order: list[tuple[Stream, Segment]] = []
    with open(file, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101))  # LINKTYPE_RAW
        for number, stream in enumerate(streams):
            client = (bytes([10, 0, number >> 8 & 255, number & 255]), NO_PORT + 1 + number % 4000)
            server = (bytes([10, 1, 0, 1]), stream.port)
            due = {True: 2**31, False: 2**31}  # where each direction begins, so that tshark sees no hole
            for segment in stream.segments:
                here, there = (client, server) if segment.from_client else (server, client)
                payload = segment.payload[: 65_535 - 40]
                length = max(len(payload), min(segment.length, 65_535 - 40))
                start = (segment.seq + 2**31) % 2**32
                ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + length, 0, 0x4000, 64, 6, 0, here[0], there[0])
                tcp = struct.pack(
                    ">HHIIBBHHH", here[1], there[1], start, due[not segment.from_client], 0x50, 0x18, 65_535, 0, 0
                )
                due[segment.from_client] = (start + length) % 2**32
                out.write(struct.pack("<IIII", len(order), 0, 40 + len(payload), 40 + length) + ip + tcp + payload)
                order.append((stream, segment))
    return order
