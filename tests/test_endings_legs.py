"""The two connections of a proxy: which end follows from which, and what must not be taken for a proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analyzer import schema
from analyzer.endings import legs
from captures.lab import judging
from captures.lab.case_file import load

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
START = pd.Timestamp("2026-11-20T09:00:00Z")
FRONT, BACK = "192.0.2.9", "198.51.100.9"  # the proxy's addresses, to its clients and to its servers
SERVER, CLIENT = ("198.51.100.5", 5432), ("192.0.2.1", 40000)
# The server resets the proxy's connection to it; the proxy resets its client's.
BROKEN = {"at": 5.0, "client": (BACK, 50000), "server": SERVER, "connection": 1}
PASSED = {"at": 5.01, "client": CLIENT, "server": (FRONT, 6432), "connection": 2}


def paired(
    *rows: dict[str, Any], local: str | None = f"{FRONT}, {BACK}", isn: dict[int, int] | None = None
) -> list[Any]:
    """ENDINGS of resets at these seconds with the legs found; `isn`: connection -> its client's initial number."""
    endings, connections, packets = [], [], []
    for n, row in enumerate(rows, start=1):
        (client_ip, client_port), (server_ip, server_port) = row["client"], row["server"]
        time = START + pd.Timedelta(seconds=row["at"])
        ends = {
            "point": "p",
            "client_ip": client_ip,
            "client_port": client_port,
            "server_ip": server_ip,
            "server_port": server_port,
        }
        sender = row.get("sender", "server")
        facts = {
            k: v for k, v in row.items() if k in schema.ENDINGS.columns and k not in ("client", "server", "sender")
        }
        endings.append(
            {"ending": f"p/r{n}", "kind": "reset", "time": time, "apparent_sender": sender, "client_bytes": 100, **ends, **facts,
             "sender": "{}:{}".format(*row[sender])}
        )  # fmt: skip
        numbers = {"client_isn": (isn or {}).get(row["connection"], row["connection"]), "server_isn": 7}
        connections.append(
            {
                "connection": row["connection"],
                "first": START + pd.Timedelta(seconds=row.get("first", 0)),
                **ends,
                **numbers,
            }
        )
        packets.append(
            {"connection": row["connection"], "point": "p", "flags": schema.RST, "seq": row.get("seq", n), "time": time}
        )
    ends_of = legs.add(
        schema.ENDINGS.of(endings), schema.PACKETS.of(packets), schema.CONNECTIONS.of(connections),
        schema.COVERAGE.of([{"point": "p", "local_hosts": local}]),
    )  # fmt: skip
    return schema.rows(ends_of)


def test_one_address_on_both_legs_needs_no_capture_on_the_proxy() -> None:
    first, second = paired({**BROKEN, "client": (FRONT, 50000)}, PASSED, local=None)
    assert (first.other_leg, second.other_leg, second.other_leg_connection) == (None, "198.51.100.5:5432", 1)
    assert second.other_leg_delay == pytest.approx(0.01)


def test_two_addresses_are_one_host_where_the_capture_was_taken_on_it() -> None:
    assert [e.other_leg for e in paired(BROKEN, PASSED)] == [None, "198.51.100.5:5432"]
    assert [e.other_leg for e in paired(BROKEN, PASSED, local=None)] == [None, None], "nobody knows whose these are"
    assert [e.other_leg for e in paired(BROKEN, PASSED, local=FRONT)] == [None, None]


def test_a_clients_reset_is_passed_on_to_the_server() -> None:
    aborted = {**PASSED, "at": 5.0, "sender": "client"}
    assert [e.other_leg for e in paired(aborted, {**BROKEN, "at": 5.02, "sender": "client"})] == [None, "192.0.2.1:40000"]  # fmt: skip
    probe = {**aborted, "client_bytes": 0}
    assert paired(probe, {**BROKEN, "at": 5.02, "sender": "client"})[1].other_leg is None, "a probe ends no session"


def test_a_fin_is_what_the_proxy_did_and_its_later_answer_is_not() -> None:
    answered = {**PASSED, "at": 9.01, "sender_fin": True, "since_sender_fin": 4.0}
    assert paired(BROKEN, answered)[1].other_leg_delay == pytest.approx(0.01)
    assert paired(BROKEN, {**PASSED, "kind": "log_only", "sender_fin": True})[1].other_leg == "198.51.100.5:5432"


