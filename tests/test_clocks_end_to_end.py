"""A log's clock is found without being told: another zone and a skew change the reported offset, and nothing else.

Every log of the corpus's PostgreSQL cases is rewritten, its captures are not. Which line belongs to which reset is tested elsewhere.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

import analyzer
from captures.lab import case_file

CORPUS = Path(__file__).resolve().parents[1] / "captures"
STAMP = re.compile(r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?)(?P<zone> [A-Z]{3,4}\b)?")
SKEW = 2.7  # seconds
HOUR = 3600.0  # seconds
RESOLUTION = 0.001  # seconds, of %m


class Log(NamedTuple):
    case: str
    file: str
    offset: float  # of its zone, seconds

    @property
    def text(self) -> str:
        return (CORPUS / self.case / self.file).read_text(encoding="utf-8")


class Variant(NamedTuple):
    """How a log is rewritten: its times moved, another zone printed, and by how much that changes the offset."""

    seconds: float
    zone: Callable[[str], str]
    change: Callable[[float], float]  # from the offset of the log's own zone


VARIANTS = {
    "shifted": Variant(9 * HOUR + SKEW, lambda zone: zone, lambda own: 9 * HOUR + SKEW),
    "another zone": Variant(SKEW, lambda zone: " EST", lambda own: own + 5 * HOUR + SKEW),
    "no zone": Variant(SKEW, lambda zone: "", lambda own: own + SKEW),
}


def postgresql_logs() -> list[Log]:
    found = []
    for path in sorted([*CORPUS.glob("postgres_*/case.toml"), *CORPUS.glob("stale_pool*/case.toml")]):
        for log in case_file.load(path.parent).logs:
            if log.format == "postgresql":
                offset = ZoneInfo(log.zone).utcoffset(datetime(2026, 11, 20))
                assert offset is not None
                found.append(Log(path.parent.name, log.file, offset.total_seconds()))
    return found


LOGS = postgresql_logs()
# At the client one variant is enough. PostgreSQL prints a zone in every csvlog and jsonlog.
CHANGES = [
    pytest.param(log, point, variant, id=f"{log.case}-{point}-{variant}")
    for log in LOGS
    for point, variant in [*(("server", variant) for variant in VARIANTS), ("client", "shifted")]
    if variant != "no zone" or log.file.endswith(".log")
]


def rewritten(text: str, variant: Variant) -> str:
    """The log with every printed time moved, and the zone behind it printed otherwise."""

    def move(match: re.Match[str]) -> str:
        moved = datetime.fromisoformat(match["time"]) + timedelta(seconds=variant.seconds)
        digits = "milliseconds" if "." in match["time"] else "seconds"
        return moved.isoformat(" ", digits) + (variant.zone(match["zone"]) if match["zone"] else "")

    return STAMP.sub(move, text)


Analyse = Callable[[Log, str, str], tuple[dict[str, Any], set[tuple[str, int, str]]]]


@pytest.fixture(scope="module")
def analyse(tmp_path_factory: pytest.TempPathFactory) -> Analyse:
    """Analyse a capture point with such a text as its log: the clock, and (client's end, line, tie) of each match."""
    known: dict[tuple[Log, str, str], Any] = {}

    def run(log: Log, point: str, text: str) -> Any:
        if (log, point, text) not in known:
            path = tmp_path_factory.mktemp("log") / log.file
            path.write_text(text, encoding="utf-8")
            capture = CORPUS / log.case / case_file.load(CORPUS / log.case).captures[point]
            d = analyzer.analyze(capture, [path], dissect=False)
            (clock,) = d.clocks.to_dict("records")
            client = d.endings.set_index("ending")["client"]
            ties = {(client[m.ending], m.line, m.tie) for m in d.matches.itertuples()}
            assert len(ties) == len(d.matches)
            known[log, point, text] = clock, ties
        return known[log, point, text]

    return run


@pytest.mark.parametrize(("log", "point", "variant"), CHANGES)
def test_another_clock(analyse: Analyse, log: Log, point: str, variant: str) -> None:
    before, ties = analyse(log, point, log.text)
    after, again = analyse(log, point, rewritten(log.text, VARIANTS[variant]))
    if before["basis"] == "assumed" or before["support"] < 2:
        # so few lines put no printed zone right, and guess no clock; one that names its connection may still show the zone
        assert again <= ties
        assert after["basis"] in ("assumed", "none") or (after["basis"] == before["basis"] and again == ties)
        return
    assert again == ties
    assert (after["basis"], after["support"]) == (before["basis"], before["support"])
    if before["basis"] == "none":
        assert not ties
    else:
        expected = before["offset_seconds"] + VARIANTS[variant].change(log.offset)
        # Without lines that name a connection the offset is no measurement: it states how far it may be wrong.
        unsure = before["spread_seconds"] + after["spread_seconds"] if after["basis"] == "pattern" else 0.0
        assert after["offset_seconds"] == pytest.approx(expected, abs=RESOLUTION + unsure)


def test_the_clocks_of_the_corpus_are_found(analyse: Analyse) -> None:
    """Client, server and log share one clock in the lab; most logs name connections that the capture holds."""
    clocks = [analyse(log, "server", log.text)[0] for log in LOGS]
    found = [clock for clock in clocks if clock["basis"] == "identity"]
    assert len(found) >= 0.8 * len(LOGS)
    assert sum(abs(clock["offset_seconds"]) < 0.05 for clock in found) >= 0.9 * len(found)
