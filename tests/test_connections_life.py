"""What is said of one connection: identity, roles, times, bytes, copies, and how it ended. One small story each."""

import pandas as pd
import pytest
from connections_fixture import EPOCH, Pair, folded, rows, second_pass, segment

from analyzer import connections
from analyzer.schema import CAPTURES, CONNECTIONS, DIRECTION_IN, DIRECTION_OUT

PAIR = Pair()


def only(*packets: object, **options: object) -> pd.Series:
    """The one connection of a story."""
    table = folded(rows(*packets), **options).connections
    assert len(table) == 1
    return table.iloc[0]


def closing(pair: Pair = PAIR, at: float = 1.0, seq: int = 1, ack: int = 1) -> list:
    return [
        pair.c("FA", seq, ack, at=at, ip_id=21),
        pair.s("FA", ack, seq + 1, at=at + 0.01, ip_id=22),
        pair.c("A", seq + 1, ack + 1, at=at + 0.02, ip_id=23),
    ]


def test_every_column_of_a_complete_connection() -> None:
    story = rows(
        PAIR.opening(),
        PAIR.c("PA", 1, 1, 100, at=0.1, has_timestamps=True),
        PAIR.s("A", 1, 101, at=0.11, ttl=57),
        PAIR.s("PA", 1, 101, 300, at=5.11, ttl=57),
        PAIR.c("A", 101, 301, at=5.12),
        closing(at=6.0, seq=101, ack=301),
    )
    for name in ("frame", "time"):
        assert (story[name][1:] > story[name][:-1]).all()
    row = folded(story, first_connection=7).connections.iloc[0].to_dict()
    assert list(row) == list(CONNECTIONS.columns)
    assert row == {
        "connection": 7, "point": "here", "capture": "0.pcap", "stream": 0,
        "client_ip": "10.0.0.1", "client_port": 40000, "server_ip": "10.0.0.2", "server_port": 5432, "roles_known": True,
        "first": pd.Timestamp(EPOCH, tz="UTC"), "last": pd.Timestamp(EPOCH + 6_020_000_000, tz="UTC"),
        "first_file": 0, "first_frame": 1, "last_file": 0, "last_frame": 10,
        "conn_state": "SF", "history": "ShADadFf", "handshake": True, "syn_frames": 1,
        "client_isn": 1000, "server_isn": 5000, "client_packets": 6, "server_packets": 4,
        "client_bytes": 100, "server_bytes": 300, "client_fin": True, "server_fin": True,
        "client_resets": 0, "server_resets": 0, "client_ttl": 64, "server_ttl": 64, "client_syn_ttl": 64, "server_syn_ttl": 64,
        "client_rtt": pytest.approx(0.001), "server_rtt": pytest.approx(0.010), "timestamps": False,
        "longest_gap_survived": pytest.approx(5.0), "unanswered": False, "closed_by": "client", "spoke_last": "server", "said_last": 300,
        "spoken_to": False, "ended": "well",
    }  # fmt: skip


# --- Identity ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("later", "count"),
    [
        (PAIR.c("S", 0, at=1), 1),  # a SYN sent again
        (PAIR.c("S", 9, at=1), 2),  # another initial number
        (PAIR.s("SA", 0, 1, at=1), 1),
        (PAIR.c("R", 1, at=1), 1),
        (PAIR.c("PA", 1, 1, 10, at=1), 1),
    ],
)
def test_when_a_connection_begins_on_an_open_pair(later: object, count: int) -> None:
    assert len(folded(rows(PAIR.opening(), later)).connections) == count


@pytest.mark.parametrize(
    ("later", "count"),
    [
        (PAIR.c("S", 0, at=100), 2),  # the same initial number, but the connection had ended
        (PAIR.c("S", 9, at=100), 2),
        (PAIR.s("SA", 9, 1, at=100), 2),  # of the new connection only this direction is captured
        (PAIR.s("SA", 0, 1, at=100), 1),
        (PAIR.c("RA", 2, 2, at=100), 1),  # a late reset belongs to the old one
        (PAIR.s("A", 2, 2, at=100), 1),
    ],
)
def test_when_a_connection_begins_on_an_ended_pair(later: object, count: int) -> None:
    assert len(folded(rows(PAIR.opening(), closing(), later)).connections) == count