def test_each_reset_explains_one_end_and_the_nearest() -> None:
    more = [{**PASSED, "at": 5.0 + n / 100, "client": ("192.0.2.1", 40000 + n), "connection": n} for n in range(2, 5)]
    assert [e.other_leg_connection for e in paired(BROKEN, *more)] == [None, 1, None, None]
    again = {**BROKEN, "at": 5.002, "client": (BACK, 50001), "connection": 9}
    assert [e.other_leg_connection for e in paired(BROKEN, again, *more)] == [None, None, 9, 1, None]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (BROKEN, {**PASSED, "at": 9.0}),
        (BROKEN, {**PASSED, "at": 4.99}),
        (BROKEN, {**PASSED, "first": 5.005}),
        ({**BROKEN, "ineffective": True}, PASSED),
        ({**BROKEN, "both_fins_acked": True}, PASSED),
        # a service resets its clients, one of them on its own host
        ({**BROKEN, "server": (FRONT, 6432)}, PASSED),
        # the same packet before and after address translation
        ({**BROKEN, "seq": 77}, {**PASSED, "seq": 77}),
    ],
    ids=["much later", "before", "not yet open", "no effect", "after the end", "its own service", "translated"],
)
def test_what_is_no_proxy(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert {e.other_leg for e in paired(first, second)} == {None}


def test_one_connection_under_two_names_is_no_proxy() -> None:
    assert {e.other_leg for e in paired(BROKEN, PASSED, isn={1: 5, 2: 5})} == {None}


def across(
    delay: float, low: float, high: float, *, sender: str = "server", drift: float = 0.0, **passed: Any
) -> tuple[Any, Any]:
    """The end that was passed on, and the notices: of two points, the second's clock ahead by `low` to `high` seconds."""
    met = {"ending": "back/r1", "connection": 1, "sender": "198.51.100.5:5432", "time": START}
    did = {
        "ending": "front/r1",
        "connection": 2,
        "sender": "192.0.2.9:6432",
        "time": START + pd.Timedelta(seconds=delay),
        **passed,
    }
    endings = schema.ENDINGS.of(
        [{"kind": "reset", "point": "p", "apparent_sender": sender} | row for row in (met, did)]
    )
    front, back = (2, 1) if sender == "server" else (1, 2)
    pair = {"front": front, "back": back, "messages": 9, "offset_low": low, "offset_high": high, "drift": drift}
    out, notices = legs.across(endings, schema.CARRIED.of([pair | {"at": START - pd.Timedelta(seconds=10)}]))
    assert out["other_leg"].isna()[0], "the first leg follows from nothing"
    return schema.rows(out)[1], [n.sentence for n in notices]


def test_the_first_leg_of_two_points_is_told_with_what_the_clocks_leave_open() -> None:
    second, notices = across(0.010, -0.002, 0.004)
    assert (second.other_leg, second.other_leg_connection, second.other_leg_messages) == ("198.51.100.5:5432", 1, 9)
    assert (second.other_leg_delay, second.other_leg_error) == (pytest.approx(0.011), pytest.approx(0.003))
    assert notices == []
    second, _ = across(0.010, -0.002, 0.004, sender="client")
    assert second.other_leg_delay == pytest.approx(0.009), (
        "there the clock in question is the one of the second leg's point"
    )
    second, _ = across(4.010, -0.002, 0.004, kind="log_only", sender_fin=True, since_sender_fin=4.0)
    assert second.other_leg_delay == pytest.approx(0.011), "its FIN is what the proxy did"


@pytest.mark.parametrize("more", [{}, {"drift": 1e-3}], ids=["clocks", "clocks that drifted since"])
def test_no_order_is_told_where_the_clocks_leave_it_open(more: dict[str, float]) -> None:
    second, notices = across(0.010, -0.012 if not more else 0.0, 0.004, **more)
    assert second.other_leg is None
    assert len(notices) == 1
    assert "Which of them ended first cannot be told" in notices[0]


@pytest.mark.parametrize("delay", [-0.020, 0.300], ids=["before", "much later"])
def test_what_does_not_follow_is_not_told_at_all(delay: float) -> None:
    second, notices = across(delay, -0.002, 0.004)
    assert (second.other_leg, notices) == (None, [])


# Case -> the server or client whose reset broke the first leg, and what the proxy did on its other side, at the proxy itself.
PROXIES = {
    "haproxy_relayed_reset": ("10.2.0.2:8080", ["relayed_reset"]),
    "haproxy_client_timeout": ("10.1.0.2:49202", ["relayed_reset"]),
    "nginx_client_abort": ("10.1.0.2:54136", ["data_after_close"]),
}


@pytest.mark.parametrize("name", PROXIES)
def test_at_a_proxy_with_two_addresses_the_incident_names_the_leg_that_broke_first(name: str) -> None:
    """Also with logs, whose lines speak of the other leg: what broke there is told first."""
    d = judging.diagnosis(load(CAPTURES / name), "router")
    broke, passed_on = PROXIES[name]
    judged = d.endings.merge(d.findings, on="ending")
    second = judged[judged["other_leg"].notna()]
    assert list(second["cause"]) == passed_on
    assert set(second["other_leg"]) == {broke}
    (incident,) = (i for i in schema.rows(d.incidents) if second["ending"].iloc[0] in i.endings)
    first = judged.set_index("ending").loc[incident.endings[0]]
    assert first["sender"] == broke
    assert incident.cause == first["cause"]
    assert incident.sentence.startswith(first["sentence"])
    assert "passed that on" in incident.sentence


def test_the_verdict_names_the_backend_and_not_the_proxy() -> None:
    d = judging.diagnosis(load(CAPTURES / "haproxy_relayed_reset"), "router")
    assert d.verdict["sentence"].startswith("The server 10.2.0.2:8080 reset the connection")
    said = d.findings.set_index("ending")["sentence"]
    assert said["r2"].endswith("The leg that broke first is the one with 10.2.0.2:8080.")
