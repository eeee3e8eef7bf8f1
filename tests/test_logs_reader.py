"""Reading logs: entries, encodings, processes, clocks, and input that means harm."""

from __future__ import annotations

import gzip
import io
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import UnusableInput, UsageError
from analyzer.logs import LogSource, all_formats, encodings, from_frame, open_logs, read_logs
from analyzer.logs.prefilter import LiteralFilter
from analyzer.schema import EVENTS, LOG_LINES

SESSION = """\
2026-11-20 18:33:26.355 JST [21643] [unknown]@[unknown] LOG:  connection received: host=10.1.0.2 port=56852
2026-11-20 18:33:26.357 JST [21643] shop@shop LOG:  connection authorized: user=shop database=shop
2026-11-20 18:33:26.358 JST [21643] shop@shop LOG:  could not receive data from client: Connection reset by peer
2026-11-20 18:33:26.358 JST [21643] shop@shop STATEMENT:  SELECT 'could not receive data from client: Connection reset by peer'
2026-11-20 18:33:26.358 JST [21643] shop@shop LOG:  unexpected EOF on client connection with an open transaction
2026-11-20 18:33:26.359 JST [21643] shop@shop LOG:  disconnection: session time: 0:00:00.001 user=shop database=shop host=10.1.0.2 port=56852
2026-11-20 18:33:27.000 JST [21643] [unknown]@[unknown] LOG:  connection received: host=10.1.0.3 port=40000
2026-11-20 18:33:28.000 JST [21643] shop@shop FATAL:  terminating connection due to administrator command
"""
LINES = ["line", "event", "pid", "client_ip", "client_port", "address_basis", "severity"]


def read(text: str | bytes, **options: object) -> pd.DataFrame:
    data = text.encode() if isinstance(text, str) else text
    return read_logs([LogSource("x.log", data)], **options)[0]  # type: ignore[arg-type]


def rows(frame: pd.DataFrame, columns: list[str]) -> list[tuple[object, ...]]:
    return [tuple(None if pd.isna(v) else v for v in row) for row in frame[columns].itertuples(index=False)]


def test_a_session_and_the_next_one_of_the_same_process() -> None:
    assert rows(read(SESSION), LINES) == [
        (1, "opened", 21643, "10.1.0.2", 56852, "line", "LOG"),
        (2, "authenticated", 21643, "10.1.0.2", 56852, "process", "LOG"),
        (3, "reset_received", 21643, "10.1.0.2", 56852, "process", "LOG"),
        (5, "unexpected_end", 21643, "10.1.0.2", 56852, "process", "LOG"),
        (6, "closed", 21643, "10.1.0.2", 56852, "line", "LOG"),
        (7, "opened", 21643, "10.1.0.3", 40000, "line", "LOG"),
        (8, "terminated_by_administrator", 21643, "10.1.0.3", 40000, "process", "FATAL"),
    ]


def test_the_closing_line_names_the_client_of_earlier_lines() -> None:
    without_opening = "".join(SESSION.splitlines(keepends=True)[1:6])
    assert set(rows(read(without_opening), ["client_ip", "client_port"])) == {("10.1.0.2", 56852)}


def test_a_line_after_the_closing_one_belongs_to_nobody() -> None:
    late = "2026-11-20 18:33:26.500 JST [21643] shop@shop LOG:  could not send data to client: Broken pipe\n"
    text = "".join([*SESSION.splitlines(keepends=True)[:6], late])
    assert rows(read(text), ["event", "client_ip"])[-1] == ("broken_pipe", None)


def test_the_whole_row() -> None:
    row = read(SESSION).iloc[[2]].reset_index(drop=True)
    want = {
        "source": "x.log",
        "line": 3,
        "text": "2026-11-20 18:33:26.358 JST [21643] shop@shop LOG:  could not receive data from client: Connection reset by peer",
        "format": "postgresql",
        "message": "receive_failed",
        "written": pd.Timestamp("2026-11-20T09:33:26.358Z"),
        "zone": "printed",
        "resolution": 0.001,
        "event": "reset_received",
        "severity": "LOG",
        "proves": "Reading from this client failed (under TLS an end of stream without close_notify is worded as a reset): "
        "the writer's kernel had received a reset.",
        "verified": "source",
        "writer": "server",
        "pid": 21643,
        "client_ip": "10.1.0.2",
        "client_port": 56852,
        "address_basis": "process",
        "user": "shop",
        "database": "shop",
    }
    pd.testing.assert_frame_equal(row, LOG_LINES.conform(pd.DataFrame([want])))


