"""The corpus: every case, at each capture point alone and at both ends together, against its label.

What a label says is in captures/lab/case_file.py. At the host that sent the reset, and at both ends, who and why must be right wherever the
label says that the packets decide it; elsewhere who is right or undetermined. captures/SCORE.md counts.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from captures.lab import judging
from captures.lab.case_file import Connection, View, load

CAPTURES = Path(__file__).parent.parent / "captures"
CASES = {folder.parent.name: load(folder.parent) for folder in sorted(CAPTURES.glob("*/case.toml"))}
HOME = {"client": "client", "server": "server", "middlebox": "router"}  # where each sender's own capture is


@cache
def judged(name: str, view: View) -> list[dict[str, Any]]:
    """The endings of a case at a view, findings and tied lines beside them."""
    return judging.judge(CASES[name], view).endings


def ending_of(connection: Connection, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The ending of a connection under any name that it has at a capture point: NAT gives it two."""
    return next((r for r in rows if any(connection.client in pair for pair in r["names"])), None)


def misses(name: str, view: View) -> list[str]:
    """What is said of this case at this view that its label forbids, a line each."""
    rows, out = judged(name, view), []
    for connection in CASES[name].connections:
        found = ending_of(connection, rows)
        # behind NAT one connection has two names and may have two labels: its first reset is right if it is one of them
        labels = [c for c in CASES[name].connections if found is not None and ending_of(c, [found])]
        if any(found and c.reset_by == found["reset_by"] and c is not connection for c in labels):
            continue
        truth = connection.at.get(view, connection)
        own_host = view == "both" or HOME.get(str(connection.reset_by)) == view
        home = own_host and view in connection.decidable_at and view not in connection.at
        if connection.ending != "reset":
            if found is not None and found["kind"] == "reset" and not found["harmless"]:
                out.append(f"{connection.client}: a reset is claimed where there is none: {found['sentence']}")
            continue
        if found is None:
            if home:
                out.append(f"{connection.client}: the reset passed here and was not found")
            continue
        answer = f"{found['reset_by']} {found['confidence']}, {found['cause']} {found['cause_confidence']}"
        said = f"{connection.client} ({truth.reset_by}, {truth.cause}): {answer}"
        if found["reset_by"] not in ((truth.reset_by,) if home else (truth.reset_by, "undetermined")):
            out.append(f"who: {said}")
        if home and found["cause"] not in (truth.cause, *truth.may_be):
            out.append(f"why: {said}")
        for claim in connection.must_not:
            if claim.at in (None, view) and claim.reset_by == found["reset_by"] and view not in connection.at:
                out.append(f"must not: {said}")
    return out


VIEWS = [(name, view) for name, case in CASES.items() for view in judging.views(case)]


@pytest.mark.parametrize(("name", "view"), VIEWS)
def test_who_and_why(name: str, view: View) -> None:
    assert not misses(name, view)


LOGGED = [
    (name, view)
    for name, case in CASES.items()
    for view in judging.views(case)
    if any(c.log_lines for c in case.connections)
]


@pytest.mark.parametrize(("name", "view"), LOGGED)
def test_log_lines_stand_beside_their_reset(name: str, view: View) -> None:
    """A labelled line is tied to its own connection wherever that connection's reset is in the capture; never to another one."""
    rows = judged(name, view)
    for connection in CASES[name].connections:
        found = ending_of(connection, rows)
        for line in connection.log_lines:
            if found is not None and view in ("both", "server") and (line.file.startswith("postgresql")):
                assert any(s == line.file and line.text in t for s, t in found["tied"]), (
                    f"{line} is not tied to {found['ending']}: {found['tied']}"
                )


def test_a_routers_reset_is_not_blamed_on_the_server() -> None:
    """The promise of the project, on the case that it was built for: seen from the client alone, and proved with both ends."""
    port = CASES["stale_pool"].connections[0].client
    alone = next(r for r in judged("stale_pool", "client") if r["client"] == port)
    both = next(r for r in judged("stale_pool", "both") if r["client"] == port)
    assert (alone["apparent_sender"], alone["reset_by"] == "server") == ("server", False)
    assert (both["reset_by"], both["proof"], both["cause"]) == ("middlebox", "captured at both ends", "idle_timeout")
