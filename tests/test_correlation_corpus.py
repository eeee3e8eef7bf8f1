"""The corpus's logs against its captures: nearly every tie is right, with and without the lines that name connections; a log that was
shuffled in time, or is another case's, is not tied at all.

Whose line it is, the labels say (captures/lab/case_file.py), and the process that wrote it where log_connections was on. Each case is judged
once, at the host of its first log; the logs are changed in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analyzer.correlation import Correlation, correlate
from analyzer.correlation.rules import SPEAKING
from analyzer.correlation.scoring import DOUBTFUL
from analyzer.logs import LogSource, read_logs
from captures.lab import case_file, judging
from captures.lab.case_file import Case

CASES = [case for case in case_file.cases(Path(__file__).parents[1] / "captures") if case.logs]
NAMING = ("opened", "authenticated", "closed")  # what log_connections and log_disconnections add


def end(ip: Any, port: Any) -> str:
    return f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}"


def read(case: Case, without: set[tuple[str, int]] = frozenset()) -> pd.DataFrame:  # type: ignore[assignment]
    """LOG_LINES of a case, lines of `without` (file, number) blanked."""
    sources = []
    for log in case.logs:
        rows = (case.folder / log.file).read_bytes().split(b"\n")
        kept = [b"" if (log.file, n) in without else row for n, row in enumerate(rows, 1)]
        sources.append(LogSource(log.file, b"\n".join(kept)))
    return read_logs(sources, year=2026)[0]


def truth(case: Case, lines: pd.DataFrame) -> dict[tuple[str, int], set[str]]:
    """Line -> the clients whose connection it speaks of: that which the line or its process names, else those that the label gives it to."""
    alike: dict[str, set[str]] = {}  # behind NAT one connection has two names, and the label one line for both
    for a in case.connections:
        alike[a.client] = {
            b.client for b in case.connections if a.server == b.server and set(a.log_lines) & set(b.log_lines)
        }
    texts = {log.file: (case.folder / log.file).read_text("utf-8", "replace").split("\n") for log in case.logs}
    out: dict[tuple[str, int], set[str]] = {}
    for line in lines.itertuples():
        place = (str(line.source), int(line.line))
        if pd.notna(line.client_ip) and pd.notna(line.client_port):
            own = end(line.client_ip, line.client_port)
            out[place] = out.get(place, set()) | (
                {own} | alike.get(own, set()) if "snat" in case.folder.name else {own}
            )
        else:
            entry = "\n".join(texts[place[0]][place[1] - 1 : place[1] + 60])
            said = [c.client for c in case.connections for t in c.log_lines if t.file == place[0] and t.text in entry]
            out[place] = out.get(place, set()) | set(said)
    return out


def names(d: Any) -> dict[str, set[str]]:
    """Ending -> its ends at every point."""
    ends = {
        c.connection: {end(c.client_ip, c.client_port), end(c.server_ip, c.server_port)}
        for c in d.connections.itertuples()
    }
    out = {e.ending: {e.client, e.server} for e in d.endings.itertuples()}
    for leg in d.legs.itertuples():
        out[leg.ending] |= ends[leg.connection]
    return out


def tied(d: Any, lines: pd.DataFrame) -> Correlation:
    return correlate(
        d.endings,
        d.connections,
        d.reset_frames,
        lines,
        d.coverage,
        sightings=d.sightings,
        reference_point=str(d.coverage["point"].iloc[0]),
    )


def judged(case: Case, known: Any, matches: pd.DataFrame, who: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    for m in matches.itertuples():
        want = known.get((m.source, int(m.line)), set())
        verdict = "unknown" if not want else "right" if want & who[m.ending] else "wrong"
        yield verdict, f"{case.folder.name} {m.source}:{m.line} {m.event} {m.tie} -> {sorted(who[m.ending])}"


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Counts of right and wrong ties, and the ties of foreign logs."""
    random = np.random.default_rng(20261120)
    counts: dict[str, Counter[str]] = {"as written": Counter(), "without names": Counter()}
    wrong: list[str] = []
    foreign: dict[str, list[float]] = {"shuffled": [], "another case's": []}
    spoken = 0
    logs = {case.folder.name: read(case) for case in CASES}
    for number, case in enumerate(CASES):
        d = judging.diagnosis(case, case.logs[0].machine)
        lines, who = logs[case.folder.name], names(d)
        known = truth(case, lines)
        naming = lines[lines["event"].isin(NAMING)]
        bare = read(case, set(zip(naming["source"], naming["line"].astype(int), strict=True)))
        for name, some in (("as written", lines), ("without names", bare)):
            for verdict, what in judged(case, known, tied(d, some).matches, who):
                counts[name][verdict] += 1
                wrong += [f"{name}: {what}"] if verdict == "wrong" else []
        moved = pd.to_timedelta(random.uniform(-43_200, 43_200, len(lines)), unit="s")
        shuffled = lines.assign(written=(lines["written"] + moved).astype(lines["written"].dtype))
        other = logs[CASES[(number + 7) % len(CASES)].folder.name]
        for name, some in (("shuffled", shuffled), ("another case's", other)):
            matches = tied(d, some).matches
            foreign[name] += list(matches.loc[matches["event"].isin(SPEAKING), "coincidence"])
        spoken += int(lines["event"].isin(SPEAKING).sum())
    return {"counts": counts, "wrong": wrong, "foreign": foreign, "spoken": spoken}


@pytest.mark.parametrize(("name", "least"), [("as written", 250), ("without names", 100)])
def test_nearly_every_tie_is_right(found: dict[str, Any], name: str, least: int) -> None:
    count = found["counts"][name]
    assert count["right"] >= least
    assert count["right"] >= 0.99 * (count["right"] + count["wrong"]), found["wrong"]


@pytest.mark.parametrize("name", ["shuffled", "another case's"])
def test_a_log_that_does_not_belong_is_not_tied(found: dict[str, Any], name: str) -> None:
    chances = found["foreign"][name]
    assert len(chances) <= 0.01 * found["spoken"]
    assert all(chance >= DOUBTFUL for chance in chances)
