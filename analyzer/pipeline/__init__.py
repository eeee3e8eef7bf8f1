"""The whole flow on one screen: `analyze` takes captures and logs, and returns a Diagnosis.

Lives here: the order of the stages and what passes between them; only this package imports stages.
Never here: the stages' own work, printing, exit codes.

Loading pandas and what judges takes as long as reading the headers of two million packets: `analyze` does both at once. So nothing
that is imported here, nor what `headers` needs, imports pandas. Meanwhile the main thread imports nothing: interrupted (Ctrl-C) while it waits
for another thread's import, it would leave Python's import locks taken for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyzer.errors import Notice
from analyzer.loading import on_use
from analyzer.pipeline.asked import (
    Paths,
    Progress,
    address_of,
    keylog_of,
    open_given,
    points_of,
    span_of,
    zone_of,
)
from analyzer.pipeline.headers import prepare, read_headers

if TYPE_CHECKING:
    import pandas as pd

    from analyzer.pipeline.knowledge import cause_pages as cause_pages
    from analyzer.pipeline.knowledge import format_pages as format_pages
    from analyzer.result import Diagnosis

__all__ = [
    "Paths",
    "Progress",
    "analyze",
    "cause_pages",
    "format_pages",
    "recognised",
    "redact",
    "redact_frames",
    "reset_frames",
]


__getattr__ = on_use(__name__, {"cause_pages": "knowledge", "format_pages": "knowledge"})


def analyze(
    captures: Paths = (),
    logs: Any = (),
    *,
    at: Mapping[str, Paths] | None = None,
    around: str | pd.Timestamp | None = None,
    since: str | pd.Timestamp | None = None,
    until: str | pd.Timestamp | None = None,
    host: str | None = None,
    port: int | None = None,
    log_timezone: str | None = None,
    dissect: bool = True,
    statements: bool = False,
    tls_keylog: str | Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Find out who reset the connections in these captures, why, and which log lines speak of it.

    Parameters
    ----------
    captures : path, glob, folder, or a list of them
        One capture point's files, in any order; "-" is standard input.
    logs : path or list of paths, or a DataFrame with the columns `time` and `message`
        Logs of either side.
    at : mapping of capture point to captures
        Several capture points; `client` and `server` mean those hosts.
    around, since, until, host, port
        Judge only connections that ended within five minutes of this time (UTC unless it says otherwise), not before and not after these,
        of this address, of this port. Of a set of captures, only the files are read that can hold something of that time.
    log_timezone : str
        IANA name or offset for log lines without a zone; found from the matches when not given.
    dissect, statements : bool
        Let tshark read the application's last messages; show their text.
    tls_keylog : path
        TLS secrets as SSLKEYLOGFILE has them: what they open is read like plain text. They are not kept in the result.
    threads : int
        Threads that read captures, by default one for each processor; the result does not depend on it.
    progress : callable(what, done, total)
        Told about bytes read.

    Raises
    ------
    UnusableInput
        Nothing could be read.
    UsageError
        The request contradicts itself.
    """
    span = span_of(around, since, until)
    points, left_out = points_of(captures, at, span)
    zone = None if log_timezone is None else zone_of(log_timezone)
    ip = None if host is None else address_of(host)
    keylog = None if tls_keylog is None else keylog_of(tls_keylog)
    tables, opened = open_given(logs)
    prepare()
    beside = ThreadPoolExecutor(1)
    loaded = beside.submit(_load)
    ran_on = beside.submit(_versions, dissect)  # tshark takes a while to tell its own
    beside.shutdown(wait=False)
    headers = read_headers(points, progress, threads=threads)
    loaded.result()

    import pandas as pd

    from analyzer.pipeline.stages import (
        Diagnosis,
        all_endings,
        cause_pages,
        closer_look,
        contradictions,
        correlation,
        diagnosis,
        incidents,
        not_asked,
        on_one_clock,
        only,
        packets_of,
        read_given,
        renumber,
        schema,
        settle,
        stack,
        surveyed,
        vantage,
        with_logs,
        with_next_log,
        with_words,
        words_of,
    )

    first, found = surveyed(headers)
    lines, log_notices, log_sources = read_given(tables, opened, zone, first.captures)
    named = correlation.named_ends(lines)
    survey, clocks = on_one_clock(closer_look(first, found, headers, named, progress, threads=threads))
    everything, undecided = all_endings(survey)
    asked = only(everything, span, ip, port)

    coverage, misnamed = vantage.locate(survey.coverage)
    seen = vantage.vantage(asked, survey.connections, survey.reset_frames, coverage)
    judged, sightings, legs = renumber(vantage.apply(asked, seen), seen.sightings, seen.legs)

    words, packets, said = words_of(judged, survey, dissect, statements, keylog)
    judged = settle(with_words(judged, words))
    tied = correlation.correlate(
        judged,
        survey.connections,
        survey.reset_frames,
        lines,
        coverage,
        sightings=sightings,
        reference_point=str(coverage["point"].iloc[0]),
    )
    judged, matches, remarks, traced, sightings, legs = renumber(
        settle(judged, correlation.spoken_of(tied.matches)), tied.matches, tied.remarks, tied.traced, sightings, legs
    )
    judged = with_logs(judged, matches, traced)

    evidence, findings, crashed = diagnosis.diagnose(judged, matches)
    findings = with_next_log(findings, matches, tied.unmatched)
    table = incidents.incidents(judged, findings, matches, legs)
    return Diagnosis(
        captures=survey.captures,
        coverage=coverage,
        connections=survey.connections,
        hosts=survey.hosts,
        gaps=survey.gaps,
        reset_frames=survey.reset_frames,
        icmp_errors=survey.icmp_errors,
        address_changes=survey.address_changes,
        packets=packets_of(packets, survey.connections, legs),
        endings=judged,
        sightings=sightings,
        legs=legs,
        log_lines=lines,
        matches=matches,
        clocks=stack(schema.CLOCKS, [clocks, tied.clocks]),
        unmatched_log_lines=tied.unmatched,
        log_remarks=remarks,
        evidence=evidence,
        findings=findings,
        incidents=table,
        traffic=survey.traffic,
        verdict=incidents.verdict(table),
        records={
            e: known
            for e, c in zip(findings["ending"], findings["confidence"], strict=True)
            if (known := diagnosis.record(None if pd.isna(c) else float(c)))
        },
        notices=(
            *left_out,
            *not_asked(everything, asked),
            *survey.notices,
            *misnamed,
            *undecided,
            *log_notices,
            *contradictions(remarks),
            *said,
            *crashed,
        ),
        causes=cause_pages(),
        settings={
            **ran_on.result(),
            "points": {p: [f.name for f in files] for p, files in points.items()},
            "log_sources": log_sources,
        },
    )


