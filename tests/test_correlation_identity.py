"""Whose line it is: the server's own process number, translated addresses, the writer's machine, rotated files; and what logs leave unsaid."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from test_correlation import CLIENT, SERVER, World, at, three

from analyzer import schema
from analyzer.errors import UsageError
from analyzer.logs import open_logs, read_logs
from analyzer.logs.opening import log_of
from analyzer.pipeline.asked import log_asked


def test_the_number_that_the_server_gave_its_client_names_the_connection() -> None:
    """Debian's prefix with log_connections off: two resets at one moment, told apart by BackendKeyData only."""
    world = World()
    for i in range(2):
        world.connection(40000 + i, 1.0, 5.0, reset=5.0)
        world.endings[-1] |= {"application": "postgresql", "backend_pid": 700 + i}
    for pid in (701, 700):
        world.line(5.001, "reset_received", pid=pid)
    found = world.correlate()
    assert [(m.line, m.ending, m.tie) for m in found.matches.itertuples()] == [
        (1, "r2", "process"),
        (2, "r1", "process"),
    ]
    assert "the number that the server gave 10.1.0.2:40001" in found.matches["tie_sentence"][0]
    assert found.clocks["basis"].tolist() == ["identity"]


def test_a_translated_address_weakens_a_tie_and_forbids_none() -> None:
    world = World()
    world.connection(40000, 1.0, 5.0, reset=5.0)
    world.line(5.001, "reset_received", client_ip="192.0.2.1", client_port=61000, address_basis="line")
    (match,) = world.correlate().matches.itertuples()
    assert (match.ending, match.tie) == ("r1", "time")
    assert "which the capture does not show" in match.tie_sentence
    # a log that names this capture's addresses as they are does not translate them: that one is simply another host
    world.connection(40001, 1.0, 9.0, client_fin=True, server_fin=True)
    world.named(9.0, "closed", 40001)
    assert "closed" not in set(world.correlate().matches["event"]) and world.correlate().matches.empty


def test_the_writers_machine_says_which_side_it_is() -> None:
    world = World()
    world.connection(40000, 1.0, 5.0, reset=5.0, by="server")
    world.connection(40001, 1.0, 5.05, reset=5.05, by="client")
    world.line(5.052, "reset_received", writer="unknown", writer_host=SERVER)
    assert [m.ending for m in world.correlate().matches.itertuples()] == ["r2"]
    world.lines[0]["writer_host"] = CLIENT
    assert [m.ending for m in world.correlate().matches.itertuples()] == ["r1"]


def test_lines_that_name_a_host_and_lines_that_do_not_set_one_clock() -> None:
    world = World()
    for i, t in enumerate([3.0, 61.5, 200.25, 333.0]):
        world.connection(40000 + i, t - 1, t, reset=t)
        address = {"client_ip": CLIENT} if i % 2 else {}
        world.line(t + 3600.002, "reset_received", zone="unknown", **address)
    found = world.correlate()
    assert found.clocks["basis"].tolist() == ["pattern"]
    assert [(m.ending, m.tie) for m in found.matches.itertuples()] == [
        ("r1", "time"), ("r2", "host"), ("r3", "time"), ("r4", "host"),
    ]  # fmt: skip


def test_a_timeout_belongs_to_a_death_in_silence() -> None:
    world = World()
    world.connection(40000, 1.0, 5.0, kind="silence")
    world.connection(40001, 1.0, 60.0, reset=60.0, by="server")  # that would have read "reset by peer"
    world.line(64.0, "timed_out", writer="client", zone="given")
    (match,) = world.correlate().matches.itertuples()
    assert (match.ending, match.tie) == ("r1", "time")


