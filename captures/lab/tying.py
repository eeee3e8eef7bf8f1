"""The corpus's logs against its captures: how many lines are tied, and to the right connection.

Whose line it is, the labels say (case_file.py), and the process that wrote it where log_connections was on. Each case is judged once, at the
host of its first log; the logs are changed in memory: without the lines that name connections, shuffled in time, exchanged for another case's.
Nothing here ties anything; analyzer/correlation does.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analyzer.correlation import correlate
from analyzer.correlation.rules import SPEAKING
from analyzer.correlation.scoring import DOUBTFUL
from analyzer.logs import LogSource, read_logs
from captures.lab import judging
from captures.lab.case_file import Case

NAMING = ("opened", "authenticated", "closed")  # what log_connections and log_disconnections add
SHUFFLED = 43_200  # s; how far each line is moved at most
NEXT = 7  # places on in the list of cases: whose log is exchanged for this one's
SEED = 20261120  # and the case's name, so that one case's shuffle does not depend on the others
NAMED = ("connection", "process")  # ties that a line's own names make
OWN, FOREIGN = ("as written", "without names"), ("shuffled in time", "another case's")


@dataclass(frozen=True)
class Tied:
    """The ties of one case's logs, changed in one way.

    lines     that speak of a broken connection
    right, wrong, unlabelled  ties of any line, by what the labels say; unlabelled: they do not say whose it is
    untied    lines that speak of a broken connection which has an ending here, and have no tie
    foreign   ties of lines that speak of a broken connection, where all of them are wrong: of a shuffled log, those that the line's own
              names do not make, for a moved line that names its connection looks like one of a clock that is as much off
    doubtful  of these, called a possible coincidence
    """

    case: str
    way: str
    lines: int
    right: int = 0
    wrong: int = 0
    unlabelled: int = 0
    untied: int = 0
    foreign: int = 0
    doubtful: int = 0
    wrongly: tuple[str, ...] = ()


def tied(cases: Sequence[Case]) -> list[Tied]:
    """All ways of all cases that have logs."""
    some = [case for case in cases if case.logs]
    logs = {case.folder.name: read(case) for case in some}
    out = []
    for number, case in enumerate(some):
        d = judging.diagnosis(case, case.logs[0].machine)
        lines, who = logs[case.folder.name], names(d)
        known = truth(case, lines)
        naming = lines[lines["event"].isin(NAMING)]
        bare = read(case, frozenset(zip(naming["source"], naming["line"].astype(int), strict=True)))
        for way, own in zip(OWN, (lines, bare), strict=True):
            out.append(_own(case, way, own, known, who, _ties(d, own)))
        random = np.random.default_rng([SEED, zlib.crc32(case.folder.name.encode())])
        moved = pd.to_timedelta(random.uniform(-SHUFFLED, SHUFFLED, len(lines)), unit="s")
        shuffled = lines.assign(written=(lines["written"] + moved).astype(lines["written"].dtype))
        other = logs[some[(number + NEXT) % len(some)].folder.name]
        for way, foreign in zip(FOREIGN, (shuffled, other), strict=True):
            matches = _ties(d, foreign)
            if foreign is shuffled:
                matches = matches[~matches["tie"].isin(NAMED)]
            chances = matches.loc[matches["event"].isin(SPEAKING), "coincidence"]
            spoken = int(foreign["event"].isin(SPEAKING).sum())
            out.append(
                Tied(case.folder.name, way, spoken, foreign=len(chances), doubtful=int((chances >= DOUBTFUL).sum()))
            )
    return out


def end(ip: Any, port: Any) -> str:
    return f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}"


def read(case: Case, without: frozenset[tuple[str, int]] = frozenset()) -> pd.DataFrame:
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
            mine = {own} | alike.get(own, set()) if "snat" in case.folder.name else {own}
        else:
            entry = "\n".join(texts[place[0]][place[1] - 1 : place[1] + 60])
            mine = {c.client for c in case.connections for t in c.log_lines if t.file == place[0] and t.text in entry}
        out[place] = out.get(place, set()) | mine
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


def _ties(d: Any, lines: pd.DataFrame) -> pd.DataFrame:
    point = str(d.coverage["point"].iloc[0])
    tables = (d.endings, d.connections, d.reset_frames, lines, d.coverage)
    return correlate(*tables, sightings=d.sightings, reference_point=point).matches


def _own(
    case: Case,
    way: str,
    lines: pd.DataFrame,
    known: dict[tuple[str, int], set[str]],
    who: dict[str, set[str]],
    matches: pd.DataFrame,
) -> Tied:
    verdicts = list(_judged(known, who, matches))
    counts = {verdict: sum(v == verdict for v, _ in verdicts) for verdict in ("right", "wrong", "unlabelled")}
    speaking = lines[lines["event"].isin(SPEAKING)]
    places = set(zip(speaking["source"].astype(str), speaking["line"].astype(int), strict=True))
    ends = set().union(*who.values())
    due = {place for place in places if known.get(place, set()) & ends}
    have = set(zip(matches["source"].astype(str), matches["line"].astype(int), strict=True))
    wrongly = tuple(what for verdict, what in verdicts if verdict == "wrong")
    return Tied(case.folder.name, way, len(speaking), **counts, untied=len(due - have), wrongly=wrongly)


def _judged(
    known: dict[tuple[str, int], set[str]], who: dict[str, set[str]], matches: pd.DataFrame
) -> Iterator[tuple[str, str]]:
    for m in matches.itertuples():
        want = known.get((str(m.source), int(m.line)), set())
        verdict = "unlabelled" if not want else "right" if want & who[m.ending] else "wrong"
        yield verdict, f"{m.source}:{m.line} {m.event} {m.tie} -> {', '.join(sorted(who[m.ending]))}"