def _load() -> None:
    """Load what follows pass 1."""
    import analyzer.pipeline.stages  # noqa: F401


def _versions(dissect: bool) -> dict[str, Any]:
    """Return the versions of what the result depends on."""
    from analyzer.pipeline.stages import versions

    return versions(dissect)


def redact(diagnosis: Diagnosis, key: bytes | None = None) -> Diagnosis:
    """Return the same result for showing to others: pseudonyms for addresses and names, no payload, no free text of logs.

    Addresses keep their common prefixes. The same key gives the same pseudonyms in every run; None takes a random one.
    Raises UsageError for a key of less than 16 bytes.
    """
    from analyzer import redaction
    from analyzer.pipeline.knowledge import log_words

    redacted: Diagnosis = redaction.redact(diagnosis, log_words(), key)
    return redacted


def redact_frames(frames: pd.DataFrame, key: bytes | None = None) -> pd.DataFrame:
    """Return RESET_FRAMES with the same pseudonyms."""
    from analyzer import redaction

    return redaction.redact_frames(frames, key)


def reset_frames(
    captures: Paths = (), *, at: Mapping[str, Paths] | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Return RESET_FRAMES: every frame with the RST flag, as `tshark -Y tcp.flags.reset==1` lists them. Pass 1 only."""
    from analyzer.pipeline.survey import first_look

    points, _ = points_of(captures, at)
    return first_look(points, progress, closer=False)[0].reset_frames


def recognised(
    files: Sequence[str], log_timezone: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, list[Notice]]:
    """Return LOG_LINES of these logs, without any capture, LOG_SOURCES, and notices."""
    from analyzer.logs import read_sources

    zone = None if log_timezone is None else zone_of(log_timezone)
    return read_sources(open_given(list(files))[1], timezone=zone, year=None)
