"""Where a capture was taken, what it lost; and the sums over its connections."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from connections_fixture import EPOCH, Pair, folded, rows

from analyzer import capture, connections
from analyzer.schema import CAPTURES, COVERAGE, DIRECTION_IN, DIRECTION_OUT, GAPS, HOSTS, TIME, TRAFFIC

PAIR = Pair()
CORPUS = Path(__file__).parents[1] / "captures"
# The router's captures hold finished checksums, no directions, and a client that is its neighbour: nothing may be claimed.
LAB = {"client": {"client"}, "server": {"server"}, "router": {"unknown", "between"}}


def taken(*packets: object) -> pd.Series:
    return folded(rows(*packets)).coverage.iloc[0]


def talk(pair: Pair = PAIR, client: dict | None = None, server: dict | None = None, start: float = 0.0) -> list:
    """Handshake, request and answer; the given fields on every segment of an end."""
    client, server = client or {}, server or {}
    return [
        pair.c("S", at=start, ip_id=1, **client),
        pair.s("SA", 0, 1, at=start + 0.01, ip_id=2, **server),
        pair.c("A", 1, 1, at=start + 0.02, ip_id=3, **client),
        pair.c("PA", 1, 1, 10, at=start + 0.03, ip_id=4, **client),
        pair.s("PA", 1, 11, 20, at=start + 0.04, ip_id=5, **server),
    ]


def both_ways(packets: list) -> list:
    """Each packet coming in and going out again, as a router's `-i any` shows it."""
    seen = []
    for packet in packets:
        out = packet.copy()
        packet["direction"], packet["interface"] = DIRECTION_IN, 1
        out["direction"], out["interface"], out["ttl"], out["time"] = (
            DIRECTION_OUT,
            2,
            out["ttl"] - 1,
            out["time"] + 50_000,
        )
        seen += [packet, out]
    return seen


IN, OUT = {"direction": DIRECTION_IN}, {"direction": DIRECTION_OUT}


@pytest.mark.parametrize(
    ("packets", "where", "hosts"),
    [
        (talk(client=OUT, server=IN), "client", "10.0.0.1"),
        (talk(client=IN, server=OUT), "server", "10.0.0.2"),
        (talk(client=OUT, server=OUT), "both", "10.0.0.1, 10.0.0.2"),
        (both_ways(talk()), "between", None),
        (
            [*both_ways(talk()), PAIR.s("R", 21, at=1, **OUT)],
            "between",
            None,
        ),  # a router's forged reset makes no host local
        (talk(client={"ttl": 62}, server={"ttl": 57}), "between", None),
        (talk(server={"ttl": 57}), "unknown", None),  # the client's host, or the router beside it
        (talk(client={"ttl": 57}, server={"ttl": 128}), "unknown", None),
        (talk(), "unknown", None),  # one link
        ([PAIR.c("S")], "unknown", None),
    ],
)
def test_where_it_was_taken(packets: list, where: str, hosts: str | None) -> None:
    row = taken(packets)
    assert (row["where"], None if pd.isna(row["local_hosts"]) else row["local_hosts"]) == (where, hosts)
    assert row["where_basis"].endswith(".") and row["sentence"].endswith(".")


def test_most_connections_decide_and_the_share_is_said() -> None:
    mostly = [talk(Pair(cport=i), client=OUT, server=IN) for i in range(3)] + [
        talk(Pair(cport=9), client=IN, server=OUT)
    ]
    others = [talk(Pair("10.0.0.7", 7, "10.0.0.1", 80), client=IN, server=OUT)]
    row = taken(*mostly[:3], *others)
    assert row["where"] == "client" and "75%" in row["where_basis"] and row["local_hosts"] == "10.0.0.1"
    assert taken(*mostly[:1], *others)["where"] == "unknown"


PROXIES = ("haproxy_", "pgbouncer_", "nginx_upstream_reset", "nginx_client_abort")


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*.pcap*")), ids=lambda path: "-".join(path.parts[-2:]))
def test_the_lab_s_capture_points_are_recognised(path: Path) -> None:
    """Their interfaces leave checksums unfinished on the hosts, and finish them towards the router."""
    if path.stem not in LAB:
        pytest.skip("not one of the lab's three points")
    if path.stem == "router" and path.parts[-2].startswith(PROXIES):
        pytest.skip("a proxy on the router makes it an end of every connection")
    ((file,), _) = capture.find([path])
    traffic = folded(np.concatenate([chunk.segments for chunk in capture.read(file)]))
    assert traffic.coverage["where"].tolist()[0] in LAB[path.stem]


def test_one_direction_only() -> None:
    assert taken(talk())["directions"] == "both"
    assert taken([p for p in talk() if p["sport"][0] == 5432])["directions"] == "one"
    assert taken([PAIR.c("S", at=i, ip_id=i) for i in range(3)])["directions"] == "unknown"  # unanswered is not unseen


def test_nothing_but_resets() -> None:
    resets = [Pair(cport=i).s("R", 1) for i in range(20)]
    row = taken(resets)
    assert row["only_resets"] and row["directions"] == "unknown" and row["where"] == "unknown"
    assert not taken(resets, talk())["only_resets"]


