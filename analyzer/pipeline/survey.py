"""Pass 1 and pass 2 over every capture point, all times on one clock, and what ended badly.

Lives here: driving capture, connections, vantage and endings over files. Never here: logs, judgement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from analyzer import capture, connections, schema, vantage
from analyzer.endings import endings as find_endings
from analyzer.errors import Notice, UsageError
from analyzer.language import joined, say
from analyzer.pipeline.asked import Progress
from analyzer.pipeline.tables import stack


@dataclass(frozen=True)
class Survey:
    """What pass 1 and pass 2 found at all capture points, before anything is judged."""

    captures: pd.DataFrame
    coverage: pd.DataFrame
    connections: pd.DataFrame
    hosts: pd.DataFrame
    gaps: pd.DataFrame
    traffic: pd.DataFrame
    reset_frames: pd.DataFrame
    packets: pd.DataFrame
    files: Mapping[str, capture.CaptureFile]
    notices: tuple[Notice, ...]


def look(
    points: Mapping[str, Sequence[capture.CaptureFile]], progress: Progress | None = None, *, closer: bool = True
) -> Survey:
    """Read the captures of each point twice: every header, then (unless not `closer`) the packets of the connections that ended badly."""
    total = (1 + closer) * sum(f.bytes for files in points.values() for f in files)
    done = 0
    found: list[connections.Traffic] = []
    tables, packets = [], []
    notices: list[Notice] = []
    next_connection = 1
    for point, files in points.items():
        state = connections.start(point, first_connection=next_connection)
        tallies = []
        for number, file in enumerate(files):
            tally = capture.Tally(point, number, file)
            connections.begin_file(state, number, file.name)
            for chunk in capture.read_ahead(file):
                connections.fold(state, chunk.segments)
                tally.add(chunk)
                notices.extend(chunk.notices)
            tallies.append(tally)
            done += file.bytes
            if progress:
                progress("reading", done, total)
        tables.append(capture.captures(tallies))
        notices.extend(_nothing(point, tables[-1]))
        twice = capture.seen_twice(files, tables[-1])
        if twice is not None:
            a, b = (f.path for f in twice)
            raise UsageError(
                f"{a} and {b} overlap in time and show the same packets: these are two capture points. "
                f"Name each, for example --at client={a} --at server={b}."
            )
        notices.extend(capture.seams(tables[-1]))
        traffic = connections.close(state, tables[-1])
        next_connection += len(traffic.connections)
        wanted = connections.wanted(traffic)
        notices.extend(wanted.notices)
        kept = []
        for number, file in enumerate(files if closer else ()):
            if number in wanted.files:
                for chunk in capture.read_ahead(file):
                    selection = connections.select(wanted, number, chunk.segments)
                    if len(selection.rows):
                        kept.append((file.name, selection, capture.checksums(file, selection.rows)))
            done += file.bytes
            if progress:
                progress("looking closer", done, total)
        packets.append(connections.packets(wanted, kept))
        found.append(traffic)
        notices.extend(traffic.notices)
    return Survey(
        captures=stack(schema.CAPTURES, tables),
        coverage=stack(schema.COVERAGE, [t.coverage for t in found]),
        connections=stack(schema.CONNECTIONS, [t.connections for t in found]),
        hosts=stack(schema.HOSTS, [t.hosts for t in found]),
        gaps=stack(schema.GAPS, [t.gaps for t in found]),
        traffic=stack(schema.TRAFFIC, [t.traffic for t in found]),
        reset_frames=stack(schema.RESET_FRAMES, [t.reset_frames for t in found]),
        packets=stack(schema.PACKETS, packets),
        files={f.name: f for files in points.values() for f in files},
        notices=tuple(notices),
    )


def _nothing(point: str, captures: pd.DataFrame) -> list[Notice]:
    """Return the notice for a capture point that holds packets but no TCP."""
    packets = int(captures["packets"].sum())
    if not packets or captures["segments"].sum():
        return []
    sentence = say("No packet could be read as TCP ({n:,} in all), so there is nothing to judge.", n=packets)
    if captures["unreadable"].sum():
        sentence = joined([sentence, say("What looked like TCP could not be read.")])
    return [Notice("warning", point, "", sentence)]


def on_one_clock(survey: Survey) -> tuple[Survey, pd.DataFrame]:
    """Return the survey with all times on the first point's clock, and CLOCKS rows of the other points."""
    clocks = vantage.clocks(survey.connections, list(survey.coverage["point"]))
    moved = replace(
        survey,
        captures=vantage.align(survey.captures, clocks),
        coverage=vantage.align(survey.coverage, clocks),
        connections=vantage.align(survey.connections, clocks),
        traffic=vantage.align(survey.traffic, clocks),
        reset_frames=vantage.align(survey.reset_frames, clocks),
        packets=vantage.align(survey.packets, clocks),
    )
    return moved, vantage.clock_rows(clocks)


def all_endings(survey: Survey) -> pd.DataFrame:
    """Return ENDINGS of every capture point, each judged against its own baselines."""

    def payload(name: str, offset: int, length: int) -> bytes:
        return capture.payloads(survey.files[name], [(offset, length)])[0]

    def at(table: pd.DataFrame, point: str) -> pd.DataFrame:
        return table[table["point"] == point]

    located, _ = vantage.locate(survey.coverage)
    return stack(
        schema.ENDINGS,
        [
            find_endings(
                at(survey.packets, p),
                at(survey.connections, p),
                at(survey.hosts, p),
                at(survey.gaps, p),
                at(located, p),
                payload,
            )
            for p in survey.coverage["point"]
        ],
    )