def test_a_refused_syn_sent_again_is_one_connection() -> None:
    row = only([p for t in (0, 0.5) for p in (PAIR.c("S", at=t), PAIR.s("RA", -5000, 1, at=t + 0.01))])
    assert (row["syn_frames"], row["server_resets"], row["conn_state"], row["ended"]) == (2, 2, "REJ", "reset")


def test_a_connection_goes_on_in_the_next_file() -> None:
    first, second = rows(PAIR.opening()), rows(PAIR.c("PA", 1, 1, 10, at=1), closing(seq=11, at=2))
    table = folded(first, second).connections
    assert table[
        ["capture", "first_file", "first_frame", "last_file", "last_frame", "client_bytes", "ended"]
    ].values.tolist() == [["0.pcap", 0, 1, 1, 4, 10, "well"]]


def test_the_other_end_may_reuse_the_pair_the_other_way_round() -> None:
    back = Pair("10.0.0.2", 5432, "10.0.0.1", 40000, 777, 888)
    table = folded(rows(PAIR.opening(), closing(), back.opening(at=50))).connections
    assert table["client_ip"].tolist() == ["10.0.0.1", "10.0.0.2"]


def test_ipv6_and_ipv4_pairs_do_not_mix() -> None:
    six = Pair("fd00::1", 40000, "fd00::2", 5432)
    table = folded(rows(PAIR.opening(), six.opening())).connections
    assert table["server_ip"].tolist() == ["10.0.0.2", "fd00::2"]


# --- Roles -------------------------------------------------------------------------------------------------------------


def data(src: str, sport: int, dst: str, dport: int) -> object:
    return segment(src, sport, dst, dport, "PA", seq=1, ack=1, length=5)


@pytest.mark.parametrize(
    ("packets", "server", "known"),
    [
        ([PAIR.c("S")], "10.0.0.2", True),
        ([PAIR.s("SA", 0, 1)], "10.0.0.2", True),
        ([PAIR.s("A", 1, 1), PAIR.c("S")], "10.0.0.2", True),
        ([data("10.0.0.2", 5432, "10.0.0.1", 40000)], "10.0.0.2", False),  # service port
        ([data("10.0.0.2", 40000, "10.0.0.1", 5432)], "10.0.0.1", False),
        ([data("10.0.0.2", 30000, "10.0.0.1", 40000)], "10.0.0.2", False),  # lower port
        ([data("10.0.0.2", 80, "10.0.0.1", 5432)], "10.0.0.2", False),  # both service ports: the lower one
        ([data("10.0.0.2", 30000, "10.0.0.1", 30000)], "10.0.0.1", False),  # the first sender is the client
        ([data("10.0.0.1", 30000, "10.0.0.2", 30000)], "10.0.0.2", False),
    ],
)  # fmt: skip
def test_who_is_the_server(packets: list, server: str, known: bool) -> None:
    row = only(packets)
    assert (row["server_ip"], row["roles_known"]) == (server, known)


def test_whom_many_peers_talk_to_is_the_server_even_on_a_high_port() -> None:
    table = folded(rows([data("10.0.0.9", 50001, f"10.0.0.{i}", 30000) for i in range(1, 4)])).connections
    assert table["server_ip"].tolist() == ["10.0.0.9"] * 3
    assert table["roles_known"].tolist() == [False] * 3
    two = folded(rows([data("10.0.0.9", 50001, f"10.0.0.{i}", 30000) for i in range(1, 3)])).connections
    assert two["server_ip"].tolist() == ["10.0.0.1", "10.0.0.2"]  # two peers are not many: the lower port


def test_who_served_a_connection_with_a_handshake_is_the_server_of_the_others() -> None:
    service = Pair(server="10.0.0.2", sport=50001)
    table = folded(rows(data("10.0.0.7", 30000, "10.0.0.2", 50001), service.opening())).connections
    assert table["server_ip"].tolist() == ["10.0.0.2", "10.0.0.2"]


