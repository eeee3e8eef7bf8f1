"""What must hold for any traffic: how it was cut into chunks and files changes nothing, and no packet is lost or counted twice."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from connections_fixture import Pair, folded, rows, second_pass
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import connections
from analyzer.connections.layout import START
from analyzer.schema import NO_TIME

# Few endpoints and few numbers, so that ports are reused, packets come again, and holes open and close.
ENDS = [("10.0.0.1", 40000), ("10.0.0.2", 5432), ("10.0.0.3", 5432), ("10.0.0.1", 40001)]
FLAGS = ["S", "SA", "A", "PA", "PA", "FA", "R", "RA", "SR", ""]


@st.composite
def packet(draw: st.DrawFn) -> np.ndarray:
    (src, sport), (dst, dport) = draw(st.permutations(ENDS))[:2]
    return Pair(src, sport, dst, dport).c(
        draw(st.sampled_from(FLAGS)),
        seq=draw(st.sampled_from([0, 1, 2, 11, 21, 5000, 2**31])),
        ack=draw(st.sampled_from([0, 1, 11, 21, 2**31])) - 4000,
        length=draw(st.sampled_from([0, 0, 1, 10])),
        ttl=draw(st.sampled_from([64, 63, 57])),
        ip_id=draw(st.sampled_from([0, 1, 2])),
        window=draw(st.sampled_from([0, 1000])),
        has_timestamps=draw(st.booleans()),
        direction=draw(st.sampled_from([0, 1, 2])),
    )


@st.composite
def traffic(draw: st.DrawFn) -> np.ndarray:
    """Up to sixty packets in time order, microseconds to minutes apart; some without a time."""
    packets = rows(draw(st.lists(packet(), min_size=1, max_size=60)))
    waits = draw(st.lists(st.sampled_from([50_000, 10**9, 10**11]), min_size=len(packets), max_size=len(packets)))
    packets["time"] += np.cumsum(waits)
    packets["time"][draw(st.lists(st.integers(0, len(packets) - 1), max_size=2))] = NO_TIME
    return packets


def in_chunks(segments: np.ndarray, cuts: list[int]) -> connections.Traffic:
    state = connections.start("here")
    connections.begin_file(state, 0, "0.pcap")
    for chunk in np.split(segments, sorted(cuts)):
        connections.fold(state, chunk)
    return connections.close(state)


def assert_equal_but(a: connections.Traffic, b: connections.Traffic, *apart: str) -> None:
    """Every table the same, apart from some columns."""
    for name in [field.name for field in fields(a) if isinstance(getattr(a, field.name), pd.DataFrame)]:
        one, other = getattr(a, name), getattr(b, name)
        pd.testing.assert_frame_equal(
            one.drop(columns=list(apart), errors="ignore"), other.drop(columns=list(apart), errors="ignore")
        )


@settings(deadline=None, max_examples=25)
@given(traffic(), st.data())
def test_any_chunking_gives_the_same(segments: np.ndarray, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(segments)), max_size=8))
    whole = folded(segments)
    for chosen in (cuts, list(range(len(segments)))):
        pieces = in_chunks(segments, chosen)
        assert_equal_but(whole, pieces)
        wanted = connections.wanted(pieces, pieces.connections["connection"])
        parts = [("0.pcap", connections.select(wanted, 0, chunk), None) for chunk in np.split(segments, sorted(chosen))]
        again = second_pass(whole, segments, ids=whole.connections["connection"])
        pd.testing.assert_frame_equal(connections.packets(wanted, parts), again)


@settings(deadline=None, max_examples=25)
@given(traffic(), st.data())
def test_only_segments_among_the_wanted_matter(segments: np.ndarray, data: st.DataObject) -> None:
    whole = folded(segments)
    ids = data.draw(st.lists(st.sampled_from(whole.connections["connection"].tolist()), unique=True))
    wanted = connections.wanted(whole, ids)
    rows = connections.among(wanted, segments)
    packets = connections.packets(wanted, [("0.pcap", connections.select(wanted, 0, segments[rows]), None)])
    everything = second_pass(whole, segments, ids=ids)
    pd.testing.assert_frame_equal(packets, everything)
    assert len(rows) >= len(everything)


@settings(deadline=None, max_examples=25)
@given(traffic(), st.data())
def test_any_split_into_files_gives_the_same_connections(segments: np.ndarray, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(segments)), max_size=4)))
    files = np.split(segments, cuts)
    labels = ("stream", "capture", "first_file", "last_file", "relative_seq", "relative_ack")
    whole, parts = folded(segments), folded(*files)
    assert_equal_but(whole, parts, *labels)
    ids = whole.connections["connection"]
    one, other = second_pass(whole, segments, ids=ids), second_pass(parts, *files, ids=ids)
    pd.testing.assert_frame_equal(
        one.drop(columns=[*labels], errors="ignore"), other.drop(columns=[*labels], errors="ignore")
    )


@settings(deadline=None, max_examples=25)
@given(traffic())
def test_each_packet_belongs_to_one_connection(segments: np.ndarray) -> None:
    found = folded(segments)
    table = found.connections
    assert (
        table["client_packets"].sum() + table["server_packets"].sum() == len(segments) == found.hosts["packets"].sum()
    )
    assert found.traffic["opened"].sum() == table["first"].notna().sum()
    assert found.gaps["connections"].sum() == len(table)
    resets = segments["frame"][segments["flags"] & 4 != 0].tolist()
    assert found.reset_frames["frame"].tolist() == resets
    assert table["client_resets"].sum() + table["server_resets"].sum() == len(resets)
    packets = second_pass(found, segments, ids=table["connection"])
    assert sorted(packets["frame"]) == segments["frame"].tolist()
    joined = packets.merge(found.reset_frames, on="frame", suffixes=("", "_reset"))
    assert (joined["connection"] == joined["connection_reset"]).all() and (
        joined["stream"] == joined["stream_reset"]
    ).all()
    counted = packets.groupby("connection")["from_client"].sum()
    assert counted.tolist() == table.set_index("connection").loc[counted.index, "client_packets"].tolist()
    assert (table[["client_bytes", "server_bytes"]] >= 0).all(axis=None)


def test_tables_grow() -> None:
    """More connections, hosts, resets and streams than any table starts with, all in one chunk."""
    count = 3 * START
    pairs = [
        Pair(server="192.0.2.1", client=f"10.{i // 60000}.{i // 250 % 250}.{i % 250}", cport=20000 + i % 7)
        for i in range(count)
    ]
    segments = rows(*(p for pair in pairs for p in (pair.c("S"), pair.s("RA", -5000, 1))))
    found = folded(segments, first_connection=100)
    assert found.connections["connection"].tolist() == list(range(100, 100 + count))
    assert found.connections["client_ip"].tolist() == [pair.client for pair in pairs]
    assert found.connections["conn_state"].tolist() == ["REJ"] * count
    assert found.reset_frames["stream"].tolist() == list(range(count))
    assert len(found.hosts) == count + 1


def test_what_is_asked_wrongly_is_refused() -> None:
    state = connections.start("here")
    with pytest.raises(ValueError, match="begin_file"):
        connections.fold(state, rows())
    connections.begin_file(state, 3, "a")
    with pytest.raises(ValueError, match="file 3 comes after file 3"):
        connections.begin_file(state, 3, "b")
    with pytest.raises(TypeError, match="SEGMENT"):
        connections.fold(state, np.zeros(3))
