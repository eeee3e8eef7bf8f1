"""Lines and endings: ties, clocks, and what is left over, on small made worlds whose truth is known."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.correlation import Correlation, correlate
from analyzer.correlation.assignment import assign, candidates
from analyzer.correlation.rules import RULES
from analyzer.schema import (
    CLOCKS,
    CONNECTIONS,
    COVERAGE,
    ENDINGS,
    EVENTS,
    LOG_LINES,
    MATCHES,
    RESET_FRAMES,
    UNMATCHED_LOG_LINES,
)

START = pd.Timestamp("2026-11-20T09:00:00Z")
CLIENT, SERVER = "10.1.0.2", "10.2.0.2"


def at(seconds: float) -> pd.Timestamp:
    return START + pd.Timedelta(round(seconds * 1e9), unit="ns")


@dataclass
class World:
    """A capture and its logs, built connection by connection and line by line."""

    point: str = "capture"
    connections: list[dict[str, Any]] = field(default_factory=list)
    resets: list[dict[str, Any]] = field(default_factory=list)
    endings: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    span: tuple[float, float] = (-1.0, 3600.0)

    def connection(
        self,
        port: int,
        first: float,
        last: float,
        *,
        reset: float | None = None,
        by: str = "client",
        client: str = CLIENT,
        kind: str = "reset",
        **more: Any,
    ) -> str | None:
        """One connection; with `reset`, also the reset of that side and its ending. Returns the ending's id."""
        number = len(self.connections) + 1
        ends = {"client_ip": client, "client_port": port, "server_ip": SERVER, "server_port": 5432}
        self.connections.append(
            {
                "connection": number,
                "point": self.point,
                "roles_known": True,
                "first": at(first),
                "last": at(last),
                **ends,
                **more,
            }
        )
        if reset is not None:
            self.reset(number, reset, by)
        if reset is None and kind == "reset":
            return None
        name = f"r{len(self.endings) + 1}"
        self.endings.append(
            {
                "ending": name,
                "kind": kind,
                "point": self.point,
                "connection": number,
                "time": at(last if reset is None else reset),
                "apparent_sender": by,
                **ends,
            }
        )
        return name

    def reset(self, number: int, when: float, by: str) -> None:
        row = self.connections[number - 1]
        ends = [(row["client_ip"], row["client_port"]), (row["server_ip"], row["server_port"])]
        (src, sport), (dst, dport) = ends if by == "client" else ends[::-1]
        frame = {"src": src, "sport": sport, "dst": dst, "dport": dport}
        self.resets.append({"point": row["point"], "connection": number, "time": at(when), **frame})

    def line(self, when: float, event: str, *, source: str = "pg.log", writer: str = "server", **more: Any) -> None:
        fields = {"resolution": 0.001, "zone": "printed", "format": "postgresql", "text": f"LOG:  {event}", **more}
        number = 1 + sum(line["source"] == source for line in self.lines)
        self.lines.append(
            {"source": source, "line": number, "written": at(when), "event": event, "writer": writer, **fields}
        )

    def named(self, when: float, event: str, port: int, basis: str = "line", **more: Any) -> None:
        self.line(when, event, client_ip=CLIENT, client_port=port, address_basis=basis, **more)

    def correlate(self, **options: Any) -> Correlation:
        coverage = [{"point": self.point, "first": at(self.span[0]), "last": at(self.span[1])}]
        tables = [
            table.conform(pd.DataFrame(rows, columns=list(dict.fromkeys(itertools.chain(*rows)))))
            for table, rows in (
                (ENDINGS, self.endings), (CONNECTIONS, self.connections), (RESET_FRAMES, self.resets), (LOG_LINES, self.lines), (COVERAGE, coverage),
            )
        ]  # fmt: skip
        return correlate(*tables, reference_point=self.point, **options)

    def ties(self, **options: Any) -> list[tuple[str, int, str, str]]:
        matches = self.correlate(**options).matches
        return [(m.source, int(m.line), m.ending, m.tie) for m in matches.itertuples()]