@pytest.mark.parametrize(
    ("packets", "unseen"),
    [
        ([PAIR.c("PA", 11, 1, 10, at=1), PAIR.s("A", 1, 21, at=1.1)], 0),  # in order, after the request of `talk`
        ([PAIR.c("PA", 111, 1, 10, at=1), PAIR.s("A", 21, 121, at=1.1)], 1),  # a hole that was acknowledged
        ([PAIR.c("PA", 111, 1, 10, at=1), PAIR.s("A", 21, 11, at=1.1)], 0),  # a hole that was lost on the way
        ([PAIR.s("A", 21, 31, at=1)], 1),
        ([PAIR.s("A", 21, 31, at=1), PAIR.c("PA", 11, 21, 20, at=1.001)], 0),  # captured in the wrong order
        ([PAIR.s("RA", 21, 999, at=1)], 0),  # a reset's numbers are not trusted
    ],
)
def test_acknowledged_bytes_that_were_never_seen(packets: list, unseen: int) -> None:
    assert taken(talk(), packets)["unseen_acked"] == unseen


def test_a_challenge_ack_is_no_unseen_data() -> None:
    half_open = [PAIR.c("S", at=0), PAIR.s("A", 70_000, 5_000_000, at=0.01), PAIR.c("R", 1, at=0.02)]
    row = folded(rows(half_open))
    assert row.coverage["unseen_acked"].tolist() == [0] and row.connections["client_bytes"].tolist() == [0]


def test_drops_and_times_come_from_the_captures() -> None:
    times = pd.Series(pd.to_datetime(["2023-01-01", "2023-01-02"], utc=True), dtype=TIME)
    captures = CAPTURES.conform(pd.DataFrame({"first": times, "last": times, "drops": [pd.NA, 7]}))
    state = connections.start("here")
    connections.begin_file(state, 0, "a.pcap")
    connections.fold(state, rows(talk()))
    row = connections.close(state, captures).coverage.iloc[0]
    assert (row["drops"], row["first"], row["last"]) == (7, times[0], times[1]) and "7 packets known to be lost" in row[
        "sentence"
    ]
    row = connections.close(state).coverage.iloc[0]
    assert pd.isna(row["drops"]) and row["first"] == pd.Timestamp(EPOCH, tz="UTC")


def test_a_capture_without_tcp_has_empty_tables_and_a_sentence() -> None:
    traffic = folded(rows())
    assert [
        len(t) for t in (traffic.connections, traffic.hosts, traffic.gaps, traffic.traffic, traffic.reset_frames)
    ] == [0] * 5
    assert list(traffic.coverage.columns) == list(COVERAGE.columns)
    assert traffic.coverage["sentence"].tolist() == ["It holds no TCP."]


# --- Sums --------------------------------------------------------------------------------------------------------------


def test_hosts() -> None:
    slow = talk(Pair("10.0.0.3", 1), server={"ttl": 57})
    traffic = folded(rows(talk(client=OUT, server={"ttl": 57, **IN}), slow, PAIR.s("R", 21, at=1, ttl=99, **IN)))
    table = traffic.hosts
    assert list(table.columns) == list(HOSTS.columns)
    assert table["ip"].tolist() == ["10.0.0.2", "10.0.0.1", "10.0.0.3"]  # the busiest first
    assert table[["packets", "as_client", "as_server", "frames_in", "frames_out", "resets"]].values.tolist() == [
        [5, 0, 2, 3, 0, 1], [3, 1, 0, 0, 3, 0], [3, 1, 0, 0, 0, 0],
    ]  # fmt: skip
    assert table["ttl_usual"].tolist() == [57, 64, 64] and table["syn_ttl_usual"].tolist() == [57, 64, 64]
    assert table["rtt_min"].tolist() == pytest.approx([0.01] * 3)


def test_usual_ttl_and_its_share() -> None:
    packets = [PAIR.c("A", 1, 1, at=i, ip_id=i % 2, ttl=ttl) for i, ttl in enumerate([64] * 6 + [63, 62, 61, 60])]
    row = folded(rows(packets)).hosts.iloc[0]
    assert (row["ttl_usual"], row["ttl_share"], row["zero_id_share"]) == (64, 0.6, 0.5) and pd.isna(
        row["syn_ttl_usual"]
    )


def test_gaps_by_path() -> None:
    long = [PAIR.c("PA", 11, 21, 5, at=100), PAIR.s("A", 21, 16, at=100.1)]
    short = Pair("10.0.0.1", 50000)
    other = Pair("10.0.0.3", 1)
    table = folded(rows(talk(short), talk(), long, other.c("S"))).gaps
    assert list(table.columns) == list(GAPS.columns)
    assert table[["client_ip", "server_ip", "server_port", "connections"]].values.tolist() == [
        ["10.0.0.1", "10.0.0.2", 5432, 2], ["10.0.0.3", "10.0.0.2", 5432, 1],
    ]  # fmt: skip
    assert table["longest_survived"].tolist()[0] == pytest.approx(99.96) and table["survivor"].tolist()[0] == 2
    assert table.loc[1, ["longest_survived", "survivor"]].isna().all()


def test_traffic_by_minute() -> None:
    well = [PAIR.c("FA", 11, 21, at=70), PAIR.s("FA", 21, 12, at=70.1), PAIR.c("A", 12, 22, at=70.2)]
    reset = Pair(cport=50000)
    table = folded(rows(talk(), talk(reset), well, reset.s("R", 21, at=130))).traffic
    assert list(table.columns) == list(TRAFFIC.columns)
    minute = pd.Timestamp(EPOCH, tz="UTC").floor("min")
    offsets = ((table["minute"] - minute).dt.total_seconds() // 60).tolist()
    first = (EPOCH // 10**9 % 60 + 70) // 60
    assert offsets == [0, first, (EPOCH // 10**9 % 60 + 130) // 60]
    assert table[["opened", "ended_well", "reset"]].values.tolist() == [[2, 0, 0], [0, 1, 0], [0, 0, 1]]