# --- Round trips, gaps, TTLs --------------------------------------------------------------------------------------------


def test_a_syn_sent_twice_measures_nothing() -> None:
    row = only(PAIR.c("S", at=0), PAIR.c("S", at=1), PAIR.s("SA", 0, 1, at=1.01), PAIR.c("A", 1, 1, at=1.02))
    assert pd.isna(row["server_rtt"]) and row["client_rtt"] == pytest.approx(0.01) and row["syn_frames"] == 2


def test_a_syn_ack_sent_twice_measures_nothing() -> None:
    row = only(PAIR.c("S", at=0), PAIR.s("SA", 0, 1, at=0.1), PAIR.s("SA", 0, 1, at=1.1), PAIR.c("A", 1, 1, at=1.2))
    assert pd.isna(row["client_rtt"]) and row["server_rtt"] == pytest.approx(0.1) and row["handshake"]


def test_a_silence_is_survived_when_both_ends_speak_after_it() -> None:
    request, answer = PAIR.c("PA", 1, 1, 10, at=300), PAIR.s("A", 1, 11, at=300.1)
    assert only(PAIR.opening(), request, answer)["longest_gap_survived"] == pytest.approx(300 - 0.011)
    assert only(PAIR.opening(), request)["longest_gap_survived"] < 1
    reset = PAIR.s("R", 1, at=300.1)
    assert only(PAIR.opening(), request, reset)["longest_gap_survived"] < 1
    again = PAIR.c("PA", 1, 1, 10, at=301)
    assert only(PAIR.opening(), request, again, PAIR.s("A", 1, 11, at=301.1))["longest_gap_survived"] == pytest.approx(
        300 - 0.011
    )
    assert only(PAIR.opening(), request, reset, PAIR.s("A", 1, 11, at=301))["longest_gap_survived"] < 1


def test_keepalives_break_a_silence() -> None:
    probes = [p for t in (100, 200, 300) for p in (PAIR.c("A", 0, 1, at=t), PAIR.s("A", 1, 1, at=t + 0.1))]
    assert only(PAIR.opening(), probes)["longest_gap_survived"] == pytest.approx(100 - 0.011, abs=0.2)


def test_baseline_ttls_leave_out_resets_and_keep_syns_apart() -> None:
    row = only(PAIR.c("S", ttl=60), PAIR.s("SA", 0, 1, ttl=50), PAIR.c("A", 1, 1, ttl=61), PAIR.s("R", 1, ttl=99))
    assert row[["client_syn_ttl", "server_syn_ttl", "client_ttl"]].tolist() == [60, 50, 61] and pd.isna(
        row["server_ttl"]
    )


def test_timestamps_need_both_syns() -> None:
    with_option = {"has_timestamps": True}
    assert only(PAIR.c("S", **with_option), PAIR.s("SA", 0, 1, **with_option))["timestamps"]
    assert not only(PAIR.c("S", **with_option), PAIR.s("SA", 0, 1))["timestamps"]
    assert pd.isna(only(PAIR.c("S", **with_option))["timestamps"])
    assert pd.isna(only(PAIR.c("S", **with_option), PAIR.s("SA", 0, 1, header_cut=True))["timestamps"])


def test_packets_without_a_time_are_counted_and_have_no_times() -> None:
    row = only(PAIR.c("S", at=None), PAIR.s("RA", 0, 1, at=None))
    assert pd.isna(row["first"]) and pd.isna(row["last"]) and row["server_resets"] == 1