def session(
    world: World, port: int, first: float, reset: float, *, pid: int, offset: float = 0.0, lag: float = 0.002
) -> str | None:
    """A connection that the client resets, with all that PostgreSQL writes about it."""
    name = world.connection(port, first, reset + 0.01, reset=reset)
    world.named(
        first + offset + 0.001, "opened", port, pid=pid, text=f"LOG:  connection received: host={CLIENT} port={port}"
    )
    world.named(reset + offset + lag, "reset_received", port, "process", pid=pid)
    world.named(reset + offset + lag, "unexpected_end", port, "process", pid=pid)
    world.named(reset + offset + lag + 0.001, "closed", port, pid=pid)
    return name


def three() -> World:
    world = World()
    for i in range(3):
        session(world, 40000 + i, 10.0 * i, 10.0 * i + 5, pid=100 + i)
    return world


def test_empty_tables_give_empty_tables() -> None:
    found = World().correlate()
    pd.testing.assert_frame_equal(found.matches, MATCHES.empty())
    pd.testing.assert_frame_equal(found.clocks, CLOCKS.empty())
    pd.testing.assert_frame_equal(found.unmatched, UNMATCHED_LOG_LINES.empty())


def test_rules_speak_the_schema() -> None:
    assert set(RULES) <= set(EVENTS)
    assert not {"opened", "authenticated", "closed_locally", "detail", "request", "started"} & set(RULES)


def test_the_whole_match() -> None:
    matches = three().correlate().matches
    assert len(matches) == 9
    want = {
        "ending": "r1",
        "source": "pg.log",
        "line": 2,
        "time": at(5.001),
        "event": "reset_received",
        "writer": "server",
        "lag": 0.001,
        "tie": "process",
        "tie_sentence": 'process 100 logged "connection received: host=10.1.0.2 port=40000" at line 1',
        "coincidence": 3 / 28232,  # one of three connections of that client, by one of the ports that Linux gives
    }
    pd.testing.assert_frame_equal(matches.head(1), MATCHES.conform(pd.DataFrame([want])), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(-56, 56).map(lambda quarters: quarters * 900.0),
    st.floats(-90, 90),
    st.lists(st.floats(0, 0.2), min_size=6, max_size=6),
)
def test_a_shifted_log_has_another_offset_and_the_same_matches(zone: float, skew: float, lags: list[float]) -> None:
    def world(offset: float) -> World:
        made = World()
        for i, lag in enumerate(lags):
            session(made, 40000 + i, 300.0 * i, 300.0 * i + 7 + i, pid=100 + i, offset=offset, lag=lag)
        return made

    shift = min(max(zone + skew, -14 * 3600.0), 14 * 3600.0)
    still, moved = world(0.0).correlate(), world(shift).correlate()
    pd.testing.assert_frame_equal(
        moved.matches.drop(columns=["time", "lag"]), still.matches.drop(columns=["time", "lag"])
    )
    assert np.allclose(moved.matches["lag"], still.matches["lag"], atol=1e-6)
    assert moved.clocks["offset_seconds"][0] - still.clocks["offset_seconds"][0] == pytest.approx(shift, abs=1e-6)
    assert still.clocks["offset_seconds"][0] == pytest.approx(0.001, abs=0.002)
    assert moved.clocks["basis"][0] == "identity"


def test_a_late_line_does_not_move_the_clock() -> None:
    world = World()
    for i, lag in enumerate([0.002, 900.0, 30.0, 0.002]):
        session(world, 40000 + i, 10.0 * i, 10.0 * i + 5, pid=100 + i, lag=lag)
    found = world.correlate()
    assert found.clocks["offset_seconds"][0] == pytest.approx(0.001, abs=0.002)
    assert [round(x, 2) for x in found.matches.loc[found.matches["event"] == "reset_received", "lag"]] == [
        0.0,
        900.0,
        30.0,
        0.0,
    ]


