"""Connections that ended well long ago become sums, floods become counts: the sums are what the rows would have said."""

import itertools
import random
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from connections_fixture import Pair, rows, second_pass

from analyzer import connections
from analyzer.connections import layout
from analyzer.connections.candidates import may_have_died


def session(pair: Pair, at: float, end: str) -> list[np.ndarray]:
    """A connection that ends well ('F'), with a reset ('R'), or not at all ('')."""
    middle = [pair.c("PA", 1, 1, 10, at=at + 1), pair.s("A", 1, 11, at=at + 1.1), pair.s("PA", 1, 11, 5, at=at + 3)]
    middle += [pair.c("A", 11, 6, at=at + 3.1)]
    if end == "F":
        middle += [pair.c("FA", 11, 6, at=at + 4), pair.s("FA", 6, 12, at=at + 4.1), pair.c("A", 12, 7, at=at + 4.2)]
    if end == "R":
        middle += [pair.s("RA", 6, 11, at=at + 4)]
    return [*pair.opening(at), *middle]


def day(count: int, seed: int = 1) -> list[np.ndarray]:
    """`count` connections ten seconds apart, of a few clients to two servers, ports used again; as three files."""
    rng = random.Random(seed)
    packets = []
    for i in range(count):
        pair = Pair(
            f"10.0.0.{i % 7}",
            40000 + i % 11,
            f"10.1.0.{i % 2}",
            5430 + 2 * (i % 24 == 0),
            client_isn=1000 * i,
            server_isn=7 * i + 5,
        )
        packets += session(pair, 10.0 * i, rng.choice("FFFFFFR") if i % 29 else "")
    packets.sort(key=lambda packet: int(packet["time"][0]))
    cuts = [0, len(packets) // 3, len(packets) // 2, len(packets)]
    return [rows(packets[a:b]) for a, b in itertools.pairwise(cuts)]


def folded(files: list[np.ndarray], chunk: int = 1 << 20) -> connections.Traffic:
    state = connections.start("here", first_connection=5)
    for number, segments in enumerate(files):
        connections.begin_file(state, number, f"{number}.pcap")
        for i in range(0, len(segments), chunk):
            connections.fold(state, segments[i : i + chunk])
    return connections.close(state)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Settling begins early, and tables are small."""
    with monkeypatch.context() as patch:
        patch.setattr(layout, "START", 64)
        patch.setattr("analyzer.connections.folding.START", 64)
        patch.setattr(layout, "SETTLE_AT", 64)
        yield patch


def test_the_sums_are_what_the_rows_said(small: pytest.MonkeyPatch) -> None:
    for where in ("layout.START", "layout.SETTLE_AT", "folding.START"):
        small.setattr(f"analyzer.connections.{where}", 512)
    files = day(1000)
    settled = folded(files)
    small.undo()
    whole = folded(files)
    assert whole.notices == ()
    (notice,) = settled.notices
    assert len(whole.connections) == 1000
    assert len(settled.connections) < 600
    assert f"{1000 - len(settled.connections):,} connections that ended well are kept as sums only" in notice.sentence
    for name in ("hosts", "gaps", "traffic", "reset_frames", "coverage"):
        pd.testing.assert_frame_equal(getattr(settled, name), getattr(whole, name))
    assert settled.identities == whole.identities == 1000
    kept = whole.connections[whole.connections["connection"].isin(settled.connections["connection"])]
    pd.testing.assert_frame_equal(settled.connections, kept.reset_index(drop=True))
    gone = whole.connections[~whole.connections["connection"].isin(settled.connections["connection"])]
    assert set(gone["ended"]) == {"well"}
    pd.testing.assert_frame_equal(second_pass(settled, *files), second_pass(whole, *files))
    assert may_have_died(settled.connections).sum() == may_have_died(whole.connections).sum() > 0
    assert not may_have_died(gone).any()  # work may have been under way: they are looked at


def test_traffic_of_very_many_paths_is_summed_over_the_clients(small: pytest.MonkeyPatch) -> None:
    files = day(300, 2)
    each = folded(files)
    small.setattr(layout, "MINUTES_KEPT", 32)
    summed = folded(files)
    pd.testing.assert_frame_equal(summed.traffic, folded(files, 17).traffic)
    assert len(summed.traffic) < len(each.traffic)
    assert summed.traffic["client_ip"].isna().any()
    by_server = ["minute", "server_ip", "server_port"]
    counts = ["opened", "ended_well", "reset"]
    pd.testing.assert_frame_equal(
        summed.traffic.groupby(by_server)[counts].sum(), each.traffic.groupby(by_server)[counts].sum()
    )
    (notice,) = set(summed.notices) - set(each.notices)
    assert "all its clients together" in notice.sentence


def test_very_many_clients_that_end_well_are_summed(small: pytest.MonkeyPatch) -> None:
    small.setattr(layout, "HOSTS_KEPT", 256)
    small.setattr(layout, "TUPLES_KEPT", 256)
    pairs = [Pair(f"172.16.{i // 250}.{i % 250}", 1024 + i, "10.0.0.2", 5432) for i in range(1000)]
    packets = [packet for i, pair in enumerate(pairs) for packet in session(pair, 10.0 * i, "F")]
    state = connections.start("here")
    connections.begin_file(state, 0, "0.pcap")
    connections.fold(state, rows(packets))
    assert len(state.hosts) <= 512
    traffic = connections.close(state)
    assert traffic.gaps["client_ip"].isna().sum() == 1
    assert int(traffic.gaps["connections"].sum()) == int(traffic.coverage["connections"].iloc[0]) == 1000
    assert int(traffic.traffic["opened"].sum()) == int(traffic.traffic["ended_well"].sum()) == 1000
    assert "10.0.0.2" in set(traffic.hosts["ip"])
    assert any("all its clients together" in str(notice.sentence) for notice in traffic.notices)


@pytest.mark.parametrize("chunk", [1, 17, 500])
def test_settling_does_not_depend_on_chunks(small: pytest.MonkeyPatch, chunk: int) -> None:
    files = day(300, 2)
    one, other = folded(files), folded(files, chunk)
    for name in ("connections", "hosts", "gaps", "traffic", "reset_frames", "coverage"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    assert one.notices == other.notices != ()


def test_connections_that_live_are_never_settled(small: pytest.MonkeyPatch) -> None:
    pairs = [Pair(f"10.0.{i // 200}.{i % 200}", 40000) for i in range(1000)]
    files = [rows(*(pair.opening(float(i)) for i, pair in enumerate(pairs)))]
    traffic = folded(files)
    assert len(traffic.connections) == 1000
    assert traffic.notices == ()


@pytest.mark.parametrize("refused", [False, True])
def test_a_flood_becomes_counts_and_what_else_happened_stays(small: pytest.MonkeyPatch, refused: bool) -> None:
    small.setattr(layout, "HOSTS_KEPT", 128)
    small.setattr(layout, "TUPLES_KEPT", 256)
    victim = Pair("10.9.9.9", 50000)
    packets = session(victim, 2000.0, "R")
    for i in range(4000):  # each from another address
        pair = Pair(f"172.16.{i // 250}.{i % 250}", 1024 + i)
        packets.append(pair.c("S", 0, at=float(i)))
        if refused:
            packets.append(pair.s("RA", -5000, 1, at=i + 0.001))
    packets.sort(key=lambda packet: int(packet["time"][0]))
    files = [rows(packets)]
    state = connections.start("here")
    connections.begin_file(state, 0, "0.pcap")
    connections.fold(state, files[0])
    assert len(state.connections) == 64
    if not refused:  # a reset is listed with its two addresses
        assert len(state.hosts) <= 512
    traffic = connections.close(state)
    sentences = [str(notice.sentence) for notice in traffic.notices]
    (flood,) = [one for one in sentences if "attempts to connect" in one]
    assert "most often they went to 10.0.0.2 port 5432" in flood
    assert int(traffic.coverage["connections"].iloc[0]) == 4001
    assert len(traffic.reset_frames) == 1 + 4000 * refused
    reset = traffic.connections[traffic.connections["client_ip"] == "10.9.9.9"]
    assert reset["ended"].tolist() == ["reset"]
    assert reset["conn_state"].tolist() == ["RSTR"]
    packets_table = second_pass(traffic, files[0], ids=reset["connection"].tolist())
    assert len(packets_table) == len(session(victim, 0.0, "R"))
    assert traffic.connections["first"].min() == pd.Timestamp(
        files[0]["time"].min(), tz="UTC"
    )  # the first ones are judged


def test_streams_stay_wiresharks_or_become_null(small: pytest.MonkeyPatch) -> None:
    """Pairs are remembered to the end of a file; where that is too much, later ones have no number rather than a wrong one."""
    files = day(600)
    pairs = [(int(s["src_lo"]) ^ int(s["dst_lo"]), int(s["sport"]) ^ int(s["dport"])) for s in files[2]]
    settled = folded(files)
    small.undo()
    whole = folded(files)
    assert len(set(pairs)) > 20
    assert settled.reset_frames["stream"].tolist() == whole.reset_frames["stream"].tolist()
    small.setattr(layout, "SETTLE_AT", 64)
    small.setattr(layout, "START", 64)
    small.setattr("analyzer.connections.folding.START", 64)
    small.setattr(layout, "TUPLES_KEPT", 8)
    crowded = folded(files)
    known = crowded.reset_frames["stream"].notna()
    assert not known.all()
    assert crowded.reset_frames["stream"][known].tolist() == whole.reset_frames["stream"][known].tolist()
    assert any("more address pairs than are remembered" in notice.sentence for notice in crowded.notices)
