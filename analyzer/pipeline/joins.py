"""What one stage says, written beside what another found: ENDINGS with words and log events, FINDINGS with the next log.

Lives here: joins keyed by ending. Never here: the stages' own work.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analyzer import capture, schema
from analyzer.errors import Notice
from analyzer.language import joined, say
from analyzer.pipeline.asked import KEYLOG_AT_MOST
from analyzer.pipeline.survey import Survey

AS_GOOD_AS_CHANCE = 0.5  # a match that is as likely as not a coincidence is shown, and is evidence of nothing
MOST_NOTICES = 20


def words_of(
    judged: pd.DataFrame, survey: Survey, wanted: bool, statements: bool, keylog: Path | None = None
) -> tuple[pd.DataFrame | None, pd.DataFrame, list[Notice]]:
    """Return the application's last words per ending (None without tshark), PACKETS with words, and notices.

    The secrets of `keylog` and those that the captures themselves hold are in the hands of tshark only, and in a folder that nobody else
    can read until it ends.
    """
    if not wanted or judged.empty:
        return None, survey.packets, [_carries_secrets(name) for name in survey.secrets]
    from analyzer import dissection

    tshark = dissection.find_tshark()
    if tshark is None:
        sentence = say(
            "tshark was not found, so what the application said last (PostgreSQL, TLS, HTTP) could not be seen; install tshark for that."
        )
        carrying = [_carries_secrets(name) for name in survey.secrets]
        return None, survey.packets, [Notice("warning", "dissection", "", sentence), *carrying]

    def extract(name: str, frames: Sequence[int], target: Path) -> list[int]:
        return capture.extract(survey.files[name], frames, target)

    with tempfile.TemporaryDirectory(prefix="pcapreport-", ignore_cleanup_errors=True) as room:
        keys, notices = _with_carried(keylog, survey, Path(room) / "keys")
        said = dissection.dissect(judged, survey.packets, extract, tshark, statements=statements, keylog=keys)
    packets = survey.packets.drop(columns="words").merge(said.words, on=["capture", "frame"], how="left")
    return said.facts, schema.PACKETS.conform(packets), [*said.notices, *notices]


def _with_carried(keylog: Path | None, survey: Survey, target: Path) -> tuple[Path | None, list[Notice]]:
    """Return the file of TLS secrets to use: the user's, with those that captures hold added in `target`; and notices about these."""
    notices: list[Notice] = []
    found = b""
    for name, spans in survey.secrets.items():
        lines, whole = capture.tls_secrets(survey.files[name], spans, KEYLOG_AT_MOST - len(found))
        found += lines
        if lines:
            notices.append(_carries_secrets(name, used=True))
        if not whole:
            sentence = say(
                "Not all TLS secrets of the capture were used: at most {most} MB are.", most=KEYLOG_AT_MOST >> 20
            )
            notices.append(Notice("warning", name, "", sentence))
    if not found:
        return keylog, notices
    with open(target, "wb") as file:
        file.write(found)
        if keylog is not None:
            file.write(keylog.read_bytes())
    return target, notices


def _carries_secrets(name: str, used: bool = False) -> Notice:
    out = say(
        "Before it is given away, `editcap --discard-all-secrets` takes them out (Wireshark 4.0 also wants the link type, such as `-T ether`)."
    )
    held = (
        say("The capture holds TLS secrets, and what they open was read.")
        if used
        else say("The capture holds TLS secrets.")
    )
    return Notice("info", name, "", joined([held, out]))


def with_words(judged: pd.DataFrame, facts: pd.DataFrame | None) -> pd.DataFrame:
    """Return ENDINGS with the dissection's facts filled in."""
    if facts is None or facts.empty:
        return judged
    added = [name for name in facts.columns if name != "ending" and name in schema.ENDINGS.columns]
    return schema.ENDINGS.conform(judged.drop(columns=added).merge(facts[["ending", *added]], on="ending", how="left"))


def with_logs(judged: pd.DataFrame, matches: pd.DataFrame, traced: pd.DataFrame) -> pd.DataFrame:
    """Return ENDINGS with the events that each side's log tells of it, and what the sender's kernel says (`traced`: ending, reason)."""
    out = judged.copy()
    trusted = matches[matches["coincidence"] < AS_GOOD_AS_CHANCE]
    for writer, column in (
        ("client", "client_log_events"),
        ("server", "server_log_events"),
        ("unknown", "other_log_events"),
    ):
        events = trusted[trusted["writer"] == writer].groupby("ending")["event"].agg(lambda e: ",".join(sorted(set(e))))
        out[column] = out["ending"].map(events).astype("string")
    out["kernel_sent"] = pd.Series(True, index=out.index, dtype="boolean").where(out["ending"].isin(traced["ending"]))
    out["kernel_reason"] = out["ending"].map(traced.set_index("ending")["reason"]).astype("string")
    return schema.ENDINGS.conform(out)


def contradictions(remarks: pd.DataFrame) -> list[Notice]:
    """Return the notices of lines that the capture contradicts."""
    found = remarks[remarks["kind"] == "contradiction"].head(MOST_NOTICES)
    return [
        Notice("warning", str(source), f"line {line}", say("{sentence}.", sentence=sentence))
        for source, line, sentence in zip(found["source"], found["line"], found["sentence"], strict=True)
    ]


def with_next_log(findings: pd.DataFrame, matches: pd.DataFrame, unmatched: pd.DataFrame) -> pd.DataFrame:
    """Return FINDINGS with the log setting that would have tied a line, where lines were left over for want of one."""
    wanted = unmatched["next_log"].dropna()
    if wanted.empty:
        return findings
    out = findings.copy()
    out.loc[~out["ending"].isin(matches["ending"]), "next_log"] = wanted.iloc[0]
    return schema.FINDINGS.conform(out)


def packets_of(packets: pd.DataFrame, connections: pd.DataFrame, legs: pd.DataFrame) -> pd.DataFrame:
    """Return PACKETS without the connections that were looked at closely and turned out to have ended in order."""
    fine = connections.loc[~connections["ended"].isin(["reset", "silence"]), "connection"]
    dropped = packets["connection"].isin(fine) & ~packets["connection"].isin(legs["connection"])
    return packets[~dropped].reset_index(drop=True) if dropped.any() else packets