# --- Bytes and copies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packets", "size"),
    [
        ([PAIR.c("PA", 1, 1, 10, at=1), PAIR.c("PA", 11, 1, 10, at=2)], 20),
        ([PAIR.c("PA", 1, 1, 10, at=1), PAIR.c("PA", 1, 1, 10, at=2)], 10),  # sent again
        ([PAIR.c("PA", 1, 1, 10, at=1), PAIR.c("A", 10, 1, 1, at=2)], 10),  # a keepalive with a byte
        ([PAIR.c("FPA", 1, 1, 10, at=1)], 10),
        ([PAIR.c("PA", 101, 1, 10, at=1)], 110),  # what was missed counts
        ([PAIR.c("RA", 5001, 1, 0, at=1)], 0),  # a reset's number is not trusted
        ([PAIR.s("A", 1, 51, at=1)], 50),  # acknowledged, so it was sent
    ],
)
def test_bytes_by_sequence_numbers(packets: list, size: int) -> None:
    assert only(PAIR.opening(), packets)["client_bytes"] == size


def test_bytes_across_the_wrap_of_sequence_numbers_and_beyond_four_gigabytes() -> None:
    pair, step = Pair(client_isn=2**32 - 50), 2**30
    sent = [pair.c("PA", 1 + i * step, 1, step, at=1 + i) for i in range(5)]
    assert only(pair.opening(), sent)["client_bytes"] == 5 * step


def test_bytes_of_a_capture_that_began_in_mid_connection() -> None:
    row = only(PAIR.c("PA", 500, 900, 10, at=1), PAIR.c("PA", 480, 900, 20, at=2), PAIR.s("PA", 900, 510, 7, at=3))
    assert (row["client_bytes"], row["server_bytes"]) == (30, 7)


COPY = PAIR.c("PA", 1, 1, 10, at=1.0, ttl=64, ip_id=9, interface=1, direction=DIRECTION_IN)


@pytest.mark.parametrize(
    ("other", "copied"),
    [
        (
            PAIR.c("PA", 1, 1, 10, at=1.001, ttl=63, ip_id=9, interface=2, direction=DIRECTION_OUT),
            True,
        ),  # a router, -i any
        (PAIR.c("PA", 1, 1, 10, at=1.001, ttl=64, ip_id=9, interface=1, direction=DIRECTION_IN), True),  # a mirror port
        (PAIR.c("PA", 1, 1, 10, at=1.02, ttl=63, ip_id=9, interface=2, direction=DIRECTION_OUT), False),  # too late
        (PAIR.c("PA", 1, 1, 10, at=1.001, ttl=64, ip_id=10, interface=1, direction=DIRECTION_IN), False),  # sent again
    ],
)
def test_what_is_a_copy(other: object, copied: bool) -> None:
    story = rows(PAIR.opening(), COPY, other)
    traffic = folded(story)
    row = traffic.connections.iloc[0]
    assert ("T" in row["history"]) is not copied
    assert row["client_packets"] == 4  # frames
    assert row["client_ttl"] == (64 if copied else other["ttl"][0])
    assert traffic.hosts.set_index("ip").loc["10.0.0.1", "ttl_usual"] == 64


@pytest.mark.parametrize(("interface", "again"), [(1, True), (2, False)])
def test_a_packet_with_ip_id_0_is_a_copy_only_at_another_place(interface: int, again: bool) -> None:
    first = PAIR.c("PA", 1, 1, 10, at=1, ip_id=0, interface=1)
    second = PAIR.c("PA", 1, 1, 10, at=1.001, ip_id=0, interface=interface)
    assert ("T" in only(PAIR.opening(), first, second)["history"]) is again


@pytest.mark.parametrize(("requests", "replies"), [(1, 1), (1, 3), (2, 2), (2, 3), (3, 1)])
def test_replies_with_ip_id_0_are_copies_where_more_than_asked_for(requests: int, replies: int) -> None:
    """A mirror port that shows each packet twice: a kernel's replies all have IP ID 0, and look the same."""
    asked = [PAIR.c("PA", 1 + 10 * i, 1, 10, at=1 + i / 1e4, ip_id=9 + i) for i in range(requests)]
    answered = [PAIR.s("R", 1, at=1.001 + i / 1e4, ip_id=0) for i in range(replies)]
    story = rows(PAIR.opening(), *asked, *answered)
    traffic = folded(story)
    copies = second_pass(traffic, story)["copy_of"]
    latest = 3 + 2 * requests  # frame of the last one asked for
    expected = [None] * (3 + requests) + [None if i < requests else latest for i in range(replies)]
    assert copies.astype(object).where(copies.notna(), None).tolist() == expected
    assert traffic.connections["server_resets"].tolist() == [replies]  # frames


