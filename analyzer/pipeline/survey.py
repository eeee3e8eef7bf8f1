"""What pass 1 found as tables, pass 2 over every capture point, all times on one clock, and what ended badly.

Lives here: driving capture, connections, vantage and endings over files. Never here: pass 1 (headers), logs, judgement.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from analyzer import capture, connections, schema, vantage
from analyzer.endings import across
from analyzer.endings import endings as find_endings
from analyzer.errors import Notice, UsageError
from analyzer.language import joined, say
from analyzer.pipeline.asked import Progress
from analyzer.pipeline.headers import Headers, Told, bytes_of, read_headers
from analyzer.pipeline.tables import stack

# What resets carry and each side says first is kept from pass 2: a compressed file can only be read forward, and slowly.
CLIP = 256  # bytes of each
OPENINGS = 50_000


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
    icmp_errors: pd.DataFrame
    address_changes: pd.DataFrame
    packets: pd.DataFrame
    files: Mapping[str, capture.CaptureFile]
    openings: Mapping[tuple[str, int], bytes]  # what some payloads begin with, by file and offset
    carried: pd.DataFrame
    secrets: Mapping[str, Sequence[tuple[int, int]]]  # file -> where it holds TLS secrets
    notices: tuple[Notice, ...]


def first_look(
    points: Mapping[str, Sequence[capture.CaptureFile]],
    progress: Progress | None = None,
    *,
    threads: int | None = None,
    closer: bool = True,
) -> tuple[Survey, list[connections.Traffic]]:
    """Return what pass 1 says (see `read_headers`): the survey, its PACKETS still empty, and what `closer_look` needs."""
    return surveyed(read_headers(points, progress, threads=threads, closer=closer))


def surveyed(headers: Sequence[Headers]) -> tuple[Survey, list[connections.Traffic]]:
    """Return what was read as tables, PACKETS still empty, and what `closer_look` needs."""
    found: list[connections.Traffic] = []
    tables, changes = [], []
    notices: list[Notice] = []
    for read in headers:
        table = capture.captures(read.tallies)
        notices += [*read.notices, *_nothing(read.point, table)]
        twice = capture.seen_twice(read.files, table)
        if twice is not None:
            a, b = (f.given for f in twice)
            raise UsageError(
                f"{a} and {b} overlap in time and show the same packets: these are two capture points. "
                f"Name each, for example --at client={a} --at server={b}."
            )
        traffic = connections.close(read.state, table, capture.icmp_errors(read.heard))
        notices += [*capture.seams(table), *read.heard.notices(), *traffic.notices]
        tables.append(table)
        changes.append(capture.address_changes(read.heard))
        found.append(traffic)
    survey = Survey(
        captures=stack(schema.CAPTURES, tables),
        coverage=stack(schema.COVERAGE, [t.coverage for t in found]),
        connections=stack(schema.CONNECTIONS, [t.connections for t in found]),
        hosts=stack(schema.HOSTS, [t.hosts for t in found]),
        gaps=stack(schema.GAPS, [t.gaps for t in found]),
        traffic=stack(schema.TRAFFIC, [t.traffic for t in found]),
        reset_frames=stack(schema.RESET_FRAMES, [t.reset_frames for t in found]),
        icmp_errors=stack(schema.ICMP_ERRORS, [t.icmp_errors for t in found]),
        address_changes=stack(schema.ADDRESS_CHANGES, changes),
        packets=schema.PACKETS.empty(),
        files={f.name: f for read in headers for f in read.files},
        openings={},
        carried=schema.CARRIED.empty(),
        secrets={t.file.name: t.secrets for read in headers for t in read.tallies if t.secrets},
        notices=tuple(notices),
    )
    return survey, found


def closer_look(
    survey: Survey,
    found: Sequence[connections.Traffic],
    headers: Sequence[Headers],
    named: Set[tuple[str, int]],
    progress: Progress | None = None,
    *,
    threads: int | None = None,
) -> Survey:
    """Return the survey with PACKETS: those of the connections that ended badly or may have, and of those whose ends are `named` in a log."""
    threads = threads or os.cpu_count() or 1
    size = bytes_of({read.point: read.files for read in headers})
    told = Told(progress, 2 * size, size)
    notices = list(survey.notices)
    openings: dict[tuple[str, int], bytes] = {}
    packets = []
    for traffic, read in zip(found, headers, strict=True):
        wanted = connections.wanted(traffic, named=named)
        notices.extend(wanted.notices)
        packets.append(_pass_2(read, wanted, threads, told, openings))
    return replace(survey, packets=stack(schema.PACKETS, packets), openings=openings, notices=tuple(notices))


def _pass_2(
    read: Headers,
    wanted: connections.Wanted,
    threads: int,
    told: Told,
    openings: dict[tuple[str, int], bytes],
) -> pd.DataFrame:
    """Read the wanted packets of one capture point; return PACKETS, and add what some of them begin with to `openings`."""
    kept = []
    files = read.files
    chosen = [(number, file) for number, file in enumerate(files) if number in wanted.files]
    told.add("looking closer", sum(file.bytes for number, file in enumerate(files) if number not in wanted.files))
    last = None
    marks = {tally.number: tally.marks for tally in read.tallies}
    keep = partial(connections.among, wanted)
    for number, chunk in capture.read_all(chosen, threads=threads, keep=keep, marks=marks):
        if last is not None and number != last:
            told.add("looking closer", files[last].bytes)
        last = number
        selection = connections.select(wanted, number, chunk.segments)
        rows = selection.rows
        if not len(rows):
            continue
        name = files[number].name
        kept.append((name, selection, capture.checksums(chunk, rows)))
        asked = rows[
            (rows["captured"] > 0) & ((rows["flags"] & schema.RST != 0) | (selection.marks["relative_seq"] == 1))
        ]
        if len(openings) < OPENINGS:
            openings.update(
                zip(
                    ((name, offset) for offset in asked["offset"].tolist()),
                    capture.clips(chunk, asked, CLIP),
                    strict=True,
                )
            )
    if last is not None:
        told.add("looking closer", files[last].bytes)
    return connections.packets(wanted, kept)


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
    """Return the survey with all times on the first point's clock, what proxies carried over between points, and CLOCKS rows of the others."""

    def clips(name: str, spans: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        return capture.payloads(survey.files[name], spans)

    clocks = vantage.clocks(survey.connections, list(survey.coverage["point"]))
    carried = vantage.carried(survey.packets, survey.connections, clocks, clips)
    clocks = vantage.with_pairs(clocks, carried)
    moved = replace(
        survey,
        captures=vantage.align(survey.captures, clocks),
        coverage=vantage.align(survey.coverage, clocks),
        connections=vantage.align(survey.connections, clocks),
        traffic=vantage.align(survey.traffic, clocks),
        reset_frames=vantage.align(survey.reset_frames, clocks),
        icmp_errors=vantage.align(survey.icmp_errors, clocks),
        address_changes=vantage.align(survey.address_changes, clocks),
        packets=vantage.align(survey.packets, clocks),
        carried=vantage.carried_rows(carried, clocks),
    )
    return moved, vantage.clock_rows(clocks)


def all_endings(survey: Survey) -> tuple[pd.DataFrame, list[Notice]]:
    """Return ENDINGS of every capture point, each judged against its own baselines, and notices."""

    def payload(name: str, offset: int, length: int) -> bytes:
        clip = survey.openings.get((name, offset))
        if clip is not None and (length <= CLIP or len(clip) < CLIP):
            return clip[:length]
        return capture.payloads(survey.files[name], [(offset, length)])[0]

    def at(table: pd.DataFrame, point: str) -> pd.DataFrame:
        return table[table["point"] == point]

    located, _ = vantage.locate(survey.coverage)
    each = stack(
        schema.ENDINGS,
        [
            find_endings(
                at(survey.packets, p),
                at(survey.connections, p),
                at(survey.hosts, p),
                at(survey.gaps, p),
                at(located, p),
                payload,
                errors=at(survey.icmp_errors, p),
                changes=at(survey.address_changes, p),
            )
            for p in survey.coverage["point"]
        ],
    )
    return across(each, survey.carried)