def test_whole_seconds_give_the_clock_to_a_fraction() -> None:
    world = World()
    for i in range(20):
        first = 10.0 * i + 0.05 * i
        world.connection(40000 + i, first, first + 5, reset=first + 5)
        world.named(float(int(first + 0.003 + 2.7)), "opened", 40000 + i, resolution=1.0)
    assert world.correlate().clocks["offset_seconds"][0] == pytest.approx(2.7, abs=0.06)


def test_a_port_used_again_is_another_connection() -> None:
    world = World()
    session(world, 40000, 0.0, 5.0, pid=7)
    session(world, 40000, 100.0, 105.0, pid=7)
    assert {(line, ending) for _, line, ending, _ in world.ties()} == {
        (2, "r1"),
        (3, "r1"),
        (4, "r1"),
        (6, "r2"),
        (7, "r2"),
        (8, "r2"),
    }


def test_a_busy_process_speaks_of_its_own_connection_after_its_port_was_used_again() -> None:
    world = three()
    world.connection(50000, 50.0, 55.0, reset=55.0)
    world.connection(50000, 80.0, 85.0, reset=85.0)
    world.named(50.001, "opened", 50000, pid=500)
    world.named(80.001, "opened", 50000, pid=501)
    world.named(90.0, "reset_received", 50000, "process", pid=500)
    matches = world.correlate().matches
    assert [(m.ending, round(m.lag)) for m in matches[matches["line"] == 15].itertuples()] == [("r4", 35)]


def test_a_server_needs_a_reset_that_carries_the_clients_address() -> None:
    world = three()
    world.connection(50000, 50.0, 55.0, reset=55.0, by="server")
    world.named(50.001, "opened", 50000, pid=500)
    world.named(55.002, "reset_received", 50000, "process", pid=500)
    world.named(55.002, "closed", 50000, pid=500)
    found = world.correlate()
    assert [m.event for m in found.matches.itertuples() if m.ending == "r4"] == ["closed"]
    assert "was sent with the writer's own address" in found.unmatched["reason"][0]


def test_a_second_reset_toward_the_writer_explains_its_line() -> None:
    world = three()
    world.connection(50000, 50.0, 60.0, reset=55.0, by="server")
    world.reset(4, 58.0, "client")
    world.named(50.001, "opened", 50000, pid=500)
    world.named(58.003, "reset_received", 50000, "process", pid=500)
    (match,) = [m for m in world.correlate().matches.itertuples() if m.ending == "r4"]
    assert match.lag == pytest.approx(0.002, abs=1e-6)


def test_a_client_needs_a_reset_that_carries_the_servers_address() -> None:
    world = three()
    name = world.connection(50000, 50.0, 55.0, reset=55.0, by="server")
    world.named(50.0, "opened", 50000, source="app.log", writer="client")
    world.named(55.001, "reset_received", 50000, source="app.log", writer="client")
    world.named(15.006, "reset_received", 40001, source="app.log", writer="client")  # that one was sent by the client
    assert ("app.log", 2, name, "connection") in world.ties()
    assert not [tie for tie in world.ties() if tie[0] == "app.log" and tie[1] == 3]


def test_guessed_roles_may_be_the_wrong_way_round() -> None:
    world = three()
    ends = {"client_ip": SERVER, "client_port": 5432, "server_ip": CLIENT, "server_port": 50000, "roles_known": False}
    world.connection(5432, 50.0, 55.0, client=SERVER, roles_known=False)
    world.connections[-1] |= ends
    world.reset(4, 55.0, "server")  # carries CLIENT's address, which the capture calls the server
    world.endings.append(
        {
            "ending": "r4",
            "kind": "reset",
            "point": world.point,
            "connection": 4,
            "time": at(55.0),
            "apparent_sender": "server",
        }
        | ends
    )
    del world.endings[-1]["roles_known"]
    world.named(55.002, "reset_received", 50000)
    assert ("pg.log", 13, "r4", "connection") in world.ties()


def test_a_timeout_comes_before_the_reset_it_led_to() -> None:
    world = three()
    name = world.connection(50000, 50.0, 95.0, reset=95.0, by="server")
    world.named(50.001, "opened", 50000, pid=500)
    world.named(60.0, "idle_timeout", 50000, "process", pid=500)
    (match,) = [m for m in world.correlate().matches.itertuples() if m.ending == name]
    assert (match.event, round(match.lag)) == ("idle_timeout", -35)