def test_every_event_of_a_format_is_a_word_of_the_schema() -> None:
    said = {sample.event for log_format in all_formats() for sample in log_format.samples}
    assert said <= set(EVENTS)


JA = "2026-11-20 18:33:26.358 JST [1] LOG:  クライアントからデータを受信できませんでした: 接続が相手からリセットされました"
ZH = "2026-11-20 18:33:26.358 CST [1] 日志:  无法从客户端获得数据: 连接被对方重设"
DE = (
    "2026-11-20 18:33:26.358 CET [1] LOG:  konnte Daten vom Client nicht empfangen: "
    "Die Verbindung wurde vom Kommunikationspartner zurückgesetzt"
)
RU = "2026-11-20 18:33:26.358 MSK [1] СООБЩЕНИЕ:  не удалось получить данные от клиента: Соединение разорвано другой стороной"
ENCODED = [
    (JA, ["cp932", "euc_jp", "utf-8-sig", "utf-16"]),
    (ZH, ["gb18030", "utf-16"]),
    (DE, ["latin_1", "utf-16"]),
    (RU, ["cp1251"]),
]


@pytest.mark.parametrize(("text", "encoding"), [(text, encoding) for text, names in ENCODED for encoding in names])
def test_encodings_say_the_same_as_utf8(text: str, encoding: str) -> None:
    lines = f"{text}\n{text}\n"
    pd.testing.assert_frame_equal(read(lines.encode(encoding)), read(lines))
    assert list(read(lines)["event"]) == ["reset_received"] * 2


REAL = Path(__file__).parent / "data"


@pytest.mark.parametrize("language", ["ja", "zh", "de", "ja_euc"])
def test_real_servers_in_other_languages_say_what_the_english_one_says(language: str) -> None:
    """Five clusters, the same mishaps: prefixes '%m [%p] %r %u@%d ', '%m [%p] %q%u@%d ', '%t:%r:%u@%d:[%p]:', '%t-%c-' and '%n %p %h '."""

    def told(name: str) -> list[tuple[object, ...]]:
        frame = read((REAL / f"postgresql_{name}.log").read_bytes())
        assert frame["pid"].notna().all()
        told = frame[frame["client_port"].notna()].groupby("event").size()
        return sorted(told.items())

    english = told("en")
    assert dict(english)["reset_received"] == 3
    assert told(language) == english


def test_one_file_in_two_encodings() -> None:
    first, second = JA.encode(), JA.encode("euc_jp")
    assert list(read(b"\n".join([first, second, first]))["event"]) == ["reset_received"] * 3


def test_nul_bytes_and_terminal_escapes_are_dropped() -> None:
    line = "\x1b[31m2026-11-20 18:33:26.358 JST [7] LOG:  could not send data to client: Broken pipe\x1b[0m\r\n"
    frame = read(b"\0" * 4096 + b"\n" + line.encode() + b"\0" * 17)
    assert rows(frame, ["line", "event", "text"]) == [
        (2, "broken_pipe", "2026-11-20 18:33:26.358 JST [7] LOG:  could not send data to client: Broken pipe")
    ]


TRACEBACK = """\
2026-11-20 18:33:26,358 ERROR shop: order failed
Traceback (most recent call last):
  File "/opt/shop/orders.py", line 11, in fetch
    s.recv(10)
ConnectionResetError: [Errno 104] Connection reset by peer

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/opt/shop/orders.py", line 12, in fetch
    raise Failed from None
Failed
2026-11-20 18:33:27,000 INFO shop: next
"""


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_a_traceback_is_one_entry_wherever_the_blocks_end(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "BLOCK", block)
    assert rows(read("start\n" + TRACEBACK + TRACEBACK), ["line", "event", "resolution", "zone"]) == [
        (2, "reset_received", 0.001, "unknown"),
        (15, "reset_received", 0.001, "unknown"),
    ]


def test_zones() -> None:
    text = "2026-11-20 18:33:26,358 ERROR app: [Errno 104] Connection reset by peer\n"
    given_ = read(text, timezone=ZoneInfo("Asia/Tokyo"))
    assert rows(given_, ["written", "zone"]) == [(pd.Timestamp("2026-11-20T09:33:26.358Z"), "given")]
    assert rows(read(text), ["written", "zone"]) == [(pd.Timestamp("2026-11-20T18:33:26.358Z"), "unknown")]
    own = LogSource("x.log", text.encode(), timezone=ZoneInfo("Asia/Kolkata"))
    assert read_logs([own], timezone=ZoneInfo("Asia/Tokyo"))[0]["written"][0] == pd.Timestamp(
        "2026-11-20T13:03:26.358Z"
    )


