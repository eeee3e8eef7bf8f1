"""The whole flow on one screen: `analyze` takes captures and logs, and returns a Diagnosis.

Lives here: the order of the stages and what passes between them; it is the only module that imports stages.
Never here: the stages' own work, printing, exit codes.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone, tzinfo
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from analyzer import capture, connections, correlation, diagnosis, dissection, incidents, logs, schema, vantage
from analyzer.causes import all_causes
from analyzer.endings import endings as find_endings
from analyzer.endings import renumber
from analyzer.errors import Notice, UsageError
from analyzer.result import Diagnosis

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Progress = Callable[[str, int, int], None]  # what is being done, bytes done, bytes in all

POINT = "capture"  # the name of the only capture point when it was given none
AROUND = 300.0  # seconds on each side of --around


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


def analyze(
    captures: Paths = (),
    logs: Any = (),
    *,
    at: Mapping[str, Paths] | None = None,
    around: str | pd.Timestamp | None = None,
    host: str | None = None,
    port: int | None = None,
    log_timezone: str | None = None,
    dissect: bool = True,
    statements: bool = False,
    progress: Progress | None = None,
) -> Diagnosis:
    """Find out who reset the connections in these captures, why, and which log lines speak of it.

    Parameters
    ----------
    captures : path, glob, folder, or a list of them
        One capture point's files, in any order.
    logs : path or list of paths, or a DataFrame with the columns `time` and `message`
        Logs of either side.
    at : mapping of capture point to captures
        Several capture points; `client` and `server` mean those hosts.
    around, host, port
        Judge only connections that ended within five minutes of this time (UTC unless it says otherwise), of this address, of this port.
    log_timezone : str
        IANA name or offset for log lines without a zone; found from the matches when not given.
    dissect, statements : bool
        Let tshark read the application's last messages; show their text.
    progress : callable(what, done, total)
        Told about bytes read.

    Raises
    ------
    UnusableInput
        Nothing could be read.
    UsageError
        The request contradicts itself.
    """
    points, left_out = _points(captures, at)
    moment = None if around is None else _moment(around)
    zone = None if log_timezone is None else _zone(log_timezone)
    ip = None if host is None else _address(host)
    tables, opened = _open_logs(logs)

    survey, clocks = _on_one_clock(look(points, progress))
    everything = _all_endings(survey)
    judged = _only(everything, moment, ip, port)

    coverage, misnamed = vantage.locate(survey.coverage)
    seen = vantage.vantage(judged, survey.connections, survey.reset_frames, coverage)
    judged, sightings = renumber(vantage.apply(judged, seen), seen.sightings)

    lines, log_notices, log_sources = _read_logs(tables, opened, zone, survey.captures)
    words, packets, said = _dissect(judged, survey, dissect, statements)
    judged = _with_words(judged, words)
    tied = correlation.correlate(
        judged, survey.connections, survey.reset_frames, lines, coverage, reference_point=str(coverage["point"].iloc[0])
    )
    judged = _with_logs(judged, tied.matches)

    evidence, findings, crashed = diagnosis.diagnose(judged, tied.matches)
    findings = _with_next_log(findings, tied)
    table = incidents.incidents(judged, findings, tied.matches)
    return Diagnosis(
        captures=survey.captures,
        coverage=coverage,
        connections=survey.connections,
        hosts=survey.hosts,
        gaps=survey.gaps,
        reset_frames=survey.reset_frames,
        packets=packets,
        endings=judged,
        sightings=sightings,
        log_lines=lines,
        matches=tied.matches,
        clocks=_stack(schema.CLOCKS, [clocks, tied.clocks]),
        unmatched_log_lines=tied.unmatched,
        evidence=evidence,
        findings=findings,
        incidents=table,
        traffic=survey.traffic,
        verdict=incidents.verdict(table),
        bands={
            e: diagnosis.band(None if pd.isna(c) else float(c))
            for e, c in zip(findings["ending"], findings["confidence"], strict=True)
        },
        notices=(
            *left_out,
            *_not_asked(everything, judged),
            *survey.notices,
            *misnamed,
            *log_notices,
            *said,
            *crashed,
        ),
        causes=cause_pages(),
        settings={
            **_versions(),
            "points": {p: [f.name for f in files] for p, files in points.items()},
            "log_sources": log_sources,
        },
    )


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
        captures=_stack(schema.CAPTURES, tables),
        coverage=_stack(schema.COVERAGE, [t.coverage for t in found]),
        connections=_stack(schema.CONNECTIONS, [t.connections for t in found]),
        hosts=_stack(schema.HOSTS, [t.hosts for t in found]),
        gaps=_stack(schema.GAPS, [t.gaps for t in found]),
        traffic=_stack(schema.TRAFFIC, [t.traffic for t in found]),
        reset_frames=_stack(schema.RESET_FRAMES, [t.reset_frames for t in found]),
        packets=_stack(schema.PACKETS, packets),
        files={f.name: f for files in points.values() for f in files},
        notices=tuple(notices),
    )


def reset_frames(
    captures: Paths = (), *, at: Mapping[str, Paths] | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Return RESET_FRAMES: every frame with the RST flag, as `tshark -Y tcp.flags.reset==1` lists them. Pass 1 only."""
    points, _ = _points(captures, at)
    return look(points, progress, closer=False).reset_frames