def test_refusals_are_assigned_to_the_nearest_reset_before_each() -> None:
    world = World()
    names = [world.connection(50000 + i, 0.5 * i, 0.5 * i, reset=0.5 * i, by="server") for i in range(4)]
    for i in (0, 1, 3):
        world.line(
            0.5 * i + 0.001,
            "refused",
            source="app.log",
            writer="client",
            server_ip=SERVER,
            server_port=5432,
            zone="unknown",
        )
    assert [(ending, tie) for _, _, ending, tie in world.ties()] == [
        (names[0], "host"),
        (names[1], "host"),
        (names[3], "host"),
    ]


def test_a_line_without_a_name_is_tied_only_where_one_ending_fits() -> None:
    world = three()
    alone = world.connection(50000, 50.0, 55.0, reset=55.0)
    world.connection(50001, 70.0, 75.0, reset=75.0)
    world.connection(50002, 70.0, 75.1, reset=75.1)
    world.line(55.003, "reset_received", pid=900)
    world.line(55.004, "unexpected_end", pid=900)
    world.line(75.2, "reset_received", pid=901)
    found = world.correlate()
    assert [(m.line, m.ending, m.tie) for m in found.matches.itertuples() if m.line > 12] == [
        (13, alone, "time"),
        (14, alone, "time"),
    ]
    assert found.unmatched[["line", "reason"]].values.tolist() == [
        [
            15,
            "what ended at 2026-11-20 09:01:15 UTC stands near it, but by time alone that may be chance, or another's line (25%)",
        ]
    ]
    assert found.unmatched["next_log"][0].startswith("log_connections = on")


def test_an_ending_that_a_name_explains_is_not_given_to_a_nameless_line() -> None:
    world = three()
    world.line(5.003, "reset_received", pid=900)
    assert not [tie for tie in world.ties() if tie[1] == 13]


# --- Clocks -----------------------------------------------------------------------------------------------------------


def nameless(times: list[float], offset: float, **more: Any) -> World:
    world = World()
    for i, t in enumerate(times):
        world.connection(50000 + i, t - 1, t, reset=t)
        world.line(t + offset + 0.002, "reset_received", pid=900 + i, **more)
    return world


@pytest.mark.parametrize("offset", [0.0, 32400.0, -18000.0 + 41.5, 5.5 * 3600 - 88])
def test_the_pattern_of_times_gives_the_clock(offset: float) -> None:
    found = nameless([0.0, 17.3, 61.9, 204.2, 590.0], offset, zone="unknown").correlate()
    (clock,) = found.clocks.itertuples()
    assert (clock.basis, clock.support) == ("pattern", 5)
    assert clock.offset_seconds == pytest.approx(offset + 0.002, abs=0.002)
    assert list(found.matches["tie"]) == ["time"] * 5


def test_a_period_is_no_pattern() -> None:
    found = nameless([30.0 * i for i in range(8)], 30.0 * 4 + 7, zone="unknown").correlate()
    assert found.clocks[["basis", "support"]].values.tolist() == [["none", 0]]
    assert found.clocks["offset_seconds"].isna().all()
    assert set(found.unmatched["reason"]) == {"how this log's clock stands to the capture could not be found"}


def test_two_lines_are_no_pattern() -> None:
    found = nameless([0.0, 17.3], 41.5, zone="unknown").correlate()
    assert list(found.clocks["basis"]) == ["none"]


@pytest.mark.parametrize("times", [[20.0], [20.0, 911.3]])
def test_two_lines_are_no_zone_but_a_question(times: list[float]) -> None:
    found = nameless(times, 32400.0, zone="unknown").correlate()
    (clock,) = found.clocks.itertuples()
    assert clock.basis == "none" and pd.isna(clock.offset_seconds)
    assert "--log-timezone +09:00 says so" in clock.sentence
    assert found.matches.empty


