"""Stream numbers and relative numbers against tshark, over whole columns of every frame."""

import random
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from connections_fixture import Pair, folded, rows
from scapy.all import IP, TCP, Ether, IPv6, Raw, wrpcap

from analyzer import capture, connections
from analyzer.connections.folding import fold_streams
from analyzer.schema import RST

ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")  # else scapy asks the network
FIELDS = ("frame.number", "tcp.stream", "tcp.seq", "tcp.ack", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw")
AGAIN = tuple(f"tcp.analysis.{name}" for name in ("retransmission", "fast_retransmission", "spurious_retransmission"))
CAPTURES = sorted((Path(__file__).parents[1] / "captures").glob("*/**/*.pcap*"))


def ask_tshark(tshark: str, path: Path, *fields: str) -> pd.DataFrame:
    """One row per segment, as tshark numbers them."""
    command = [
        tshark,
        "-r",
        str(path),
        "-o",
        "ip.defragment:FALSE",
        "-o",
        "ipv6.defragment:FALSE",
        "-Y",
        "tcp && !icmp && !icmpv6",
        "-T",
        "fields",
    ]
    for field in fields:
        command += ["-e", field]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return pd.DataFrame([line.split("\t") for line in out.splitlines()], columns=fields)


def both_passes(path: Path) -> tuple[pd.DataFrame, connections.Traffic]:
    """Frame, stream of every segment by pass 1, and PACKETS of all connections by pass 2, joined."""
    ((file,), _) = capture.find([path])
    state = connections.start("here")
    connections.begin_file(state, 0, file.name)
    chunks = [chunk.segments for chunk in capture.read(file)]
    streams = np.concatenate([fold_streams(state, segments) for segments in chunks])
    frames = np.concatenate([segments["frame"] for segments in chunks])
    traffic = connections.close(state)
    wanted = connections.wanted(traffic, traffic.connections["connection"])
    parts = [(file.name, connections.select(wanted, 0, segments), None) for segments in chunks]
    packets = connections.packets(wanted, parts)
    return pd.DataFrame({"frame": frames, "stream_1": streams}).merge(packets, on="frame", how="left"), traffic


def assert_same_numbers(tshark: str, path: Path, window: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every frame's stream in both passes, and its relative numbers; returns what pass 2 kept, ours and theirs."""
    theirs = listed = ask_tshark(tshark, path, *FIELDS, *AGAIN, "tcp.analysis.keep_alive")
    ours, traffic = both_passes(path)
    assert ours["frame"].tolist() == theirs["frame.number"].astype(int).tolist()
    assert ours["stream_1"].tolist() == theirs["tcp.stream"].astype(int).tolist()
    kept = ours["connection"].notna().to_numpy()
    assert not window or kept.all()
    ours, theirs = ours[kept], theirs[kept]
    assert ours["stream"].tolist() == theirs["tcp.stream"].astype(int).tolist()
    assert ours["relative_seq"].tolist() == theirs["tcp.seq"].astype(int).tolist()
    has_ack = (ours["flags"] // 16 % 2 == 1).to_numpy(bool)
    assert ours["relative_ack"].notna().tolist() == has_ack.tolist()
    assert ours["relative_ack"][has_ack].tolist() == theirs["tcp.ack"][has_ack].astype(int).tolist()
    listed = listed[listed["tcp.flags"].map(lambda flags: int(flags, 16) & RST != 0)]
    for column, field in (
        ("frame", "frame.number"),
        ("stream", "tcp.stream"),
        ("seq", "tcp.seq_raw"),
        ("ack", "tcp.ack_raw"),
    ):
        assert traffic.reset_frames[column].tolist() == listed[field].astype(int).tolist()
    assert traffic.reset_frames["flags"].tolist() == [int(flags, 16) for flags in listed["tcp.flags"]]
    return ours, theirs


@pytest.mark.parametrize("seed", range(3))
def test_streams_and_relative_numbers_of_random_traffic(tshark: str, tmp_path: Path, seed: int) -> None:
    """Few address pairs, so that ports are reused at once; numbers from a small set, so that reuses with the same one happen."""
    chance = random.Random(seed)
    packets = []
    for i in range(2500):
        v6 = chance.random() < 0.3
        hosts = ("fd00::1", "fd00::2") if v6 else ("10.0.0.1", "10.0.0.2")
        ends = [(hosts[0], chance.choice((40000, 5432))), (hosts[chance.random() < 0.8], 5432)]
        chance.shuffle(ends)
        (src, sport), (dst, dport) = ends
        flags = chance.choice(("S", "S", "SA", "A", "PA", "PA", "FA", "R", "RA", "SR", "SFA", "", "F"))
        number = chance.choice((1000, 1001, 3000, 2**32 - 1, 0, chance.getrandbits(32)))
        ack = chance.choice((0, 1001, 3001, chance.getrandbits(32)))
        payload = Raw(b"x" * chance.choice((0, 0, 1, 100)))
        ip = IPv6(src=src, dst=dst) if v6 else IP(src=src, dst=dst, id=i)
        packet = ETHERNET / ip / TCP(sport=sport, dport=dport, flags=flags, seq=number, ack=ack) / payload
        packet.time = 1_700_000_000 + i / 10
        packets.append(packet)
    path = tmp_path / "random.pcap"
    wrpcap(str(path), packets)
    assert_same_numbers(tshark, path, window=False)


# Where segments are lost on the way, or forged resets run ahead of the data, Wireshark guesses from the order and the round trip whether
# a segment was sent again or came out of order; we go by what was seen. Numbers agree there too.
GUESSED = {"lossy_path", "forged_burst", "forged_in_window"}


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: "-".join(path.parts[-2:]))
def test_numbers_retransmissions_and_keepalives_of_the_corpus(tshark: str, path: Path) -> None:
    """tshark knows no copies and takes them for retransmissions."""
    ours, theirs = assert_same_numbers(tshark, path)
    if path.parts[-2] in GUESSED:
        return
    first = ours["copy_of"].isna()
    assert ours["retransmission"][first].tolist() == (theirs[list(AGAIN)] != "").any(axis=1)[first].tolist()
    assert ours["keepalive"][first].tolist() == (theirs["tcp.analysis.keep_alive"] != "")[first].tolist()


def test_streams_restart_with_each_file() -> None:
    pair, other = Pair(), Pair(cport=40001)
    traffic = folded(rows(pair.opening(), other.opening()), rows(other.c("R", 1), pair.c("R", 1)))
    assert traffic.reset_frames["stream"].tolist() == [0, 1]
    assert traffic.reset_frames["capture"].tolist() == ["1.pcap", "1.pcap"]
    assert traffic.reset_frames["connection"].tolist() == [2, 1]


def test_streams_past_the_limit_are_null_and_noticed() -> None:
    pairs = [Pair(cport=40000 + i) for i in range(4)]
    traffic = folded(rows(*([*pair.opening(), pair.c("R", 1)] for pair in pairs)), stream_limit=2)
    assert traffic.reset_frames["stream"].fillna(-1).tolist() == [0, 1, -1, -1]
    assert [notice.source for notice in traffic.notices] == ["0.pcap"]
    assert folded(rows(*(pair.opening() for pair in pairs)), stream_limit=4).notices == ()
