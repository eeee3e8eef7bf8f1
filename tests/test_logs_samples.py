"""Every format's samples, both ways: each says what it must, and each text of a format has a sample."""

from __future__ import annotations

import pandas as pd
import pytest

from analyzer.logs import LogSource, all_formats, read_logs
from analyzer.logs.log_format import LogFormat

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