def test_a_lone_line_in_a_zone_that_is_told_is_tied() -> None:
    found = nameless([20.0], 0.0, zone="given").correlate()
    (clock,) = found.clocks.itertuples()
    assert (clock.basis, clock.offset_seconds, clock.support) == ("assumed", 0.0, 1)
    assert "only assumed" in clock.sentence
    assert list(found.matches["tie"]) == ["time"]
    assert found.matches["coincidence"][0] < 0.01


def test_an_offset_that_is_given_is_believed() -> None:
    found = nameless([20.0], 41.5).correlate(offsets={"pg.log": 41.5})
    assert found.clocks[["offset_seconds", "basis"]].values.tolist() == [[41.5, "given"]]
    assert found.matches["lag"][0] == pytest.approx(0.002, abs=1e-6)


def test_the_sentence_tells_zone_from_skew() -> None:
    world = World()
    for i in range(3):
        session(world, 40000 + i, 10.0 * i, 10.0 * i + 5, pid=100 + i, offset=32402.7)
    sentence = world.correlate().clocks["sentence"][0]
    assert sentence.startswith(
        "pg.log is ahead of the capture by 9 h, 2.701 s fast; 9 lines that name a connection agree within"
    )


# --- Left over --------------------------------------------------------------------------------------------------------


def test_reasons() -> None:
    world = three()
    world.connection(50000, 50.0, 55.0, client_fin=True, server_fin=True)
    world.connection(50001, 50.0, 55.0, client_fin=False, server_fin=False)
    world.span = (-1.0, 100.0)
    world.named(55.001, "reset_received", 50000)
    world.named(55.001, "reset_received", 50001)
    world.named(55.001, "reset_received", 59999)
    world.line(55.001, "reset_received", client_ip="192.0.2.9", client_port=1, address_basis="line")
    world.named(5000.0, "reset_received", 40000)
    world.line(55.001, "timed_out", pid=1)
    found = world.correlate().unmatched
    assert dict(zip(found["line"], found["reason"], strict=True)) == {
        13: "the connection of 10.1.0.2 port 50000 ended with a FIN of the client and server, not with a reset; "
        "under TLS an end of stream without close_notify reads as one",
        14: "the connection of 10.1.0.2 port 50001 was not reset as far as the capture shows",
        15: "no connection from 10.1.0.2 port 59999 is in the capture at that time",
        16: "no packet of 192.0.2.9 is in the capture; behind address translation the capture shows another address",
        18: "the line names no address, and no single ending of the capture stands out at its time",
    } | {17: found.loc[found["line"] == 17, "reason"].item()}  # fmt: skip
    assert found["next_log"].notna().tolist() == [False] * 5 + [True]


def test_every_speaking_line_is_tied_or_left_over() -> None:
    world = three()
    for i, event in enumerate(sorted(EVENTS)):
        world.line(200.0 + i, event, pid=1000 + i)
    found = world.correlate()
    speaking = {i for i, line in enumerate(world.lines, 1) if line["event"] in RULES and RULES[line["event"]].speaks}
    assert set(found.matches["line"]) & speaking | set(found.unmatched["line"]) == speaking
    assert not set(found.matches["line"]) & set(found.unmatched["line"])


# --- Two capture points -----------------------------------------------------------------------------------------------


def test_a_line_is_tied_through_the_other_point_when_its_reset_was_seen_only_there() -> None:
    world = three()
    name = world.connection(50000, 50.0, 60.0, reset=55.0, by="server")
    world.point = "server"
    world.connection(50000, 50.0, 60.0)
    world.reset(5, 58.0, "client")
    world.point = "capture"
    world.named(50.001, "opened", 50000, pid=500)
    world.named(58.003, "reset_received", 50000, "process", pid=500)
    (match,) = [m for m in world.correlate().matches.itertuples() if m.ending == name]
    assert match.lag == pytest.approx(0.002, abs=1e-6)


# --- Assignment -------------------------------------------------------------------------------------------------------


Times = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1)), min_size=1, max_size=5)


