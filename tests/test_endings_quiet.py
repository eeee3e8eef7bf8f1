"""Connections that ended with FINs: which of them died in mid-work, and which a log only seems to say so of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_endings import CLIENT, EXCHANGE, HANDSHAKE, SERVER, Line, fact_row

import analyzer
from analyzer import correlation, diagnosis, incidents, schema
from analyzer.endings import settle

WELL = {"ended": "well", "client_resets": 0, "server_resets": 0}
ASKED: Line = (1.0, CLIENT, "PA", 101, 201, 90)
BY_SERVER: list[Line] = [
    *EXCHANGE,
    ASKED,
    (3.0, SERVER, "FA", 201, 191, 0),
    (3.1, CLIENT, "FA", 191, 202, 0),
    (3.2, SERVER, "A", 202, 192, 0),
]
IN_ORDER: list[Line] = [
    *EXCHANGE,
    (3.0, CLIENT, "FA", 101, 201, 0),
    (3.1, SERVER, "FA", 201, 102, 0),
    (3.2, CLIENT, "A", 102, 202, 0),
]
STILL_OPEN: list[Line] = [*EXCHANGE, ASKED, (1.1, SERVER, "A", 201, 191, 0)]


def row(lines: list[Line], **facts: Any) -> Any:
    """The ENDINGS row of this conversation, with more facts, as `settle` leaves it."""
    found = fact_row(lines, {**WELL})
    table = schema.ENDINGS.conform(pd.DataFrame([vars(found) | facts]))
    return settle(table)


def test_the_first_fin_is_the_ending_and_its_sender_the_sender() -> None:
    e = fact_row(BY_SERVER, {**WELL})
    assert (e.kind, e.frame, e.apparent_sender, e.sender_fin, e.peer_fin, e.both_fins_acked) == (
        "log_only",
        8,
        "server",
        True,
        True,
        True,
    )
    assert (e.client_bytes, e.server_bytes, e.unacked_sender, e.unacked_peer) == (190, 200, 0, 0)
    assert (e.peer_bytes_since_sender_data, e.since_peer_data, e.idle_before_fin, e.stage) == (90, 2.0, 2.0, "closing")
    assert (e.answers_trigger, e.seq_delta, e.live_socket) == (
        None,
        None,
        None,
    )  # facts of a reset, which there is none


def test_without_any_fin_the_last_packet_stands_for_the_end() -> None:
    e = fact_row(STILL_OPEN, {**WELL, "ended": "open"})
    assert (e.kind, e.frame, e.apparent_sender, e.sender_fin, e.stage) == ("log_only", 8, "server", False, "data")


@pytest.mark.parametrize(
    ("lines", "words", "kind"),
    [
        (BY_SERVER, {}, "fin_midway"),  # nothing answered the last request of a connection that had been answered before
        (BY_SERVER, {"request_unanswered": False}, "log_only"),  # the words show that it was none
        (BY_SERVER, {"client_goodbye": True}, "log_only"),
        (BY_SERVER, {"encrypted": True}, "log_only"),  # it may have been a goodbye
        (IN_ORDER, {}, "log_only"),
        (IN_ORDER, {"transaction_open": True}, "fin_midway"),
        (IN_ORDER, {"request_unanswered": True}, "fin_midway"),
        (STILL_OPEN, {"transaction_open": True}, "log_only"),  # it has not ended
        ([*HANDSHAKE, (0.1, CLIENT, "PA", 1, 1, 90), (3.0, SERVER, "FA", 1, 91, 0)], {}, "log_only"),  # perhaps one that only receives
    ],
)  # fmt: skip
def test_what_a_close_was(lines: list[Line], words: dict[str, Any], kind: str) -> None:
    assert row(lines, **words)["kind"].tolist() == [kind]


def test_an_ordinary_close_stays_only_where_a_log_speaks_of_it() -> None:
    table = row(IN_ORDER)
    name = table["ending"].iloc[0]
    assert settle(table, {}).empty
    assert settle(table, {name: {"reset_received"}})["kind"].tolist() == ["log_only"]
    assert settle(table, {name: {"unexpected_end"}})["kind"].tolist() == ["fin_midway"]


def judged(table: pd.DataFrame, events: str | None = None) -> Any:
    """The finding of one ending; `events` are what the server's log says."""
    table = schema.ENDINGS.conform(table.assign(server_log_events=events))
    _, findings, notices = diagnosis.diagnose(table, schema.MATCHES.empty())
    assert not notices
    (incident,) = schema.rows(
        incidents.incidents(table, findings, schema.MATCHES.empty(), table[["ending", "connection"]])
    )
    return schema.rows(findings)[0], incident