def test_what_contradicts_and_what_is_silent() -> None:
    world = three()
    world.connection(50000, 15.0, 16.0, reset=16.0, by="server")
    world.named(15.001, "opened", 50000, pid=500)
    world.named(16.002, "reset_received", 50000, "process", pid=500)
    world.connection(50001, 17.0, 18.0, reset=18.0)
    remarks = world.correlate().remarks
    assert remarks[["ending", "kind"]].values.tolist() == [["r4", "contradiction"], ["r4", "silent"], ["r5", "silent"]]
    assert "says that a reset came to its host; the capture shows none" in remarks["sentence"][0]
    assert "has lines from before and after, but none of this ending" in remarks["sentence"][2]
    assert not schema.LOG_REMARKS.columns.keys() - set(remarks.columns)


def test_own_closes_explain_no_reset_and_rejections_may() -> None:
    world = three()
    world.connection(50000, 50.0, 55.0, reset=55.0)
    world.line(55.001, "closed_locally", pid=900)
    assert not [m for m in world.correlate().matches.itertuples() if m.line == 13]


# --- What was told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path", "host", "zone"),
    [
        ("{}/a.log", "a.log", None, None),
        ("{}/a=b.log", "a=b.log", None, None),
        ("{}/a@UTC", "a@UTC", None, None),
        ("{}/a.log@Asia/Tokyo", "a.log", None, "Asia/Tokyo"),
        ("10.0.0.1={}/a.log", "a.log", "10.0.0.1", None),
        ("server={}/a.log@Asia/Tokyo", "a.log", "server", "Asia/Tokyo"),
        ("[2001:DB8::1]={}/a=b.log", "a=b.log", "2001:db8::1", None),
        ("client={}/a@UTC", "a@UTC", "client", None),
        ("{}/absent.log", "absent.log", None, None),
    ],
)
def test_whose_log_it_is_and_in_which_zone(
    text: str, path: str, host: str | None, zone: str | None, tmp_path: Path
) -> None:
    for name in ("a.log", "a=b.log", "a@UTC"):
        (tmp_path / name).write_text("")
    found = log_asked(text.format(tmp_path))
    assert found == (str(tmp_path / path), host, None if zone is None else ZoneInfo(zone))


def test_what_is_no_host_and_no_zone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("")
    with pytest.raises(UsageError, match="names no writer: give its IP address, or client or server"):
        log_asked(f"db1={tmp_path}/a.log")
    with pytest.raises(UsageError, match="is no time zone"):
        log_asked(f"{tmp_path}/a.log@Mars")


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("postgresql.log", "postgresql.log"),
        ("postgresql.log.1", "postgresql.log"),
        ("postgresql.log.2.gz", "postgresql.log"),
        ("postgresql-2026-11-20_000000.log", "postgresql.log"),
        ("postgresql-Fri.log", "postgresql.log"),
        ("syslog-20261120", "syslog"),
        ("10.0.0.1.log", "10.0.0.1.log"),
        ("app-10.0.0.2", "app-10.0.0.2"),
    ],
)
def test_the_name_of_a_rotated_log(name: str, log: str) -> None:
    assert log_of(name) == log


def test_a_process_goes_on_in_the_next_file(tmp_path: Path) -> None:
    head = "2026-11-20 09:00:0{} UTC [77] LOG:  {}\n"
    (tmp_path / "pg.log.1").write_text(head.format(1, "connection received: host=10.1.0.2 port=40000"))
    (tmp_path / "pg.log").write_text(head.format(5, "could not receive data from client: Connection reset by peer"))
    lines, _ = read_logs(open_logs([tmp_path / "pg.log", tmp_path / "pg.log.1"]), year=2026)
    last = lines[lines["event"] == "reset_received"].iloc[0]
    assert (last["client_ip"], last["client_port"], last["address_basis"]) == ("10.1.0.2", 40000, "process")
    assert set(lines["log"]) == {"pg.log"}
    alone, _ = read_logs(open_logs([tmp_path / "pg.log"]), year=2026)
    assert alone["log"].isna().all() and alone["client_ip"].isna().all()
    assert pd.Timestamp(last["written"]) == at(5)
