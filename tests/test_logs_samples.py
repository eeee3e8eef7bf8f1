"""Every format's samples, both ways: each says what it must, and each text of a format has a sample."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analyzer.logs import LogSource, all_envelopes, all_formats, encodings, formats, read_logs, recognition
from analyzer.logs.log_format import LogFormat
from analyzer.logs.peeling import Line, unwrap

SAMPLES = [(log_format, sample) for log_format in all_formats() for sample in log_format.samples]


def read(text: str) -> pd.DataFrame:
    return read_logs([LogSource("x.log", text.encode())], year=2024)[0]


def flattened(text: str) -> str:
    """The entry on one line, as messages see it, with its end."""
    return " ".join(part.strip() for part in text.strip("\n").split("\n")) + "\n"


@pytest.mark.parametrize("log_format", all_formats(), ids=lambda f: f.id)
def test_samples_say_what_they_must(log_format: LogFormat) -> None:
    wrong = []
    for sample in log_format.samples:
        found = read(sample.text)
        want = {"format": log_format.id, "message": sample.message, "event": sample.event} | dict(sample.fields)
        if sample.time is not None:
            want["written"] = pd.Timestamp(sample.time)
        mine = found[found["message"] == sample.message]  # a proxy's entry may speak of its other connection too
        if len(mine) != 1 or len(found) > len({message.leg for message in log_format.messages}):
            wrong.append((sample.text, f"{found['message'].tolist()} for {sample.message}"))
            continue
        row = mine.iloc[0]
        got = {name: None if pd.isna(row[name]) else row[name] for name in want}
        if got != want:
            wrong.append((sample.text, {name: (got[name], want[name]) for name in want if got[name] != want[name]}))
    assert not wrong


@pytest.mark.parametrize("log_format", all_formats(), ids=lambda f: f.id)
def test_every_text_has_a_sample_of_its_own(log_format: LogFormat) -> None:
    flat = [flattened(sample.text) for sample in log_format.samples]
    for message in log_format.messages:
        fits = [
            s
            for s, text in zip(log_format.samples, flat, strict=True)
            if s.message == message.id and message.regex.search(text.rstrip("\n"))
        ]
        assert fits, f"{message.id} ({message.language}) {message.pattern}"
        assert any(literal in text for text in flat for literal in message.literals)


@pytest.mark.parametrize("log_format", all_formats(), ids=lambda f: f.id)
def test_literals_stand_wherever_the_pattern_matches(log_format: LogFormat) -> None:
    for message in log_format.messages:
        for sample in log_format.samples:
            text = flattened(sample.text)
            if message.regex.search(text.rstrip("\n")):
                assert any(literal in text for literal in message.literals), (message.pattern, sample.text)


def readers(text: str) -> list[str]:
    """The formats of the rows of one entry."""
    lines = [unwrap(Line(encodings.clean(line)), str) for line in text.split("\n")]
    rows = recognition.recognise(lines[0], [line.text for line in lines], 2024) or []
    return [str(row["format"]) for row in rows]


@pytest.mark.parametrize("log_format", all_formats(), ids=lambda f: f.id)
def test_no_other_format_of_its_rank_would_read_a_sample(
    log_format: LogFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All against all: what stands in a format's samples is read by it alone, or by one that is asked later for want of it."""
    known = all_formats()
    ranks = {other.id: other.rank for other in known}
    monkeypatch.setattr(recognition, "all_formats", lambda: tuple(other for other in known if other is not log_format))
    recognition._index.cache_clear()
    try:
        others = {
            (name, sample.text)
            for sample in log_format.samples
            for name in readers(sample.text)
            if ranks[name] <= log_format.rank
        }
    finally:
        recognition._index.cache_clear()
    assert not others


def test_there_are_many_formats() -> None:
    ids = [one.id for one in (*all_formats(), *all_envelopes())]
    assert len(set(ids)) == len(ids) >= 40
    assert all(log_format.samples and log_format.reference for log_format in all_formats())


def test_a_new_format_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that CONTRIBUTING.md shows, put into the folder: found, and read by itself alone."""
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = text.split("## Add a log format")[1].split("```python\n")[1].split("```")[0]
    (tmp_path / "mydaemon.py").write_text(code)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    caches = (recognition.all_formats, recognition.raw_filter, recognition._index)
    for cached in caches:
        cached.cache_clear()
    try:
        (added,) = (log_format for log_format in recognition.all_formats() if log_format.id == "mydaemon")
        test_samples_say_what_they_must(added)
        test_every_text_has_a_sample_of_its_own(added)
        test_no_other_format_of_its_rank_would_read_a_sample(added, monkeypatch)
    finally:
        monkeypatch.undo()
        for cached in caches:
            cached.cache_clear()
