"""The lab's logs, which real programs wrote: each is read by its own program's format, with the events that its lines tell."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from analyzer.logs import open_logs, read_logs

CAPTURES = Path(__file__).parents[1] / "captures"
LOGS = {
    f"{path.parent.name}/{log['file']}": log["format"]
    for path in sorted(CAPTURES.glob("*/case.toml"))
    for log in tomllib.loads(path.read_text()).get("logs", [])
}
# The program's name in a case -> formats that may read its log. A Python program's log holds the words of the libraries it uses.
FORMATS = {
    "haproxy": {"haproxy"},
    "mariadb": {"mysql"},
    "nginx": {"nginx_error", "nginx_access"},
    "pgbouncer": {"pgbouncer"},
    "postgresql": {"postgresql"},
    "python": {"python", "libpq", "openssl", "postgresql", "general"},
    "redis": {"redis"},
    "stunnel": {"stunnel"},
}
# (message, writer) -> how often, in each log of a program that is no database's own and no client's. A line of HAProxy that speaks of
# both its connections is there twice.
TOLD = {
    "haproxy_client_timeout/haproxy.log": {("CD_client", "server"): 1, ("cD_client", "server"): 1},
    "haproxy_relayed_reset/haproxy.log": {("SD_client", "server"): 1, ("SD_server", "client"): 1},
    "haproxy_server_gone/haproxy.log": {
        ("normal", "server"): 1,
        ("SD_client", "server"): 1,
        ("SD_server", "client"): 1,
        ("SC_client", "server"): 2,
        ("SC_server", "client"): 2,
    },
    "mariadb_wait_timeout/mariadb.log": {
        ("read_reset", "server"): 1,
        ("aborted_write", "server"): 1,
        ("read_timeout", "server"): 1,
        ("timeout_read", "server"): 1,
    },
    "nginx_client_abort/nginx_error.log": {("client_gone_by_error", "server"): 1, ("upstream_dropped", "client"): 1},
    "nginx_client_abort/nginx_access.log": {("client_gone", "server"): 1},
    "nginx_unread_body/nginx_error.log": {("too_large", "server"): 1},
    "nginx_upstream_reset/nginx_error.log": {("upstream_read", "client"): 1},
    "nginx_upstream_reset/nginx_access.log": {("gateway_error", "server"): 1},
    "pgbouncer_client_idle_timeout/pgbouncer.log": {
        ("started", "unknown"): 1,
        ("client_login", "server"): 2,
        ("server_connected", "client"): 1,
        ("client_idle", "server"): 1,
        ("told_client", "server"): 1,
        ("client_left", "server"): 1,
    },
    "pgbouncer_server_idle_timeout/pgbouncer.log": {
        ("started", "unknown"): 1,
        ("client_login", "server"): 1,
        ("server_connected", "client"): 2,
        ("server_idle", "client"): 2,
        ("client_left", "server"): 1,
    },
    "pgbouncer_server_lost/pgbouncer.log": {
        ("started", "unknown"): 1,
        ("client_login", "server"): 1,
        ("server_connected", "client"): 1,
        ("server_lost", "client"): 1,
        ("dropped_for_server", "server"): 1,
        ("told_client", "server"): 1,
    },
    "protocol_mismatch/haproxy.log": {("LR_client", "server"): 2, ("PR_bad_request", "server"): 1},
    "protocol_mismatch/stunnel.log": {
        ("accepted", "server"): 3,
        ("connected", "client"): 1,
        ("ended", "server"): 1,
        ("tls_failed", "server"): 2,
        ("ended_badly", "server"): 2,
    },
    "redis_client_kill/redis.log": {
        ("started", "server"): 1,
        ("accepted", "server"): 2,
        ("client_closed", "server"): 1,
    },
    "server_overload/nginx_error.log": {("limited", "server"): 70},
    "server_overload/nginx_access.log": {("closed_unanswered", "server"): 70},
    "tls_unknown_ca/haproxy.log": {("tls_failure", "server"): 3, ("LR_client", "server"): 1},
}


def read(name: str) -> pd.DataFrame:
    return read_logs(open_logs([CAPTURES / name]), year=2026)[0]


@pytest.mark.parametrize("program", sorted(set(LOGS.values())))
def test_a_log_is_read_by_the_format_of_its_program(program: str) -> None:
    wrong = {}
    for name in [name for name, writer in LOGS.items() if writer == program]:
        found = set(read(name)["format"])
        if not found <= FORMATS[program] or (not found and program != "python"):
            wrong[name] = found
    assert not wrong


@pytest.mark.parametrize("name", TOLD)
def test_the_events_of_a_log(name: str) -> None:
    found = read(name)
    assert dict(Counter(zip(found["message"], found["writer"], strict=True))) == TOLD[name]


def test_a_session_of_a_proxy_names_both_its_connections() -> None:
    found = read("pgbouncer_server_lost/pgbouncer.log")
    lost, dropped = (found[found["message"] == message].iloc[0] for message in ("server_lost", "dropped_for_server"))
    # PgBouncer told its own port towards the server when it connected, and the lines of that socket have it since
    assert (lost.client_ip, lost.client_port, lost.server_ip, lost.server_port) == ("10.1.0.1", 39710, "10.2.0.2", 5432)
    assert lost.address_basis == "process"
    assert (dropped.client_ip, dropped.client_port) == ("10.1.0.2", 35240)


def test_a_session_names_its_host_without_a_port() -> None:
    found = read("mariadb_wait_timeout/mariadb.log").set_index("message")
    assert found.loc["read_reset", ["client_ip", "address_basis"]].tolist() == ["10.1.0.2", "process"]
    assert found["client_port"].isna().all()
