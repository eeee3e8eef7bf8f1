"""Several capture points: clocks that disagree, addresses that change on the way, numbers that are rewritten."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from analyzer import schema, vantage
from analyzer.schema import ACK, CONNECTIONS, COVERAGE, ENDINGS, RESET_FRAMES, RST

START = pd.Timestamp("2026-11-20T09:00:00Z")


def moment(seconds: float) -> pd.Timestamp:
    return START + pd.Timedelta(nanoseconds=round(seconds * 1e9))


class World:
    """Connections from a client to a server, seen at both ends: true times, then what each point's clock and address show."""

    def __init__(
        self,
        *,
        skew: float = 0.0,
        drift: float = 0.0,
        nat: str | None = None,
        isn_shift: int = 0,
        transit: float = 0.01,
    ) -> None:
        self.skew, self.drift, self.nat, self.isn_shift, self.transit = skew, drift, nat, isn_shift, transit
        self.connections: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []
        self.endings: list[dict[str, Any]] = []

    def at_server(self, seconds: float) -> pd.Timestamp:
        return moment(seconds + self.skew + self.drift * seconds)

    def connect(self, number: int, seconds: float) -> None:
        common = {
            "server_ip": "198.51.100.9",
            "server_port": 5432,
            "roles_known": True,
            "handshake": True,
            "syn_frames": 1,
        }
        client = {
            "client_ip": "192.0.2.1",
            "client_port": 40000 + number,
            "client_isn": 1000 * number,
            "server_isn": 7000 * number,
        }
        there = client | ({"client_ip": self.nat, "client_port": 61000 + number} if self.nat else {})
        there |= {"server_isn": client["server_isn"] + self.isn_shift}
        self.connections.append(
            common
            | client
            | {
                "connection": 2 * number,
                "point": "client",
                "first": moment(seconds),
                "server_rtt": 2 * self.transit,
                "capture": "c.pcap",
            }
        )
        self.connections.append(
            common | there
            | {"connection": 2 * number + 1, "point": "server", "first": self.at_server(seconds + self.transit)}
            | {"server_rtt": 0.0, "capture": "s.pcap"}
        )  # fmt: skip

    def reset(
        self, number: int, seconds: float, *, point: str, from_client: bool, seq: int, frame: int, judged: bool = True
    ) -> None:
        c = next(c for c in self.connections if c["connection"] == 2 * number + (point == "server"))
        ends = [(c["client_ip"], c["client_port"]), (c["server_ip"], c["server_port"])]
        (src, sport), (dst, dport) = ends if from_client else ends[::-1]
        own, other = (c["client_isn"], c["server_isn"]) if from_client else (c["server_isn"], c["client_isn"])
        time = moment(seconds) if point == "client" else self.at_server(seconds)
        row = {
            "point": point, "capture": c["capture"], "frame": frame, "stream": number, "connection": c["connection"], "time": time, "src": src,
            "sport": sport, "dst": dst, "dport": dport, "flags": RST | ACK, "seq": own + seq, "ack": other + 50,
        }  # fmt: skip
        self.frames.append(row)
        if judged:
            self.endings.append(
                {
                    "ending": f"{point}/r{frame}", "kind": "reset", "point": point, "capture": c["capture"], "frame": frame, "stream": number,
                    "connection": c["connection"], "time": time, "apparent_sender": "client" if from_client else "server",
                }
            )  # fmt: skip

    def judged(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """(ENDINGS after merging, sightings, CLOCKS)"""
        connections = CONNECTIONS.conform(pd.DataFrame(self.connections))
        frames = RESET_FRAMES.conform(pd.DataFrame(self.frames))
        last = max(r["time"] for r in [*self.frames, *({"time": c["first"]} for c in self.connections)])
        coverage = COVERAGE.conform(
            pd.DataFrame(
                {"point": ["client", "server"], "where": ["client", "server"], "only_resets": False,
                 "first": [moment(0), self.at_server(0)], "last": [last + pd.Timedelta(hours=1)] * 2}
            )
        )  # fmt: skip
        clocks = vantage.clocks(connections, ["client", "server"])
        endings = ENDINGS.conform(pd.DataFrame(self.endings))
        tables = [vantage.align(t, clocks) for t in (endings, connections, frames, coverage)]
        seen = vantage.vantage(*tables)
        return vantage.apply(tables[0], seen), seen.sightings, vantage.clock_rows(clocks)


WORLDS = {
    "plain": {},
    "40 s apart": {"skew": 40.0},
    "40 s apart and drifting": {"skew": -40.0, "drift": 50e-6},
    "through NAT": {"nat": "203.0.113.7"},
    "through NAT, 40 s apart and drifting": {"nat": "203.0.113.7", "skew": 40.0, "drift": 50e-6},
}


@pytest.fixture(params=WORLDS.values(), ids=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    w = World(**request.param)
    for number in range(1, 41):
        w.connect(number, 90.0 * number)
    return w


def test_a_reset_that_never_left_the_server_is_missing_there(world: World) -> None:
    world.reset(20, 3000.0, point="client", from_client=False, seq=500, frame=9)
    found, _, _ = world.judged()
    assert [(e.absent_at_sender, e.at_peer, e.at_sender) for e in schema.rows(found)] == [(True, True, None)]


def test_a_reset_that_left_the_server_is_one_item_with_two_sightings(world: World) -> None:
    world.reset(20, 3000.0, point="server", from_client=False, seq=500, frame=7)
    world.reset(20, 3000.01, point="client", from_client=False, seq=500, frame=9)
    found, sightings, _ = world.judged()
    assert [(e.point, e.at_sender, e.absent_at_sender, e.at_peer) for e in schema.rows(found)] == [
        ("server", True, False, True)
    ]
    own = sightings[sightings["ending"] == found["ending"].iloc[0]]
    assert sorted(own["frame"]) == [7, 9]


def test_the_earlier_reset_stands_and_the_later_one_is_its_consequence(world: World) -> None:
    world.reset(20, 3000.0, point="client", from_client=False, seq=500, frame=9)
    world.reset(20, 3004.0, point="server", from_client=True, seq=300, frame=30)
    found, _, _ = world.judged()
    assert list(found["frame"]) == [9]


def test_clocks_are_found(world: World) -> None:
    world.reset(20, 3000.0, point="client", from_client=False, seq=500, frame=9)
    _, _, clocks = world.judged()
    row = schema.rows(clocks)[0]
    middle = 90.0 * 21
    assert row.offset_seconds == pytest.approx(world.skew + world.drift * middle, abs=0.001)
    assert (row.support, row.spread_seconds) == (40, pytest.approx(0.01))


def test_a_firewall_that_rewrites_sequence_numbers_by_a_constant_hides_nothing() -> None:
    w = World(isn_shift=123_456)
    w.connect(1, 1.0)
    w.reset(1, 5.0, point="server", from_client=False, seq=500, frame=7)
    w.reset(1, 5.01, point="client", from_client=False, seq=500, frame=9)
    found, _, _ = w.judged()
    assert [(e.point, e.at_sender) for e in schema.rows(found)] == [("server", True)]


def test_absence_counts_only_where_the_capture_holds_the_moment() -> None:
    w = World()
    w.connect(1, 1.0)
    w.reset(1, 90_000.0, point="client", from_client=False, seq=500, frame=9)
    connections, frames = CONNECTIONS.conform(pd.DataFrame(w.connections)), RESET_FRAMES.conform(pd.DataFrame(w.frames))
    coverage = COVERAGE.conform(
        pd.DataFrame(
            {"point": ["client", "server"], "where": ["client", "server"], "only_resets": False, "first": moment(0),
             "last": [moment(99_999), moment(60)]}
        )
    )  # fmt: skip
    seen = vantage.vantage(ENDINGS.conform(pd.DataFrame(w.endings)), connections, frames, coverage)
    assert seen.facts["absent_at_sender"].isna().all()


def test_another_connection_of_the_same_addresses_is_not_the_same_connection() -> None:
    w = World()
    w.connect(1, 1.0)
    w.connections[1]["client_isn"] = 999
    w.reset(1, 5.0, point="client", from_client=False, seq=500, frame=9)
    found, _, _ = w.judged()
    assert found["absent_at_sender"].isna().all()


def test_what_the_clients_host_shows_and_the_server_had_not_seen() -> None:
    """A query that a device swallowed: the server's capture alone would call the reset that it received harmless."""
    w = World()
    w.connect(1, 90.0)
    w.reset(1, 100.0, point="server", from_client=True, seq=500, frame=7)
    w.endings[0]["client_bytes"] = 100
    w.connections[0]["client_bytes"], w.connections[1]["client_bytes"] = 136, 100
    assert list(w.judged()[0]["client_unseen"]) == [36]
    w.connections[0]["client_bytes"] = 100
    assert list(w.judged()[0]["client_unseen"]) == [0]
