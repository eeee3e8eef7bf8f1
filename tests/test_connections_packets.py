"""Pass 2: which packets are kept, and what is said of each."""

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
    story = rows(*packets)
    return second_pass(folded(story), story, ids=ids)


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


def test_by_default_what_did_not_end_well_and_what_was_reset_is_kept() -> None:
    well, still_open, late = Pair(cport=1), Pair(cport=2), Pair(cport=3)

    def close(pair: Pair) -> list:
        return [pair.c("FA", 1, 1, at=1), pair.s("FA", 1, 2, at=1), pair.c("A", 2, 2, at=1)]

    packets = told(
        well.opening(), close(well), still_open.opening(), late.opening(), close(late), late.c("R", 2, at=9), BAD
    )
    assert packets["connection"].unique().tolist() == [2, 3, 4]
    assert packets["connection"].value_counts().to_dict() == {2: 3, 3: 7, 4: 4}
    assert told(well.opening(), BAD, ids=[1])["connection"].unique().tolist() == [1]
    assert told(well.opening(), ids=[99]).empty


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
    assert connections.wanted(traffic, rows_limit=HEAD + BEFORE + AFTER).notices == ()
    wanted = connections.wanted(traffic, rows_limit=HEAD + BEFORE)
    packets = connections.packets(wanted, [("a", connections.select(wanted, 0, story), None)])
    assert packets["frame"].tolist() == [*range(1, HEAD + 1), *range(903 - BEFORE // 2 + 1, 904)]
    assert [notice.level for notice in wanted.notices] == ["info"] and f"last {BEFORE // 2} packets" in wanted.notices[
        0
    ].sentence
    assert connections.wanted(traffic, rows_limit=0).before == LEAST_BEFORE


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
