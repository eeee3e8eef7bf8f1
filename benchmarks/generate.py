"""Generate captures of any size in seconds: TCP connections that open, exchange requests and answers, and end.

Lives here: the traffic model and the vectorised writer of classic pcap files.
Never here: measuring.

Each connection has 40 packets: handshake, 11 requests with answer and acknowledgement, then FINs, or in a share of the
connections a request, its retransmission and the server's reset. The same traffic is written whole or cut by a snaplen.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PACKETS = 40  # per connection
ROUNDS = 11
HEADERS = 54  # Ethernet, IPv4, TCP without options
BYTES = 270  # of an average packet, with its record's header
SERVERS = 20
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
START = 1_700_000_000_000_000_000  # ns since 1970
SPAN = 600.0  # seconds within which connections begin

HEADER = np.dtype(
    [
        ("sec", "<u4"), ("usec", "<u4"), ("captured", "<u4"), ("wire", "<u4"),
        ("macs", "u1", 12), ("type", ">u2"),
        ("version", "u1"), ("tos", "u1"), ("total", ">u2"), ("id", ">u2"), ("pieces", ">u2"), ("ttl", "u1"),
        ("protocol", "u1"), ("ip_checksum", ">u2"), ("src", ">u4"), ("dst", ">u4"),
        ("sport", ">u2"), ("dport", ">u2"), ("seq", ">u4"), ("ack", ">u4"), ("offset", "u1"), ("flags", "u1"),
        ("window", ">u2"), ("checksum", ">u2"), ("urgent", ">u2"),
    ]
)  # fmt: skip


def traffic(connections: int, *, resets: float = 0.002, seed: int = 1, begin: int = START) -> NDArray[np.void]:
    """Return one HEADER row per packet, in time order; `resets` is the share of connections that end with one."""
    rng = np.random.default_rng(seed)
    shape = (connections, PACKETS)
    from_client = np.zeros(PACKETS, bool)
    flags = np.full(PACKETS, ACK, np.uint8)
    length = np.zeros(shape, np.int64)
    from_client[[0, 2, 37, 39]] = True
    flags[:2] = SYN, SYN | ACK
    for i in range(3, 3 + 3 * ROUNDS, 3):
        from_client[[i, i + 2]] = True
        flags[[i, i + 1]] |= PSH
        length[:, i] = rng.integers(40, 400, connections)
        length[:, i + 1] = rng.integers(60, 960, connections)
    flags = np.tile(flags, (connections, 1))
    flags[:, [37, 38]] |= FIN
    from_client = np.tile(from_client, (connections, 1))
    reset = rng.random(connections) < resets
    from_client[reset, 37:] = [True, True, False]
    flags[reset, 37:] = [PSH | ACK, PSH | ACK, RST]
    length[np.ix_(reset, [37, 38])] = 120

    taken = length + ((flags & (SYN | FIN)) != 0)
    repeated = np.zeros(shape, bool)
    repeated[reset, 38] = True
    seq = {side: _before(np.where((from_client == side) & ~repeated, taken, 0)) for side in (True, False)}
    seq[True][repeated] -= 120
    isn = {side: rng.integers(0, 2**32, (connections, 1)) for side in (True, False)}
    client, server = isn[True] + seq[True], isn[False] + seq[False]

    rows = np.zeros(shape, HEADER)
    time = rng.random((connections, 1)) * SPAN + np.cumsum(rng.exponential(0.05, shape), axis=1)
    number = np.arange(connections)[:, None]
    address = {True: 0x0A000000 + 1 + number // 40, False: 0x0A640001 + number % SERVERS}
    port = {True: 20000 + number % 40000, False: np.full_like(number, 7000)}
    rows["seq"] = np.where(from_client, client, server) & 0xFFFFFFFF
    rows["ack"] = np.where((flags & ACK) != 0, np.where(from_client, server, client) & 0xFFFFFFFF, 0)
    rows["src"] = np.where(from_client, address[True], address[False])
    rows["dst"] = np.where(from_client, address[False], address[True])
    rows["sport"] = np.where(from_client, port[True], port[False])
    rows["dport"] = np.where(from_client, port[False], port[True])
    rows["flags"], rows["ttl"] = flags, np.where(from_client, 64, 57)
    rows["type"], rows["version"], rows["pieces"], rows["protocol"], rows["offset"] = 0x0800, 0x45, 0x4000, 6, 0x50
    rows["window"] = 64240
    rows["id"] = rng.integers(0, 65536, shape)
    rows["total"] = length + 40
    rows["wire"] = length + HEADERS
    micro = (time * 1e6).astype(np.int64) + begin // 1000
    rows["sec"], rows["usec"] = micro // 1_000_000, micro % 1_000_000
    rows = rows.reshape(-1)[np.argsort(micro, axis=None, kind="stable")]
    return checksummed(rows)


def _before(taken: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the running sum before each packet."""
    return np.cumsum(taken, axis=1) - taken