def recognised(files: Sequence[str], log_timezone: str | None = None) -> tuple[pd.DataFrame, list[Notice]]:
    """Return LOG_LINES of these logs, without any capture, and notices."""
    zone = None if log_timezone is None else _zone(log_timezone)
    return logs.read_logs(logs.open_logs(list(files)), timezone=zone, year=None)


def cause_pages() -> dict[str, dict[str, Any]]:
    """Return by id what is known of each cause: the knowledge that the report and `pcapreport causes` show."""
    return {name: _cause_page(name) for name in all_causes()}


def format_pages() -> dict[str, dict[str, Any]]:
    """Return by id what is known of each log format, with one sample for each event."""
    pages = {}
    for f in logs.formats():
        examples = {s.event: s.text for s in reversed(f.samples) if s.event}
        pages[f.id] = {"id": f.id, "title": f.title, "messages": len(f.messages), "examples": sorted(examples.items())}
    return pages


def _points(
    captures: Paths, at: Mapping[str, Paths] | None
) -> tuple[dict[str, list[capture.CaptureFile]], list[Notice]]:
    """Return capture point -> files in time order, their names unique over all points, and what was left out."""
    given: dict[str, Paths] = dict(at or {})
    if given and captures:
        raise UsageError("Give the captures either as one point or as --at NAME=CAPTURE for each point, not both.")
    if not given:
        given = {POINT: captures}
    points: dict[str, list[capture.CaptureFile]] = {}
    notices: list[Notice] = []
    taken: set[str] = set()
    for point, paths in given.items():
        inputs = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        if not inputs:
            raise UsageError("No capture was given: name a file, a folder or a pattern such as 'dumps/*.pcap'.")
        files, left_out = capture.find(inputs)
        notices.extend(left_out)
        points[point] = [replace(f, name=f"{point}:{f.name}") if f.name in taken else f for f in files]
        taken.update(f.name for f in files)
    return points, notices


def _nothing(point: str, captures: pd.DataFrame) -> list[Notice]:
    """Return the notice for a capture point that holds packets but no TCP."""
    packets = int(captures["packets"].sum())
    if not packets or captures["segments"].sum():
        return []
    left = "; what looked like TCP could not be read" if captures["unreadable"].sum() else ""
    return [
        Notice(
            "warning",
            point,
            "",
            f"No packet could be read as TCP ({packets:,} in all), so there is nothing to judge{left}.",
        )
    ]


def _on_one_clock(survey: Survey) -> tuple[Survey, pd.DataFrame]:
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


