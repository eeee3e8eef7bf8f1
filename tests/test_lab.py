"""The lab, for real: cases are built with namespaces, servers and the kernel's trace, and leave nothing behind.

Needs root on Linux. What the finished cases must be like is tested in test_corpus_files.py.
"""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from conftest import missing

from captures.lab import build, case_file, network, witnesses
from captures.lab.cases import late_reset
from captures.lab.lab import Lab

pytestmark = pytest.mark.usefixtures("lab")


@pytest.fixture(autouse=True)
def complete() -> None:
    """The lab's own list of what it needs is longer than the fixture's."""
    if sentences := build.missing():
        missing(" ".join(sentences), "PCAPREPORT_REQUIRE_LAB")


def script(monkeypatch: pytest.MonkeyPatch, play: object) -> str:
    """A case that exists only in this test; its name."""
    module = ModuleType("captures.lab.cases.of_this_test", "A case of this test.")
    module.play = play  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return "of_this_test"


def left_behind() -> list[str]:
    namespaces = [path.name for path in network.NAMESPACES.glob(f"{network.PREFIX}*")]
    traces = [path.name for path in (witnesses.TRACEFS / "instances").glob("pcapreport-*")]
    return namespaces + traces


@pytest.mark.parametrize(
    ("name", "sender"), [("late_reset", "client"), ("forged_reset_same_ttl", "middlebox"), ("no_listener", "server")]
)
def test_a_case_is_built_and_its_witnesses_confirm_it(name: str, sender: str, tmp_path: Path) -> None:
    folder = build.build(name, tmp_path)
    case = case_file.load(folder)
    assert {connection.reset_by for connection in case.connections} == {sender}
    said = json.loads((folder / "witness.json").read_text())
    assert {reset["sent_by"] for reset in said["resets"]} == {sender}
    assert all(counters["received"] and not counters["dropped"] for counters in said["packets"].values())
    for capture in case.captures.values():
        assert (folder / capture).stat().st_size > 24  # more than a file header
    assert not left_behind()


def test_a_case_with_a_false_label_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def play(lab: Lab) -> None:
        late_reset.play(lab)
        label = lab.connections.pop()
        lab.expect((label.client, label.server), reset_by="server", cause="late_reset")

    with pytest.raises(witnesses.Contradiction, match="the label says server, the witnesses say client"):
        build.build(script(monkeypatch, play), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_case_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def play(lab: Lab) -> None:
        lab.postgres()
        lab.listen()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build.build(script(monkeypatch, play), tmp_path)
    assert not left_behind()
    assert not list(tmp_path.iterdir())
