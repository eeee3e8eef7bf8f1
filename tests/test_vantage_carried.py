"""A proxy's two connections at two capture points: told by what went over both, and by clocks that may stand anyhow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import analyzer
from analyzer import capture, schema, vantage
from analyzer.pipeline.asked import points_of
from analyzer.pipeline.headers import read_headers
from analyzer.pipeline.survey import closer_look, surveyed
from captures.lab import case_file, editing

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
START = pd.Timestamp("2026-11-20T09:00:00Z")


def two_points(folder: Path, case: str, offset: float, drift: float, **more: str) -> analyzer.Diagnosis:
    """The client's capture of a case with HAProxy in between and the server's, the latter by another clock."""
    lab = case_file.load(CAPTURES / case)
    server = folder / "server.pcap"
    server.write_bytes(editing.shift_clock(offset, drift)((lab.folder / lab.captures["server"]).read_bytes()))
    at = {"client": lab.folder / lab.captures["client"], "server": server}
    return analyzer.analyze(at=at | {p: lab.folder / lab.captures[p] for p in more}, dissect=False)


def of_leg(d: analyzer.Diagnosis) -> Any:
    """The one ending that was found to follow from another leg's."""
    (row,) = (e for e in schema.rows(d.endings.merge(d.findings, on="ending")) if e.other_leg is not None)
    return row


@pytest.mark.parametrize(("offset", "drift"), [(0.0, 0.0), (40.0, 50.0), (-40.0, -50.0)], ids=["one clock", "ahead", "behind"])  # fmt: skip
def test_the_first_leg_is_named_whatever_the_clocks(offset: float, drift: float, tmp_path: Path) -> None:
    """The client resets, HAProxy then resets its connection to the server; no handshake is seen at both points."""
    d = two_points(tmp_path, "haproxy_client_timeout", offset, drift)
    second = of_leg(d)
    assert (second.point, second.cause, second.other_leg, second.other_leg_messages) == (
        "server", "relayed_reset", "10.1.0.2:49202", 6,
    )  # fmt: skip
    assert second.other_leg_delay - second.other_leg_error > 0, "the order is beyond the clocks' doubt"
    assert second.other_leg_delay < 0.001
    assert d.verdict["sentence"].startswith("The client 10.1.0.2:49202 reset the connection to 10.1.0.1:5432")
    assert "10.2.0.1 passed that on" in d.verdict["sentence"]
    (clock,) = schema.rows(d.clocks)
    assert (clock.basis, clock.support) == ("carried", 2)
    assert clock.offset_seconds == pytest.approx(offset, abs=clock.spread_seconds + 0.001)
    said = d.evidence.loc[d.evidence["ending"] == second.ending, "sentence"]
    assert any(
        "the last 6 messages of this connection on another one; 10.1.0.2:49202 had reset that one" in s for s in said
    )


def test_one_pair_is_believed_where_the_clocks_agree_as_printed_and_not_where_they_must_be_moved(
    tmp_path: Path,
) -> None:
    """What a program says by rote fits another one's connection at some offset: the lab's other cases say the same."""
    second = of_leg(two_points(tmp_path, "haproxy_relayed_reset", 0.0, 0.0))
    assert (second.point, second.other_leg) == ("client", "10.2.0.2:8080")
    alone = two_points(tmp_path, "haproxy_relayed_reset", 40.0, 0.0)
    assert alone.endings["other_leg"].isna().all()
    assert list(alone.clocks["basis"]) == ["none"]


def test_the_proxys_own_capture_is_the_bridge(tmp_path: Path) -> None:
    """Client and server share no handshake, each shares some with the router: so are the clocks compared, and the router shows both legs."""
    d = two_points(tmp_path, "haproxy_relayed_reset", 40.0, 0.0, router="")
    second = of_leg(d)
    assert (second.other_leg, second.other_leg_messages, second.other_leg_error) == ("10.2.0.2:8080", None, None)
    clocks = {c.source: c for c in schema.rows(d.clocks)}
    assert clocks["server"].offset_seconds == pytest.approx(40.0, abs=0.002)
    assert "handshake seen at server and router" in clocks["server"].sentence
    assert d.verdict["sentence"].startswith("The server 10.2.0.2:8080 reset the connection")


def test_no_two_cases_of_the_corpus_are_taken_for_one_proxy() -> None:
    """Clients of the lab say the same at the same pace in many of these: as many captures of as many hosts, and nothing is paired."""
    alike = [f for name in ("forged_*", "nat_*", "postgres_*", "probe_noise") for f in sorted(CAPTURES.glob(name))]
    cases = [case_file.load(f) for f in alike]
    points, _ = points_of((), {c.folder.name: c.folder / c.captures["client"] for c in cases if "client" in c.captures})
    headers = read_headers(points)
    survey = closer_look(*surveyed(headers), headers, set())
    assert len(points) > 30

    def clips(name: str, spans: Any) -> Any:
        return capture.payloads(survey.files[name], spans)

    clocks = vantage.clocks(survey.connections, list(points))
    assert vantage.carried(survey.packets, survey.connections, clocks, clips) == []