def test_a_log_that_says_reset_of_an_ordinary_close_is_answered() -> None:
    finding, incident = judged(row(IN_ORDER, request_unanswered=False, transaction_open=False), "reset_received")
    assert (finding.cause, finding.reset_by, finding.harmless) == ("orderly_close", "undetermined", True)
    assert "closed the connection" in finding.sentence and "no reset was sent" in finding.sentence
    assert incident.sentence == finding.sentence


@pytest.mark.parametrize(
    ("lines", "words", "events", "harmless"),
    [
        (IN_ORDER, {"transaction_open": True}, None, False),
        (IN_ORDER, {"request_unanswered": True}, None, False),
        (BY_SERVER, {}, None, None),  # what it asked cannot be read
    ],
)
def test_a_close_in_mid_work_is_a_finding_without_any_log(
    lines: list[Line], words: dict[str, Any], events: str | None, harmless: bool
) -> None:
    finding, _ = judged(row(lines, **words), events)
    assert (finding.cause, finding.reset_by, finding.harmless) == ("closed_midway", "undetermined", harmless)


def test_a_timeout_in_a_log_of_what_is_still_open_here_is_a_death_that_this_capture_does_not_show() -> None:
    finding, _ = judged(row(STILL_OPEN), "timed_out")
    assert (finding.cause, finding.harmless) == ("retransmission_timeout", False)
    assert "neither a FIN nor a reset" in finding.sentence


def lines_of(*lines: tuple[str, int, float]) -> pd.DataFrame:
    """LOG_LINES of a server in UTC: (event, client port, seconds after the conversation began)."""
    start = pd.Timestamp("2023-11-14 22:13:20", tz="UTC")
    return schema.LOG_LINES.conform(
        pd.DataFrame(
            [
                {"source": "a.log", "line": n, "text": e, "format": "x", "message": "x", "written": start + pd.Timedelta(seconds=at),
                 "zone": "printed", "resolution": 0.001, "event": e, "writer": "server", "client_ip": "192.0.2.1",
                 "client_port": port, "address_basis": "line"}
                for n, (e, port, at) in enumerate(lines, start=1)
            ]
        )
    )  # fmt: skip


def test_only_lines_that_speak_of_a_broken_connection_name_its_end() -> None:
    lines = lines_of(("reset_received", 40000, 3.2), ("opened", 40001, 0.0), ("closed", 40002, 3.2))
    assert correlation.named_ends(lines) == {("192.0.2.1", 40000)}


CAPTURES = Path(__file__).parent.parent / "captures"


def test_end_to_end_a_line_that_says_reset_is_explained_by_the_fin(tmp_path: Path) -> None:
    """The capture of an ordinary close, and a log in which its process complains of a reset: tied, answered, never a reset."""
    capture = CAPTURES / "half_close" / "server.pcap"
    plain = analyzer.analyze(str(capture))
    assert plain.endings.empty and plain.packets.empty
    row = plain.connections.iloc[0]
    log = tmp_path / "postgresql.log"
    head = "[4711] " + f"{row.client_ip}({row.client_port}) LOG:  "
    log.write_text(
        f"{row['first']:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f" UTC {head}connection received: host={row.client_ip} port={row.client_port}\n"
        + f"{row['last']:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f" UTC {head}could not receive data from client: Connection reset by peer\n"
    )  # fmt: skip
    d = analyzer.analyze(str(capture), logs=[str(log)])
    assert d.endings["kind"].tolist() == ["log_only"] and d.endings["ending"].tolist() == ["f1"]
    assert d.findings["cause"].tolist() == ["orderly_close"] and d.findings["harmless"].tolist() == [True]
    assert d.unmatched_log_lines.empty and not d.harmful
    assert "reset_received" in set(d.matches["event"])
    (item,) = d.document["died_in_silence"]
    assert item["log_lines"] and d.document["resets"] == []
    assert "no reset was sent" in d.explain("f1") and "no reset was sent" in d.to_html()


def test_end_to_end_a_client_killed_in_a_transaction(tshark: str) -> None:
    """Without any log: its FIN came without a Terminate, after ReadyForQuery had said that a transaction was open."""
    folder = CAPTURES / "postgres_idle_client_killed"
    d = analyzer.analyze(at={p: str(folder / f"{p}.pcap") for p in ("client", "server")})
    assert d.endings[["kind", "client_port"]].to_numpy().tolist() == [["fin_midway", 33860]]
    assert d.findings["cause"].tolist() == ["closed_midway"]
    assert set(d.packets["connection"]) == set(d.legs["connection"]) and len(d.legs) == 2