# --- How it ended -------------------------------------------------------------------------------------------------------

REQUEST = [PAIR.c("PA", 1, 1, 10, at=1, ip_id=30)]
AGAIN = [PAIR.c("PA", 1, 1, 10, at=1.3 + i, ip_id=31 + i) for i in range(3)]
ANSWER = [PAIR.s("A", 1, 11, at=6)]
ELSEWHERE = [Pair(cport=9).c("S", at=60)]  # the capture goes on


@pytest.mark.parametrize(
    ("packets", "ended", "unanswered"),
    [
        (closing(), "well", False),
        ([], "open", False),
        (REQUEST, "open", False),
        ([*REQUEST, *AGAIN[:2]], "silence", True),  # twice
        ([*REQUEST, AGAIN[0]], "open", True),  # once, and the capture ends
        ([*REQUEST, AGAIN[0], *ELSEWHERE], "silence", True),  # once, and long ago
        ([*REQUEST, *AGAIN, *ANSWER], "open", False),
        ([*REQUEST, *AGAIN, *ANSWER, PAIR.c("PA", 11, 1, 5, at=7), *ELSEWHERE], "open", False),  # that trouble was over
        ([*REQUEST, *AGAIN, PAIR.s("R", 1, at=7)], "reset", True),
        ([*REQUEST, PAIR.s("A", 1, 1, at=1.1, window=0), *AGAIN], "open", True),  # the reader has stopped reading
        (
            [*closing()[:2], PAIR.s("FA", 1, 2, at=2, ip_id=41), PAIR.s("FA", 1, 2, at=5, ip_id=42)],
            "well",
            True,
        ),  # only a FIN
        ([*REQUEST, *AGAIN, PAIR.c("FA", 11, 1, at=9), PAIR.s("FA", 1, 1, at=9.1)], "silence", True),
        ([closing()[0]], "open", False),
        ([closing()[0], PAIR.c("FA", 1, 1, at=2, ip_id=43), PAIR.c("FA", 1, 1, at=4, ip_id=44)], "silence", True),
        (
            [PAIR.c("A", 0, 1, at=t, ip_id=50) for t in (100, 200, 300)],
            "open",
            False,
        ),  # unanswered keepalives are no data
    ],
)
def test_how_it_ended(packets: list, ended: str, unanswered: bool) -> None:
    row = folded(rows(PAIR.opening(), packets)).connections.iloc[0]
    assert (row["ended"], row["unanswered"]) == (ended, unanswered)


def test_a_syn_without_any_answer_is_silence_and_a_one_sided_capture_cannot_tell() -> None:
    row = only([PAIR.c("S", at=t, ip_id=60 + t) for t in (0, 1, 3, 7)])
    assert (row["ended"], row["unanswered"], row["conn_state"], row["syn_frames"]) == ("silence", True, "S0", 4)
    row = only(PAIR.c("S"), PAIR.c("A", 1, 1, at=0.1), REQUEST, AGAIN)
    assert row["ended"] == "open" and pd.isna(row["unanswered"])
    row = only(PAIR.c("S"), PAIR.c("A", 1, 1, at=0.1), REQUEST, PAIR.c("FA", 11, 1, at=2))
    assert row["ended"] == "well"


def test_the_capture_goes_on_while_other_protocols_do() -> None:
    state = connections.start()
    connections.begin_file(state, 0, "a")
    connections.fold(state, rows(PAIR.opening(), REQUEST, AGAIN[0]))
    assert connections.close(state).connections["ended"].tolist() == ["open"]
    last = pd.Series([EPOCH + 60_000_000_000]).astype("datetime64[ns, UTC]")
    captures = CAPTURES.conform(pd.DataFrame({"last": last}))
    assert connections.close(state, captures).connections["ended"].tolist() == ["silence"]