def checksummed(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Fill in the IP and TCP checksums (RFC 1071) for payloads of zero bytes."""
    words = rows.view(np.uint8).reshape(len(rows), HEADER.itemsize)[:, 30:].reshape(len(rows), 20, 2).astype(np.uint32)
    sums = (words[..., 0] << 8) | words[..., 1]
    ip, pseudo, tcp = sums[:, :10].sum(1), sums[:, 6:10].sum(1), sums[:, 10:].sum(1)
    rows["ip_checksum"] = _folded(ip)
    rows["checksum"] = _folded(pseudo + tcp + 6 + rows["total"] - 20)
    return rows


def _folded(total: NDArray[np.uint32]) -> NDArray[np.uint32]:
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def write(path: Path, rows: NDArray[np.void], snaplen: int = 262_144) -> None:
    """Write packets into a classic pcap file, each cut to `snaplen` bytes.

    What they carry compresses to a third or so, and adds nothing to a checksum: words, each followed by its complement.
    """
    rows = rows.copy()
    rows["captured"] = np.minimum(rows["wire"], snaplen)
    words = np.random.default_rng(1).choice(np.arange(64, dtype="<u2") * 257, 1 << 18)
    said = np.stack([words, ~words], axis=1).view(np.uint8).ravel()
    with open(path, "wb") as file:
        file.write(np.array([0xA1B2C3D4, 2 | 4 << 16, 0, 0, snaplen, 1], "<u4").tobytes())
        for block in np.array_split(rows, max(1, len(rows) // 50_000)):
            sizes = 16 + block["captured"].astype(np.int64)
            starts = np.cumsum(sizes) - sizes
            out = np.zeros(int(sizes.sum()), np.uint8)
            out[starts[:, None] + np.arange(HEADER.itemsize)] = block.view(np.uint8).reshape(
                len(block), HEADER.itemsize
            )
            lengths = (block["captured"].astype(np.int64) - HEADERS) // 4 * 4
            places = np.repeat(starts + HEADER.itemsize - np.cumsum(lengths) + lengths, lengths) + np.arange(
                lengths.sum()
            )
            out[places] = np.resize(said, len(places))
            file.write(out.tobytes())


def ring(folder: Path, files: int = 50, size: int = 200_000_000) -> list[Path]:
    """Write a rotated set of whole packets: files of about `size` bytes that follow each other, clients and ports used again."""
    packets = size // BYTES // PACKETS * PACKETS
    paths = []
    for i in range(files):
        path = folder / f"ring.pcap{i:02}"
        if not path.exists():
            begin = START + i * int(1.1 * SPAN) * 1_000_000_000
            write(path, traffic(packets // PACKETS, seed=i, begin=begin))
        paths.append(path)
    return paths


def both(folder: Path, packets: int = 2_000_000) -> tuple[Path, Path]:
    """Write the same traffic header-only and whole into `folder`; return the two paths."""
    rows = traffic(packets // PACKETS)
    cut, whole = folder / f"headers-{packets}.pcap", folder / f"payload-{packets}.pcap"
    write(cut, rows, HEADERS)
    write(whole, rows)
    return cut, whole
