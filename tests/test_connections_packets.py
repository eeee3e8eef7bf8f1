"""Pass 2: which packets are kept, and what is said of each."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from connections_fixture import Pair, folded, rows, second_pass

from analyzer import connections
from analyzer.connections.selecting import AFTER, BEFORE, HEAD, LEAST_BEFORE
from analyzer.schema import DIRECTION_IN, DIRECTION_OUT, PACKETS

PAIR = Pair()
BAD = [*PAIR.opening(), PAIR.c("R", 1, at=1)]


def told(*packets: object, ids: object = None) -> pd.DataFrame:
    """PACKETS of all these connections, however they ended, or of those that are asked for."""
    story = rows(*packets)
    traffic = folded(story)
    return second_pass(traffic, story, ids=traffic.connections["connection"] if ids is None else ids)


def test_every_column_of_a_packet() -> None:
    first = PAIR.c(
        "S",
        window=1,
        window_shift=7,
        mss=1460,
        has_timestamps=True,
        tsval=5,
        tos=16,
        vlan=3,
        interface=2,
        direction=DIRECTION_OUT,
    )
    story = rows(first, PAIR.s("RA", -5000, 1, at=0.5, direction=DIRECTION_IN, dont_fragment=False))
    story["offset"] = [54, 120]
    traffic = folded(story)
    wanted = connections.wanted(traffic)
    parts = [("0.pcap", connections.select(wanted, 0, story), np.array([1, -1]))]
    table = connections.packets(wanted, parts)
    assert list(table.columns) == list(PACKETS.columns)
    assert table.dtypes.astype(str).tolist() == [column.dtype for column in PACKETS.columns.values()]
    expected = {
        "connection": [1, 1], "point": ["here", "here"], "capture": ["0.pcap", "0.pcap"], "frame": [1, 2], "stream": [0, 0],
        "from_client": [True, False], "flags": [0x02, 0x14], "seq": [1000, 0], "ack": [None, 1001], "relative_seq": [0, 1],
        "relative_ack": [None, 1], "window": [1, 1000], "window_shift": [7, None], "length": [0, 0], "captured": [0, 0],
        "offset": [54, 120], "ttl": [64, 64], "ip_id": [7, 7], "flow_label": [None, None], "dont_fragment": [True, False],
        "tos": [16, 0], "mss": [1460, None], "tsval": [5, None], "tsecr": [0, None], "checksum_ok": [True, None],
        "interface": [2, None], "vlan": [3, None], "direction": ["out", "in"], "copy_of": [None, None],
        "retransmission": [False, False], "keepalive": [False, False], "words": [None, None],
    }  # fmt: skip
    assert {name: [None if pd.isna(v) else v for v in table[name]] for name in expected} == expected


def chosen(*packets: object, named: Any = frozenset()) -> list[int]:
    """The connections whose packets are kept when nobody asks for particular ones."""
    traffic = folded(rows(*packets))
    wanted = connections.wanted(traffic, named=named)
    return sorted(wanted.spans["connection"].tolist())


def close(pair: Pair, first: str = "c", at: float = 1, **last: int) -> list:
    """Both ends close, one of them first."""
    mine, yours = (pair.c, pair.s) if first == "c" else (pair.s, pair.c)
    own, other = last.get("own", 1), last.get("other", 1)
    return [mine("FA", own, other, at=at), yours("FA", other, own + 1, at=at), mine("A", own + 1, other + 1, at=at)]


def test_by_default_what_was_reset_or_died_in_silence_is_kept() -> None:
    well, still_open, late, mute = Pair(cport=1), Pair(cport=2), Pair(cport=3), Pair(cport=4)
    silence = [*mute.opening(), *(mute.c("PA", 1, 1, 5, at=1 + 3 * i, ip_id=i) for i in range(3))]
    story = (
        well.opening(),
        close(well),
        still_open.opening(),
        late.opening(),
        close(late),
        late.c("R", 2, at=9),
        silence,
        BAD,
    )
    assert chosen(*story) == [3, 4, 5]
    packets = second_pass(folded(rows(*story)), rows(*story))
    assert packets["connection"].value_counts().to_dict() == {3: 7, 4: 6, 5: 4}
    assert told(well.opening(), BAD, ids=[1])["connection"].unique().tolist() == [1]
    assert told(well.opening(), ids=[99]).empty


REQUEST = PAIR.c("PA", 1, 1, 200, at=0.5)
ANSWER = PAIR.s("PA", 1, 201, 90, at=0.6)


@pytest.mark.parametrize(
    ("what", "pair", "story", "kept"),
    [
        ("the server closes on a request", PAIR, [REQUEST, *close(PAIR, "s", own=1, other=201)], True),
        ("the client gives up on its request", PAIR, [REQUEST, *close(PAIR, "c", own=201, other=1)], True),
        ("a half-close that is answered", PAIR,
         [PAIR.c("PFA", 1, 1, 200, at=0.5), PAIR.s("PA", 1, 202, 90, at=0.6), PAIR.s("FA", 91, 202, at=0.7), PAIR.c("A", 202, 92, at=0.7)], False),
        ("all was answered", PAIR, [REQUEST, ANSWER, *close(PAIR, "s", own=91, other=201)], False),
        ("a goodbye, and the server closes", PAIR, [REQUEST, ANSWER, PAIR.c("PA", 201, 91, 5, at=0.8), *close(PAIR, "s", own=91, other=206)], False),
        ("a request is sent again, not said twice", PAIR,
         [PAIR.c("PA", 1, 1, 40, at=0.5, ip_id=1), PAIR.c("PA", 1, 1, 40, at=0.9, ip_id=2), *close(PAIR, "s", own=1, other=41)], False),
    ],
)  # fmt: skip
def test_a_close_on_something_unanswered_is_looked_at(what: str, pair: Pair, story: list, kept: bool) -> None:
    assert chosen(pair.opening(), *story) == ([1] if kept else []), what


def test_a_client_of_postgresql_that_leaves_without_a_goodbye_is_looked_at() -> None:
    for port, kept in ((5432, [1]), (80, [])):
        pair = Pair(sport=port)
        story = [
            pair.opening(),
            pair.c("PA", 1, 1, 200, at=0.5),
            pair.s("PA", 1, 201, 90, at=0.6),
            close(pair, "c", own=201, other=91),
        ]
        assert chosen(*story) == kept


def test_what_a_log_names_is_looked_at() -> None:
    pair = Pair(sport=80)
    story = [pair.opening(), close(pair)]
    assert chosen(*story, named={(pair.client, pair.cport)}) == [1]
    assert chosen(*story, named={(pair.server, pair.sport)}) == []  # its roles are known: that is the server's end


def test_quiet_closes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.connections.selecting.QUIET_LIMIT", 3)
    story = []
    for port in range(1, 12):
        pair = Pair(cport=port)
        story += [pair.opening(), pair.c("PA", 1, 1, 200, at=0.5), close(pair, "s", own=1, other=201)]
    wanted = connections.wanted(folded(rows(*story)))
    assert wanted.spans["connection"].tolist() == [1, 6, 11]
    assert "Of 11 connections" in wanted.notices[0].sentence


def test_the_lives_of_one_pair_are_told_apart() -> None:
    second = Pair(client_isn=7, server_isn=8)
    packets = told(BAD, [*second.opening(at=10), second.s("R", 1, at=11)], ids=[2])
    assert packets["frame"].tolist() == [5, 6, 7, 8]
    assert packets["relative_seq"].tolist() == [0, 0, 1, 1] and packets["stream"].tolist() == [1] * 4


def test_the_window_of_a_long_connection() -> None:
    before, after = 1000, 200
    talk = [PAIR.c("PA", 1 + i, 1, 1, at=1 + i / 100, ip_id=i) for i in range(before)]
    rest = [PAIR.c("PA", 1 + before + i, 1, 1, at=20 + i / 100, ip_id=i) for i in range(after)]
    packets = told(PAIR.opening(), talk, PAIR.s("R", 1, at=19), rest)
    reset = 3 + before + 1
    expected = [*range(1, HEAD + 1), *range(reset - BEFORE, reset), reset, *range(reset + 1, reset + AFTER)]
    assert packets["frame"].tolist() == expected
    assert not packets["retransmission"].any()  # what lies between the windows was followed all the same
    silent = told(PAIR.opening(), talk)
    assert silent["frame"].tolist() == [*range(1, HEAD + 1), *range(3 + before - BEFORE + 1, 3 + before + 1)]


def test_the_window_shrinks_where_very_many_are_wanted() -> None:
    talk = [PAIR.c("PA", 1 + i, 1, 1, at=1 + i / 100, ip_id=i) for i in range(900)]
    story = rows(PAIR.opening(), talk)
    traffic = folded(story)
    every = traffic.connections["connection"]
    assert connections.wanted(traffic, every, rows_limit=HEAD + BEFORE + AFTER).notices == ()
    wanted = connections.wanted(traffic, every, rows_limit=HEAD + BEFORE)
    packets = connections.packets(wanted, [("a", connections.select(wanted, 0, story), None)])
    assert packets["frame"].tolist() == [*range(1, HEAD + 1), *range(903 - BEFORE // 2 + 1, 904)]
    assert [notice.level for notice in wanted.notices] == ["info"] and f"last {BEFORE // 2} packets" in wanted.notices[
        0
    ].sentence
    assert connections.wanted(traffic, every, rows_limit=0).before == LEAST_BEFORE


def test_stream_numbers_of_each_file() -> None:
    files = [rows(PAIR.opening()), rows(Pair(cport=1).c("S"), PAIR.c("PA", 1, 1, 5, at=1)), rows(PAIR.c("R", 6, at=2))]
    packets = second_pass(folded(*files), *files, ids=[1])
    assert packets["stream"].tolist() == [0, 0, 0, 1, 0]
    assert packets["relative_seq"].tolist() == [0, 0, 1, 1, 1]  # counted anew in each file, from 1 without a SYN
    assert packets["capture"].tolist() == ["0.pcap"] * 3 + ["1.pcap", "2.pcap"]


def test_files_that_hold_nothing_wanted_may_be_left_out() -> None:
    nothing = Pair(cport=1)
    files = [
        rows(nothing.opening()),
        rows(PAIR.opening()),
        rows(nothing.c("A", 1, 1)),
        rows(PAIR.c("R", 1, at=2)),
        rows(nothing.c("A", 1, 1)),
    ]
    traffic = folded(*files)
    wanted = connections.wanted(traffic, [2])
    assert wanted.files == {1, 2, 3}
    parts = [("x", connections.select(wanted, number, files[number]), None) for number in (1, 3)]
    assert connections.packets(wanted, parts)["frame"].tolist() == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("packet", "retransmission", "keepalive"),
    [
        (PAIR.c("PA", 11, 1, 5, at=2, ip_id=90), False, False),
        (PAIR.c("PA", 1, 1, 10, at=2, ip_id=91), True, False),
        (PAIR.c("PA", 6, 1, 10, at=2, ip_id=92), True, False),  # half of it new
        (PAIR.c("S", 0, at=2, ip_id=93), True, False),
        (PAIR.c("A", 11, 1, at=2, ip_id=94), False, False),
        (PAIR.c("A", 10, 1, 0, at=2, ip_id=95), False, True),
        (PAIR.c("A", 10, 1, 1, at=2, ip_id=96), False, True),
        (PAIR.c("FA", 11, 1, at=2, ip_id=97), False, False),
        (PAIR.c("R", 1, at=2, ip_id=98), False, False),
        (PAIR.c("PA", 1, 1, 10, at=1.001, ttl=63, interface=3, ip_id=80), False, False),  # a copy
    ],
)
def test_what_was_sent_again_and_what_only_asks(packet: object, retransmission: bool, keepalive: bool) -> None:
    request = PAIR.c("PA", 1, 1, 10, at=1, ip_id=80)
    answer = PAIR.s("A", 1, 11, at=1.0005)
    last = told(PAIR.opening(), request, answer, packet).iloc[-1]
    assert (last["retransmission"], last["keepalive"]) == (retransmission, keepalive)


def test_one_byte_is_a_probe_only_when_it_had_been_acknowledged() -> None:
    sent, again = PAIR.c("PA", 1, 1, 1, at=1, ip_id=1), PAIR.c("PA", 1, 1, 1, at=2, ip_id=2)
    assert told(PAIR.opening(), sent, again)["retransmission"].tolist()[-1]
    packets = told(PAIR.opening(), sent, PAIR.s("A", 1, 2, at=1.5), again)
    assert packets["keepalive"].tolist()[-1] and not packets["retransmission"].tolist()[-1]


def test_a_hole_filled_at_once_is_reordering_and_later_a_retransmission() -> None:
    ahead = PAIR.c("PA", 11, 1, 10, at=1, ip_id=2)
    for at, again in ((1.001, False), (1.2, True)):
        packets = told(PAIR.opening(), ahead, PAIR.c("PA", 1, 1, 10, at=at, ip_id=1))
        assert packets["retransmission"].tolist() == [False] * 4 + [again]


def test_copies_name_the_first_sighting() -> None:
    seen = {"ip_id": 33, "ttl": 64, "direction": DIRECTION_IN, "interface": 1}
    again = {"ip_id": 33, "ttl": 63, "direction": DIRECTION_OUT, "interface": 2}
    packets = told(
        PAIR.opening(),
        PAIR.s("R", 1, at=1, **seen), PAIR.s("R", 1, at=1.0001, **again), PAIR.s("R", 1, at=1.0002, **again),
        PAIR.s("R", 1, at=2, **seen),
    )  # fmt: skip
    assert packets["copy_of"].fillna(0).tolist() == [0, 0, 0, 0, 4, 4, 0]


def test_unfinished_checksums_are_told() -> None:
    pseudo = (
        sum(int(x, 16) for x in ("0a00", "0001", "0a00", "0002")) + 6 + 20
    )  # RFC 9293 3.1: addresses, protocol, length
    packets = told(PAIR.c("S", checksum=pseudo), PAIR.s("RA", 0, 1, checksum=pseudo + 1))
    assert packets["unfinished_checksum"].tolist() == [True, False]


def test_a_copy_is_told_among_many_packets() -> None:
    """A thousand packets of one moment, then their copies from behind a router: none of them makes another one forgotten."""
    sent = [PAIR.c("PA", seq=i, ack=1, length=1, ip_id=i + 1, at=i * 1e-6) for i in range(1000)]
    copies = [PAIR.c("PA", seq=i, ack=1, length=1, ip_id=i + 1, at=0.002 + i * 1e-6, ttl=63) for i in range(1000)]
    segments = rows(sent, copies)
    found = second_pass(folded(segments), segments, ids=[1])
    assert (found["copy_of"].dropna() == found["frame"][found["copy_of"].notna()] - 1000).all()
    kept = found["frame"] > 1000
    assert found["copy_of"][kept].notna().all() and kept.any()