def _all_endings(survey: Survey) -> pd.DataFrame:
    """Return ENDINGS of every capture point, each judged against its own baselines."""

    def payload(name: str, offset: int, length: int) -> bytes:
        return capture.payloads(survey.files[name], [(offset, length)])[0]

    def at(table: pd.DataFrame, point: str) -> pd.DataFrame:
        return table[table["point"] == point]

    located, _ = vantage.locate(survey.coverage)
    return _stack(
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


def _only(endings: pd.DataFrame, around: pd.Timestamp | None, host: str | None, port: int | None) -> pd.DataFrame:
    """Return the endings that were asked for."""
    keep = pd.Series(True, index=endings.index)
    if around is not None:
        keep &= (endings["time"] - around).abs() <= pd.Timedelta(seconds=AROUND)
    if host is not None:
        keep &= (endings["client_ip"] == host) | (endings["server_ip"] == host)
    if port is not None:
        keep &= (endings["client_port"] == port) | (endings["server_port"] == port)
    return endings[keep].reset_index(drop=True)


def _not_asked(everything: pd.DataFrame, judged: pd.DataFrame) -> list[Notice]:
    """Return the notice about endings that were left out because others were asked for."""
    count = len(everything) - len(judged)
    if not count:
        return []
    sentence = f"Of {len(everything):,} connections that ended badly, {count:,} are outside what was asked for (around, host, port)."
    return [Notice("info" if len(judged) else "warning", "", "", sentence)]


def _address(text: str) -> str:
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError as error:
        raise UsageError(f"{text!r} is no IP address; captures know no names of hosts.") from error


def _moment(text: str | pd.Timestamp) -> pd.Timestamp:
    try:
        moment = pd.Timestamp(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a time; write it as 2026-11-20T09:30:00Z or 2026-11-20 18:30:00+09:00."
        ) from error
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


def _open_logs(given: Any) -> tuple[list[pd.DataFrame], list[logs.LogSource]]:
    """Return the logs that are tables, and the opened files: a missing one is told before the captures are read."""
    items = [given] if isinstance(given, str | os.PathLike | pd.DataFrame) else list(given)
    tables = [item for item in items if isinstance(item, pd.DataFrame)]
    return tables, logs.open_logs([item for item in items if not isinstance(item, pd.DataFrame)])


def _read_logs(
    tables: Sequence[pd.DataFrame], opened: Sequence[logs.LogSource], zone: tzinfo | None, captures: pd.DataFrame
) -> tuple[pd.DataFrame, list[Notice], list[dict[str, Any]]]:
    """Return LOG_LINES, notices, and one record per source for the document."""
    first = captures["first"].min()
    found = [logs.from_frame(table, timezone=zone) for table in tables]
    if opened:
        found.append(logs.read_logs(opened, timezone=zone, year=None if pd.isna(first) else int(first.year)))
    lines = _stack(schema.LOG_LINES, [lines for lines, _ in found])
    notices = [notice for _, some in found for notice in some]
    counts = lines.groupby("source", sort=False).agg(
        lines=("line", "size"), first=("written", "min"), last=("written", "max")
    )
    sources = [
        {
            "source": str(s),
            "recognised": int(row["lines"]),
            "formats": sorted(set(lines.loc[lines["source"] == s, "format"])),
        }
        for s, row in counts.iterrows()
    ]
    return lines, notices, sources


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        pass
    try:
        offset = datetime.strptime(name.replace("Z", "+0000"), "%z").utcoffset()
    except ValueError:
        offset = None
    if offset is None:
        raise UsageError(f"{name!r} is no time zone; write a name such as Asia/Tokyo or an offset such as +09:00.")
    return timezone(offset)


def _dissect(
    judged: pd.DataFrame, survey: Survey, wanted: bool, statements: bool
) -> tuple[pd.DataFrame | None, pd.DataFrame, list[Notice]]:
    """Return the application's last words per ending (None without tshark), PACKETS with words, and notices."""
    if not wanted or judged.empty:
        return None, survey.packets, []
    tshark = dissection.find_tshark()
    if tshark is None:
        sentence = "tshark was not found, so what the application said last (PostgreSQL, TLS, HTTP) could not be seen; install tshark for that."
        return None, survey.packets, [Notice("warning", "dissection", "", sentence)]

    def extract(name: str, frames: Sequence[int], target: Path) -> list[int]:
        return capture.extract(survey.files[name], frames, target)

    said = dissection.dissect(judged, survey.packets, extract, tshark, statements=statements)
    packets = survey.packets.drop(columns="words").merge(said.words, on=["capture", "frame"], how="left")
    return said.facts, schema.PACKETS.conform(packets), list(said.notices)


def _with_words(judged: pd.DataFrame, facts: pd.DataFrame | None) -> pd.DataFrame:
    """Return ENDINGS with the dissection's facts filled in."""
    if facts is None or facts.empty:
        return judged
    added = [name for name in facts.columns if name != "ending" and name in schema.ENDINGS.columns]
    return schema.ENDINGS.conform(judged.drop(columns=added).merge(facts[["ending", *added]], on="ending", how="left"))


def _with_logs(judged: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """Return ENDINGS with the events that each side's log tells of it."""
    out = judged.copy()
    for side in ("client", "server"):
        events = matches[matches["writer"] == side].groupby("ending")["event"].agg(lambda e: ",".join(sorted(set(e))))
        out[f"{side}_log_events"] = out["ending"].map(events).astype("string")
    return schema.ENDINGS.conform(out)


def _with_next_log(findings: pd.DataFrame, tied: correlation.Correlation) -> pd.DataFrame:
    """Return FINDINGS with the log setting that would have tied a line, where lines were left over for want of one."""
    wanted = tied.unmatched["next_log"].dropna()
    if wanted.empty:
        return findings
    out = findings.copy()
    out.loc[~out["ending"].isin(tied.matches["ending"]), "next_log"] = wanted.iloc[0]
    return schema.FINDINGS.conform(out)


def _cause_page(name: str) -> dict[str, Any]:
    cause = all_causes()[name]
    return {
        "id": cause.id,
        "title": cause.title,
        "mechanism": cause.mechanism,
        "remedy": cause.remedy,
        "confirm": cause.confirm,
        "lookalikes": dict(cause.lookalikes),
        "references": [list(r) for r in cause.references],
        "signs": [
            {"sign": s.id, "says": s.says, "holds": s.holds, "fails": s.fails, "needed": s.needed, "source": s.source}
            for s in cause.signs
        ],
        "harmless": cause.harmless,
        "origins": list(cause.origins),
    }


@cache
def _tshark_version(tshark: Path) -> str:
    """Return what that program says of itself; asked once in a process."""
    return dissection.tshark_version(tshark)


def _versions() -> dict[str, Any]:
    try:
        own = version("pcapreport")
    except PackageNotFoundError:
        own = "unknown"
    tshark = dissection.find_tshark()
    return {
        "pcapreport": own,
        "python": platform.python_version(),
        "pandas": pd.__version__,
        "tshark": None if tshark is None else _tshark_version(tshark),
    }


def _stack(table: schema.Table, frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    kept = [f for f in frames if len(f)]
    return table.conform(pd.concat(kept, ignore_index=True)) if kept else table.empty()
