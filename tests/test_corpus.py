"""The corpus: every case, at each capture point alone and at both ends together, against its label.

What a label says is in captures/lab/case_file.py. At the host that sent the reset, and at both ends, who and why must be right;
elsewhere they are right or undetermined; nowhere is a wrong answer given with confidence.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from captures.lab import judging
from captures.lab.case_file import Connection, View, load

CAPTURES = Path(__file__).parent.parent / "captures"
CASES = {folder.parent.name: load(folder.parent) for folder in sorted(CAPTURES.glob("*/case.toml"))}
CONFIDENT = 0.8
HOME = {"client": "client", "server": "server", "middlebox": "router"}  # where each sender's own capture is


@cache
def judged(name: str, view: str) -> list[dict[str, Any]]:
    """The endings of a case at a view, findings and tied lines beside them."""
    return judging.judge(CASES[name], cast(View, view)).endings


def ending_of(connection: Connection, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((r for r in rows if connection.client in (r["client"], r["server"])), None)


ALL = [(name, view, c.client) for name, case in CASES.items() for view in judging.views(case) for c in case.connections]


@pytest.mark.parametrize(("name", "view", "client"), ALL)
def test_who_and_why(name: str, view: str, client: str) -> None:
    connection = next(c for c in CASES[name].connections if c.client == client)
    found = ending_of(connection, judged(name, view))
    truth = connection.at.get(view, connection) if view != "both" else connection
    home = view == "both" or (
        view not in connection.at and HOME.get(str(connection.reset_by)) == view and view in connection.decidable_at
    )
    if connection.ending != "reset":
        assert found is None or found["kind"] != "reset" or found["harmless"], (
            f"a reset is claimed where there is none: {found}"
        )
        return
    if found is None:
        assert not home, "the reset passed here and was not found"
        return
    said = f"{found['reset_by']} ({found['confidence']}), {found['cause']} ({found['cause_confidence']}): {found['alternatives']}"
    if home:
        assert found["reset_by"] == truth.reset_by, said
        assert found["cause"] in (truth.cause, *truth.may_be), said
    else:
        assert found["reset_by"] in (truth.reset_by, "undetermined") or found["confidence"] < CONFIDENT, said
    for claim in connection.must_not:
        if claim.at in (None, view) and claim.reset_by is not None and view not in connection.at:
            assert found["reset_by"] != claim.reset_by or found["confidence"] < CONFIDENT, said


LOGGED = [
    (name, view)
    for name, case in CASES.items()
    for view in judging.views(case)
    if any(c.log_lines for c in case.connections)
]


@pytest.mark.parametrize(("name", "view"), LOGGED)
def test_log_lines_stand_beside_their_reset(name: str, view: str) -> None:
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
    assert (both["reset_by"], both["proof"], both["cause"]) == ("middlebox", "both ends", "idle_timeout")
