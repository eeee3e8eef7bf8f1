"""The verdict as plain text, the full explanation, and the words both are made of."""

from __future__ import annotations

import io
import re
from unicodedata import east_asian_width

import pandas as pd
import pytest
import report_fixture as fixture
from rich.console import Console

from analyzer import report
from analyzer.report import terminal, wording


def cells(line: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in line)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("top", ["i1", "i2", "i3", "i4"])
def test_the_block_keeps_its_width_and_has_no_control_characters(top: str, width: int) -> None:
    block = report.text(fixture.diagnosis(top=top), width)
    assert not re.search(wording._HIDDEN.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"), block)
    assert max(cells(line) for line in block.splitlines()) <= width


def test_the_block_says_it_all() -> None:
    block = "".join(report.text(fixture.diagnosis()).split())
    for words in ("The client 10.0.1.15 cut its connection to 10.0.0.2:5432.", "Who the client, very likely (0.94)", "[frame 71]",
                  "not so: The reset came within one round trip", "could not receive data from client: Connection reset by peer",
                  "tcp.stream eq 3", "What to change", "How to make sure", "2 signs could not be seen", r"\x1b[31mred\x1b]0;title\x07"):  # fmt: skip
        assert "".join(words.split()) in block


@pytest.mark.parametrize("encoding", ["cp932", "cp936"])
def test_our_own_words_survive_old_consoles(encoding: str) -> None:
    report.text(fixture.diagnosis(top="i2")).encode(encoding)
    report.text(fixture.diagnosis(top="i3")).encode(encoding)


@pytest.mark.parametrize("terminal", [True, False])
def test_colours_only_on_a_terminal(terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=80, color_system="standard" if terminal else None)
    report.show(fixture.diagnosis(), console)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert (plain != out.getvalue()) is terminal
    assert plain == report.text(fixture.diagnosis(), 80)


def test_the_explanation_holds_the_ladder_and_every_sign() -> None:
    text = report.explanation(fixture.diagnosis(), "r13")
    for words in ("both ends", "[RST] Seq=325 Len=0", "nothing for 305 s", "(+20)", "conntrack -E", "Frame 11"):
        assert words in text
    with pytest.raises(KeyError):
        report.explanation(fixture.diagnosis(), "r999")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.00012, "120 µs"),
        (0.0031, "3.1 ms"),
        (2.7, "2.7 s"),
        (305.31, "305 s"),
        (7440, "2 h 4 min"),
        (-2.0, "−2 s"),
        (None, "an unknown time"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert wording.duration(seconds) == words


def test_times_are_cut_and_never_lose_a_digit() -> None:
    time = "2026-03-02T00:14:05.123456789Z"
    assert wording.moment(time, 9) == "2026-03-02 00:14:05.123456789"
    assert wording.moment("2026-03-02T00:14:05.999999999Z", 3) == "2026-03-02 00:14:05.999"
    assert wording.span(time, "2026-03-02T01:00:00.000000000Z") == "2026-03-02 00:14:05 to 01:00:00 UTC"
    assert wording.moment(None) == "time unknown"


@pytest.mark.parametrize(
    ("bits", "words"),
    [(0x18, "[PSH, ACK]"), (0x14, "[RST, ACK]"), (0x2, "[SYN]"), (0x11, "[FIN, ACK]"), (0, "[<None>]"), (pd.NA, "[?]")],
)
def test_flags_read_as_in_wireshark(bits: int, words: str) -> None:
    assert wording.flags(bits) == words


def test_confidence_is_never_rounded_up_to_certainty() -> None:
    assert wording.probability(0.9996) == "above 0.99"
    assert wording.probability(0.94) == "0.94"
    assert (
        wording.band(0.99) == "very likely"
        and wording.band(0.99, "both ends") == "proved"
        and wording.band(None) == "undetermined"
    )


def test_unknown_is_not_a_value() -> None:
    assert not any(wording.known(value) for value in (None, pd.NA, pd.NaT, float("nan"), ""))
    assert all(wording.known(value) for value in (0, False, 0.0, "0"))


def test_a_command_at_the_end_stands_in_one_line() -> None:
    command = "tcpdump -i any -s 128 -G 600 -w 'at-client-%Y%m%d-%H%M%S.pcap' 'tcp port 5432'"
    for colon in (": ", "："):
        lines = [text for _, text in terminal.with_command(f"Capture there. On that host{colon}`{command}`", 40)]
        assert lines == ["  Capture there. On that host" + colon.strip(), f"  {command}"]
    assert len(list(terminal.with_command("See `a` and `b`", 40))) == 1