QUERIES = (
    b"select * from orders where id = 17",
    b"update orders set paid = true where id = 17",
    b"select count(*) from parcels",
)
FRONT, BACK = (
    0.0,
    0.001,
)  # when (s) a message passes each point on its way to the server; an answer passes them the other way round


class World:
    """Connections at two points as vantage sees them, each with its exchanges of (what, the client's second)."""

    def __init__(self) -> None:
        self.packets: list[dict[str, Any]] = []
        self.connections: list[dict[str, Any]] = []
        self.bytes: dict[tuple[str, int], bytes] = {}

    def connection(self, number: int, point: str, said: list[tuple[bytes, float]], **more: Any) -> None:
        here = more.pop("here", BACK if point == "server" else FRONT)
        row = {
            "client_ip": f"10.0.{number}.1",
            "client_port": 40000 + number,
            "server_ip": f"10.0.{number}.2",
            "server_port": 5432,
        }
        times = [self._spoken(number, point, n, what, at, here, more) for n, (what, at) in enumerate(said)]
        self.connections.append(
            {"connection": number, "point": point, "first": START, "last": max(times), "handshake": True} | row
        )

    def _spoken(
        self, number: int, point: str, n: int, what: bytes, at: float, here: float, more: dict[str, Any]
    ) -> Any:
        for side, moment, text in ((True, at + here, what), (False, at + 0.02 - here, b"answer to " + what)):
            time = START + pd.Timedelta(seconds=moment)
            place = len(self.bytes) * 1000 + 1
            self.bytes[point, place] = text
            relative = 1 + 100 * n + more.get("before", 0)
            self.packets.append(
                {
                    "connection": number, "point": point, "capture": point, "frame": place, "time": time, "from_client": side, "flags": 0x18,
                    "seq": relative + more.get("isn", 1000 * number), "relative_seq": relative, "length": len(text), "captured": len(text),
                    "offset": place, "tsval": more.get("tsval", 7000 * number) + n, "retransmission": False, "keepalive": False,
                }
            )  # fmt: skip
        return time

    def pairs(self) -> list[tuple[int, int]]:
        connections = schema.CONNECTIONS.conform(pd.DataFrame(self.connections))
        clocks = vantage.clocks(connections, ["client", "server"])
        found = vantage.carried(
            schema.PACKETS.conform(pd.DataFrame(self.packets)), connections, clocks,
            lambda name, spans: [self.bytes[name, offset][:length] for offset, length in spans],
        )  # fmt: skip
        return [(pair.front, pair.back) for pair in found]


SAID = [(query, 1.0 + n) for n, query in enumerate(QUERIES)]


def test_a_pools_connection_is_paired_by_what_its_last_client_said() -> None:
    """Another client's queries went over the connection to the server before."""
    world = World()
    world.connection(1, "client", SAID)
    world.connection(2, "server", [(b"select of another client", 0.5), *SAID], before=500)
    assert world.pairs() == [(1, 2)]


def test_the_times_tell_which_connection_is_the_one_to_the_proxy() -> None:
    """Not the points' names."""
    world = World()
    world.connection(1, "client", SAID, here=BACK)
    world.connection(2, "server", SAID, here=FRONT)
    assert world.pairs() == [(2, 1)]


@pytest.mark.parametrize(
    "back",
    [
        {"tsval": 7000},  # a NAT that rewrites sequence numbers passes the timestamps on
        {"isn": 1000},
        {"said": [(query, 1.0 + n**2) for n, query in enumerate(QUERIES)]},
        {"here": 0.15},
        {"said": [(query, at + 3) for query, at in SAID]},
    ],
    ids=[
        "one stack's timestamps",
        "the same numbers",
        "another pace",
        "half a second under way",
        "three seconds later",
    ],
)
def test_what_is_not_a_proxys_pair(back: dict[str, Any]) -> None:
    world = World()
    world.connection(1, "client", SAID)
    world.connection(2, "server", **({"said": SAID} | back))
    assert world.pairs() == []


def test_of_two_that_said_the_same_none_is_taken() -> None:
    world = World()
    world.connection(1, "client", SAID)
    world.connection(2, "server", SAID)
    world.connection(3, "server", SAID)
    assert world.pairs() == []


def test_too_little_is_nobodys() -> None:
    world = World()
    world.connection(1, "client", SAID[:1])
    world.connection(2, "server", SAID[:1])
    assert world.pairs() == []
