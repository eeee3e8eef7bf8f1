"""Zeek's conn_state and history: the table of base/protocols/conn/main.zeek, case by case."""

import pytest
from connections_fixture import Pair, folded, rows

from analyzer.connections.layout import LETTERS
from analyzer.connections.zeek import End, Seen, conn_state, end_state, history

NONE = Seen()
SYN = Seen(packets=True, syn=True)
SYN_RST = Seen(packets=True, syn=True, reset=True)
SYN_FIN = Seen(packets=True, syn=True, fin=True)
SYN_ACK = Seen(packets=True, syn_ack=True)
SYN_ACK_RST = Seen(packets=True, syn_ack=True, reset=True)
SYN_ACK_FIN = Seen(packets=True, syn_ack=True, fin=True)
RST = Seen(packets=True, reset=True)
MIDDLE = Seen(packets=True, payload=True)
MIDDLE_RST = Seen(packets=True, payload=True, reset=True)
MIDDLE_FIN = Seen(packets=True, payload=True, fin=True)


@pytest.mark.parametrize(
    ("client", "server", "letters", "state"),
    [
        (SYN, NONE, "S", "S0"),
        (SYN, SYN_ACK, "ShA", "S1"),
        (SYN_FIN, SYN_ACK_FIN, "ShAFf", "SF"),
        (SYN, RST, "Sr", "REJ"),
        (SYN_RST, RST, "SrR", "REJ"),  # both reset, no payload
        (SYN_FIN, SYN_ACK, "ShAF", "S2"),
        (SYN, SYN_ACK_FIN, "ShAf", "S3"),
        (SYN_RST, SYN_ACK, "ShAR", "RSTO"),
        (SYN, SYN_ACK_RST, "ShAr", "RSTR"),
        (Seen(True, True, False, False, True, True), SYN_ACK_RST, "ShADRr", "RSTR"),
        (SYN_RST, NONE, "SR", "RSTOS0"),
        (
            Seen(True, True, False, False, True),
            NONE,
            "SAR",
            "OTH",
        ),  # an ACK between them: the SYN-ACK was missed, not absent
        (NONE, SYN_ACK_RST, "hr", "RSTRH"),
        (SYN_FIN, NONE, "SF", "SH"),
        (NONE, SYN_ACK_FIN, "hf", "SHR"),
        (MIDDLE, MIDDLE, "Dd", "OTH"),
        (MIDDLE, MIDDLE_RST, "Ddr", "RSTRH"),
        (MIDDLE_RST, MIDDLE, "DdR", "OTH"),
        (MIDDLE_FIN, MIDDLE_FIN, "DdFf", "SF"),
        (MIDDLE_FIN, MIDDLE, "DdF", "SH"),
        (NONE, NONE, "", "OTH"),
    ],
)
def test_state(client: Seen, server: Seen, letters: str, state: str) -> None:
    assert conn_state(client, server, letters) == state


def test_a_client_whose_syn_was_missed_is_established_by_the_syn_ack() -> None:
    assert end_state(MIDDLE, SYN_ACK, True) is End.ESTABLISHED


def test_history_shows_each_letter_once_in_order_upper_case_from_the_client() -> None:
    codes = [LETTERS.index("S"), 8 + LETTERS.index("H"), LETTERS.index("A"), LETTERS.index("D")]
    packed = sum(code << 4 * i for i, code in enumerate(codes))
    assert history(packed, 4, client_end=0) == "ShAD"
    assert history(packed, 4, client_end=1) == "sHad"
    assert history(2**64 - 1, 16, client_end=1) == "W" * 16  # all sixteen places fit


def test_all_letters_of_a_connection() -> None:
    pair = Pair()
    traffic = folded(
        rows(
            pair.opening(),
            pair.c("PA", 1, 1, 10, at=0.02),
            pair.c("PA", 1, 1, 10, at=0.5, ip_id=8),
            pair.s("A", 1, 11, at=0.51, window=0),
            pair.s("PA", 1, 11, 5, at=0.52),
            pair.c("FA", 11, 6, at=0.6),
            pair.s("FA", 6, 12, at=0.6),
            pair.s("R", 7, at=0.7),
        )
    ).connections
    assert traffic["history"].tolist() == ["ShADTawdFfr"]
    assert traffic["conn_state"].tolist() == ["RSTR"]
