"""Logs that mean harm, or are merely broken: read in bounded memory and work, and shown as text. Work is counted, not timed."""

from __future__ import annotations

import io
import json
import tracemalloc

import pandas as pd
import pytest

from analyzer.logs import LogSource, all_formats, encodings, read_logs, reader, recognition
from analyzer.logs.entries import AROUND

GOOD = "2026-11-20 18:33:26.358 UTC [7] LOG:  could not receive data from client: Connection reset by peer\n"
RESET = "Connection reset by peer"


def read(*parts: str | bytes) -> pd.DataFrame:
    data = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return read_logs([LogSource("x.log", data)], year=2026)[0]


class Repeated(io.RawIOBase):
    """`count` times `piece`, then `end`, without ever being held."""

    def __init__(self, piece: bytes, count: int, end: bytes = b"") -> None:
        self.piece, self.left, self.end = piece, count, end

    def read(self, size: int = -1) -> bytes:
        if self.left:
            self.left -= 1
            return self.piece
        end, self.end = self.end, b""
        return end


@pytest.mark.parametrize(
    "piece", [b"x", b"\0", RESET.encode() + b" ", b'{"a":', b"\xff", b"2026-11-20 18:33:26 "], ids=repr
)
def test_a_line_of_a_gigabyte(piece: bytes) -> None:
    read(GOOD)  # everything loaded
    megabyte = (piece * (1 << 20))[: 1 << 20]
    tracemalloc.start()
    try:
        stream = Repeated(megabyte, 1 << 10, b"\n" + GOOD.encode())
        frame, _ = read_logs([LogSource("x.log", stream)], year=2026)  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert frame["line"].tolist()[-1] == 2
    assert len(frame) <= 2
    assert peak < 64 << 20


def test_only_the_neighbourhood_of_a_block_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    find = recognition.raw_filter().find
    monkeypatch.setattr(reader, "_positions", lambda block: seen.append(len(block)) or [p for p, _ in find(block)])
    lines = (b"2026-11-20 18:33:26 nothing of interest here, only noise\n" * 20_000)[: 1 << 20]
    frame, _ = read_logs([LogSource("x.log", Repeated(lines, 64, b"\n" + GOOD.encode()))])  # type: ignore[arg-type]
    assert len(frame) == 1
    assert max(seen) <= encodings.BLOCK + 2 * AROUND + len(GOOD)
    assert sum(seen) <= (64 << 20) + 2 * len(GOOD)  # no byte is looked at twice


def test_a_line_of_all_known_texts_costs_a_bounded_number_of_patterns() -> None:
    literals = [
        literal for log_format in all_formats() for message in log_format.messages for literal in message.literals
    ]
    text = "2026-11-20 18:33:26 " + " ".join(literals)
    flat = recognition._flat([text])
    assert len(flat) <= 2 * recognition.ENTRY_ENDS + 3
    for own in (True, False):
        candidates = recognition._candidates(flat, None, own=own)
        assert sum(map(len, candidates.values())) <= recognition.MESSAGES_LIMIT
    assert len(read(text, "\n", GOOD)) <= 3


def test_an_entry_without_end_is_cut() -> None:
    frame = read(f"2026-11-20 18:33:26 ERROR {RESET}\n", "\tat x\n" * 10_000, GOOD)
    assert frame["line"].tolist() == [1, 10_002]


def test_too_many_entries_are_cut_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "ENTRIES_LIMIT", 100)
    frame, notices = read_logs([LogSource("x.log", GOOD.encode() * 1000)])
    assert len(frame) == 100
    assert [n.sentence for n in notices if n.level == "warning"] == [
        "More than 100 entries speak of connections: what follows line 100 was not read. Cut the log to the time of the capture."
    ]


NESTED = 20_000
DEEP = {
    "objects": '{"a":' * NESTED + f'"{RESET}"' + "}" * NESTED,
    "lists": "[" * NESTED + f'"{RESET}"' + "]" * NESTED,
    "message": '{"time":"2026-11-20T18:33:26Z","msg":' + '{"a":' * NESTED + f'"{RESET}"' + "}" * NESTED + "}",
    "docker": '{"log":' + "[" * NESTED + f'"{RESET}"' + "]" * NESTED + ',"time":"2026-11-20T18:33:26Z"}',
    "journald": '{"__REALTIME_TIMESTAMP":"1","MESSAGE":' + "[" * NESTED + "]" * NESTED + f',"x":"{RESET}"}}',
    "number": '{"time":"2026-11-20T18:33:26Z","log":"' + RESET + '","n":' + "9" * 50_000 + "}",
    "laughs": "<!DOCTYPE l [<!ENTITY a '&b;&b;'><!ENTITY b '&c;&c;'>]><Event><System><TimeCreated SystemTime='2026-11-20T18:33:26Z'/>"
    f"</System><EventData><Data>&a;&lt;b&gt; {RESET}</Data></EventData></Event>",
}  # fmt: skip


@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting_and_entities_are_survived(name: str) -> None:
    frame = read(DEEP[name], "\n", GOOD)
    assert frame["line"].tolist()[-1] == 2
    assert frame["text"].str.len().max() <= recognition.TEXT_LIMIT


def test_many_keys_are_bounded() -> None:
    fields = {f"k{n}": "v" for n in range(5_000)} | {"time": "2026-11-20T18:33:26Z", "msg": RESET}
    assert len(read(json.dumps(fields), "\n", GOOD)) >= 1


BOMBS = ["(a+)+$", "((((a*)*)*)*)*b", "(.*)*" * 500, "[" * 5000, "\\" * 60_000, "a" * 60_000 + "!", "(?P<x>" * 5000]


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_what_looks_like_a_pattern_is_text(bomb: str) -> None:
    frame = read(f"2026-11-20 18:33:26 ERROR {bomb} {RESET}\n", GOOD)
    assert frame["line"].tolist()[-1] == 2


def test_escapes_controls_and_markup_are_shown_as_text() -> None:
    escapes = "\x1b]0;title\x07\x1b[2J\x1b[31m\x9b31m\x07\x08\x1bPq\x1b\\"
    frame = read(f"2026-11-20 18:33:26 ERROR {escapes}<script>alert(1)</script>\u202e\u2066 {RESET}\n")
    text = str(frame["text"][0])
    assert text.isprintable()
    assert "<script>alert(1)</script>" in text and "\x1b" not in text


def test_nul_bytes_between_and_within() -> None:
    frame = read(b"\0" * 100_000, b"\n", GOOD.replace("Connection", "Conn\0ection"), b"\0" * 70_000, b"\n", GOOD)
    assert frame["event"].tolist() == ["reset_received", "reset_received"]


def test_a_thousand_writers_in_turns() -> None:
    lines = [f"Nov 20 18:33:{n % 60:02d} h app{n % 1000}[{n % 1000}]: {RESET}\n" for n in range(3_000)]
    assert len(read(*lines)) == 3_000


def test_quoted_words_in_a_programs_own_lines_are_not_events() -> None:
    quoted = "java.net.SocketException: Connection reset; ConnectionResetError: [Errno 104] Connection reset by peer"
    head = "2026-11-20 18:33:26.358 UTC [7] "
    frame = read(
        f"{head}LOG:  statement: INSERT INTO log VALUES ('{quoted}')\n",
        f"{head}ERROR:  duplicate key value violates unique constraint\n",
        f"{head}DETAIL:  Key (text)=({quoted}) already exists.\n",
        f"{head}STATEMENT:  INSERT INTO log VALUES ('{quoted}')\n",
    )
    assert frame.empty