def test_the_hour_that_daylight_saving_repeats() -> None:
    line = "{} ERROR app: [Errno 104] Connection reset by peer\n"
    times = ["2026-10-25 02:50:00,000", "2026-10-25 02:10:00,000", "2026-10-25 02:50:00,000"]
    frame = read("".join(map(line.format, times)), timezone=ZoneInfo("Europe/Berlin"))
    assert list(frame["written"].dt.strftime("%H:%M")) == ["00:50", "01:10", "01:50"]


def test_a_log_without_years_goes_on_in_the_next() -> None:
    line = "{} web1 app[7]: Connection reset by peer\n"
    frame = read("".join(map(line.format, ["Dec 31 23:59:59", "Jan  1 00:00:00", "Mar  1 00:00:00"])), year=2027)
    assert list(frame["written"].dt.strftime("%Y-%m-%d")) == ["2027-12-31", "2028-01-01", "2028-03-01"]


def test_what_was_read_is_counted() -> None:
    def sentences(text: str) -> list[str]:
        return [n.sentence for n in read_logs([LogSource("x.log", text.encode())])[1]]

    assert sentences(SESSION) == ["8 lines read, 7 entries recognised (7 postgresql)."]
    assert sentences("") == ["The log is empty."]
    assert sentences("2026-11-20 18:33:26 hello\n") == [
        "Nothing in 1 lines was recognised as speaking of a connection."
    ]
    assert (
        sentences("write: Broken pipe\n")[0] == "1 entry speaks of a connection but prints no time, and was left out."
    )


def test_statements_and_other_peoples_words_are_not_events() -> None:
    quoted = "2026-11-20 18:33:26.358 JST [7] LOG:  statement: SELECT 'unexpected EOF on client connection with an open transaction'\n"
    assert read(quoted).empty


def test_a_table_of_messages() -> None:
    table = pd.DataFrame(
        {
            "time": ["2026-11-20T09:33:26.358Z", "2026-11-20T09:33:27Z", "2026-11-20T09:33:28Z"],
            "message": [
                "could not receive data from client: Connection reset by peer",
                "hello",
                "[Errno 32] Broken pipe",
            ],
            "pid": [7, 8, None],
        }
    )
    frame, notices = from_frame(table)
    assert rows(frame, ["line", "event", "pid", "zone", "resolution", "format"]) == [
        (1, "reset_received", 7, "printed", 0.001, "postgresql"),
        (3, "broken_pipe", None, "printed", 0.001, "general"),
    ]
    assert [n.sentence for n in notices] == ["3 messages read, 2 recognised."]
    with pytest.raises(UsageError, match="message is missing"):
        from_frame(table[["time"]])
    with pytest.raises(UsageError, match="must hold times"):
        from_frame(table.assign(time="yesterday"))


# --- Files ------------------------------------------------------------------------------------------------------------