@settings(max_examples=100, deadline=None)
@given(Times, Times, st.randoms(use_true_random=False))
def test_assignment_is_the_best_of_all(
    lines: list[tuple[int, int]], targets: list[tuple[int, int]], random: Any
) -> None:
    lines, targets = sorted(lines), sorted(targets)
    frame = pd.DataFrame(lines, columns=["time", "key"]).assign(tolerance=1, reach=6).reset_index(names="row")
    wire = pd.DataFrame(targets, columns=["t", "key"])
    pairs = candidates(frame, wire, ["key"])
    naive = {
        (r, t)
        for r, (a, k) in enumerate(lines)
        for t, (b, other) in enumerate(targets)
        if -1 <= a - b <= 6 and k == other
    }
    assert set(zip(pairs["row"], pairs["target"], strict=True)) == naive
    score = {pair: random.uniform(-1, 3) for pair in sorted(naive)}
    pairs["score"] = [score[pair] for pair in zip(pairs["row"], pairs["target"], strict=True)]
    pairs["group"] = pairs["row"].map(frame["key"])
    chosen = assign(pairs, frame["time"], wire["t"])
    assert chosen["row"].is_unique and chosen["target"].is_unique

    def best(rows: list[int], found: list[int]) -> float:
        if not rows or not found:
            return 0.0
        both = score.get((rows[0], found[0]), -1.0)
        taken = [both + best(rows[1:], found[1:])] if both > 0 else []
        return max(best(rows[1:], found), best(rows, found[1:]), *taken)

    groups = [
        ([r for r, line in enumerate(lines) if line[1] == key], [t for t, some in enumerate(targets) if some[1] == key])
        for key in (0, 1)
    ]
    assert chosen["score"].sum() == pytest.approx(sum(best(*group) for group in groups))


def test_a_wording_that_nobody_verified_weighs_less() -> None:
    def chance(verified: str) -> float:
        world = World()
        for n in range(3):
            world.connection(40000 + n, n * 100.0, n * 100.0 + 2, reset=n * 100.0 + 1)
        world.line(1.002, "reset_received", client_ip=CLIENT, address_basis="line", verified=verified)
        return float(world.correlate(offsets={"pg.log": 0.0}).matches["coincidence"].iloc[0])

    assert chance("unverified") > chance("source")


def refused(*ports: int) -> World:
    """Refusals of these ports of the server, a second apart, from 10 s on."""
    world = World()
    for n, port in enumerate(ports):
        world.connection(40000 + n, 10.0 + n, 10.0 + n, reset=10.0 + n, by="server")
        for row in (world.connections[-1], world.endings[-1]):
            row["server_port"] = port
        world.endings[-1]["stage"] = "syn"
        world.resets[-1]["sport"] = port
    return world


def explained(world: World) -> list[str]:
    return [m.ending for m in world.correlate().matches.itertuples() if m.event == "port_in_use"]


def test_a_port_that_was_in_use_explains_the_refusals_around_it() -> None:
    world = refused(5432, 80, 5432, 5432)
    world.line(9.0, "port_in_use", server_port=5432)
    assert explained(world) == ["r1", "r3", "r4"]
    match = world.correlate().matches.iloc[0]
    assert (match["tie"], match["lag"]) == ("host", -1.0)
    assert match["coincidence"] < 0.05
    assert "could not listen on port 5432" in match["tie_sentence"]
    world.line(11.5, "started")
    assert explained(world) == ["r1"]


def test_a_service_that_names_no_port_is_the_only_one_that_refuses_or_none() -> None:
    one, two = refused(5432, 5432), refused(5432, 80)
    for world in (one, two):
        world.line(9.0, "port_in_use")
    assert explained(one) == ["r1", "r2"]
    assert explained(two) == []


def test_a_port_in_use_explains_no_established_connection_and_no_refusal_long_after() -> None:
    world = three()
    world.line(5.0, "port_in_use", server_port=5432)
    assert explained(world) == []
    world = refused(5432)
    world.line(-700.0, "port_in_use", server_port=5432)
    world.line(80.0, "port_in_use", server_port=5432)
    world.line(9.0, "port_in_use", server_port=5433)
    assert explained(world) == []