def test_files_are_opened_and_unpacked(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.log", tmp_path / "b.log.gz"
    plain.write_text(SESSION)
    packed.write_bytes(gzip.compress(SESSION.encode()))
    frame, _ = read_logs(open_logs([plain, packed]))
    assert frame.groupby("source", sort=False).size().to_dict() == {"a.log": 7, "b.log.gz": 7}


def test_two_files_of_one_name_keep_their_folders(tmp_path: Path) -> None:
    paths = [tmp_path / name / "x.log" for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(SESSION)
    assert [source.name for source in open_logs(paths)] == [str(path) for path in paths]


REFUSED = {
    "missing": (None, "does not exist"),
    "capture": (b"\xd4\xc3\xb2\xa1" + bytes(20), "is a packet capture, not a log"),
    "program": (b"\x7fELF" + bytes(200), "is no log but a program"),
    "picture": (b"\x89PNG\r\n", "is no log but a picture"),
    "binary": (bytes(range(32)) * 99, "is binary, not a log"),
    "zeros": (bytes(9999), "is binary, not a log"),
    "zip": (b"PK\x03\x04abc", "unpack it first"),
    "broken.gz": (b"\x1f\x8babc", "cannot be unpacked"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_log_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    data, sentence = REFUSED[name]
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UnusableInput, match=sentence) as caught:
        open_logs([path])
    assert str(caught.value).count("\n") == 0


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="is a folder"):
        open_logs([tmp_path])


def test_a_file_that_may_not_be_read_says_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.log"
    path.write_text("x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with pytest.raises(UnusableInput, match=f"belongs to {path.owner()}"):
        open_logs([path])


# --- Harm -------------------------------------------------------------------------------------------------------------

STRESS = {
    "a": "a" * 8000, "digits": "1" * 8000, "blanks": " " * 8000, "cjk": "接続" * 4000, "kv": "k=v " * 2000, "hex": "[::1]:" * 1300,
    "quotes": '"a" ' * 2000, "json": '{"a":"b",' * 900, "at": "u@d " * 2000, "dots": "1.2.3." * 1300,
    "parens": "a(1" * 2600, "colons": "LOG: " * 1600,
}  # fmt: skip


@pytest.mark.parametrize("stuff", STRESS)
def test_no_pattern_is_slow_on_a_long_line(stuff: str) -> None:
    text = STRESS[stuff]
    start = time.process_time()
    for log_format in all_formats():
        log_format.head(text)
        log_format.head("2026-11-20 18:33:26.358 " + text + "LOG:  x")
        for message in log_format.messages:
            before = time.process_time()
            message.regex.search(text)
            message.regex.search(message.literals[0] + text)
            assert time.process_time() - before < 0.25, message.pattern
    assert time.process_time() - start < 20


def test_a_line_without_end_takes_bounded_memory() -> None:
    class Endless(io.RawIOBase):
        left = 64 << 20

        def read(self, size: int = -1) -> bytes:
            take = min(size, self.left)
            self.left -= take
            return b"x" * take

    longest = max(map(len, encodings.blocks(Endless())))  # type: ignore[arg-type]
    assert longest <= encodings.LINE_LIMIT + encodings.BLOCK


def test_the_line_after_an_endless_one_is_read() -> None:
    frame = read(b"x" * (3 << 20) + b"\n" + SESSION.encode())
    assert list(frame["line"]) == [2, 3, 4, 6, 7, 8, 9]


def test_html_and_direction_marks_are_text() -> None:
    text = "2026-11-20 18:33:26,358 ERROR <script>alert(1)</script>\u202e [Errno 104] Connection reset by peer\n"
    assert (
        read(text)["text"][0]
        == "2026-11-20 18:33:26,358 ERROR <script>alert(1)</script> [Errno 104] Connection reset by peer"
    )


@given(st.binary(max_size=400))
def test_any_bytes_are_read(data: bytes) -> None:
    frame, _ = read_logs([LogSource("x.log", data + b"\n" + SESSION.encode())], year=2026)
    pd.testing.assert_frame_equal(frame.head(0), LOG_LINES.empty())
    assert len(frame) >= (0 if data.startswith((b"\xff\xfe", b"\xfe\xff")) else 6)


@given(
    st.lists(st.sampled_from([b"abcd", b"bcda", b"aaaab", b"cdab", b"\xe6\x8e\xa5\xe7"]), min_size=1, max_size=4),
    st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"\xe6\x8e\xa5\xe7"]), max_size=60),
)
def test_the_filter_finds_what_a_search_finds(literals: list[bytes], pieces: list[bytes]) -> None:
    block = b"".join(pieces)
    search = LiteralFilter(literals)
    naive = sorted(
        (i, n) for n, literal in enumerate(search.literals) for i in range(len(block)) if block.startswith(literal, i)
    )
    assert search.find(block) == naive


def test_the_filter_refuses_short_literals() -> None:
    with pytest.raises(ValueError, match="shorter than four bytes"):
        LiteralFilter([b"abc"])


def test_a_date_that_can_be_read_in_two_ways_is_not_read_and_the_reader_is_told() -> None:
    """The Event Viewer's table, in UTF-16."""
    text = (
        "Level,Date and Time,Source,Event ID,Task Category\r\n"
        'Error,5/1/2024 12:00:00 PM,PostgreSQL,0,None,"LOG:  could not receive data from client: Connection reset by peer"\r\n'
    )
    found, notices = read_logs([LogSource("events.csv", text.encode("utf-16"))])
    assert found.empty
    assert any("wevtutil" in notice.sentence for notice in notices)
