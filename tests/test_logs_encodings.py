"""The same log in another encoding, another language or another packing gives the same events."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
from pathlib import Path

import pandas as pd
import pytest

from analyzer.logs import LogSource, open_logs, read_logs

CAPTURES = Path(__file__).parents[1] / "captures"
# What the localised servers of the corpus wrote, in the words that the same server has in English (longest first).
ENGLISH = {
    "postgres_abort_idle_japanese": {
        " を起動しています": "",
        "LOG:  PostgreSQL 15.18 (": "LOG:  starting PostgreSQL 15.18 (",
        'IPv4アドレス"0.0.0.0"、ポート5432で待ち受けています': 'listening on IPv4 address "0.0.0.0", port 5432',
        'IPv6アドレス"::"、ポート5432で待ち受けています': 'listening on IPv6 address "::", port 5432',
        "データベースシステムは 2026-11-20 10:05:48 UTC にシャットダウンしました": "database system was shut down at 2026-11-20 10:05:48 UTC",
        "データベースシステムの接続受け付け準備が整いました": "database system is ready to accept connections",
        "接続を受け付けました: ホスト=": "connection received: host=",
        " ポート番号=": " port=",
        "接続の認証完了: ユーザー=": "connection authorized: user=",
        "クライアントからデータを受信できませんでした: 接続が相手からリセットされました":
            "could not receive data from client: Connection reset by peer",
        "接続を切断: セッション時間: ": "disconnection: session time: ",
        " ユーザー=": " user=", " データベース=": " database=", " ホスト=": " host=", "[不明]": "[unknown]",
    },
    "postgres_abort_query_chinese": {
        "致命错误": "FATAL", "日志": "LOG",
        "正在启动 PostgreSQL": "starting PostgreSQL",
        '正在监听IPv4地址"0.0.0.0"，端口 5432': 'listening on IPv4 address "0.0.0.0", port 5432',
        '正在监听IPv6地址"::"，端口 5432': 'listening on IPv6 address "::", port 5432',
        "数据库上次关闭时间为 ": "database system was shut down at ",
        "数据库系统准备接受连接": "database system is ready to accept connections",
        "无法发送数据给客户端: 连接被对方重设": "could not send data to client: Connection reset by peer",
        "丢失了到客户端的连接": "connection to client lost",
    },
    "postgres_abort_copy_german": {
        "LOG:  PostgreSQL 15.18 (": "LOG:  starting PostgreSQL 15.18 (", "64-bit startet": "64-bit",
        "erwarte Verbindungen auf IPv4-Adresse »0.0.0.0«, Port 5432": 'listening on IPv4 address "0.0.0.0", port 5432',
        "erwarte Verbindungen auf IPv6-Adresse »::«, Port 5432": 'listening on IPv6 address "::", port 5432',
        "Datenbanksystem wurde am 2026-11-20 11:05:03 CET heruntergefahren": "database system was shut down at 2026-11-20 11:05:03 CET",
        "Datenbanksystem ist bereit, um Verbindungen anzunehmen": "database system is ready to accept connections",
        "Verbindung empfangen: Host=": "connection received: host=", " Port=": " port=",
        "Verbindung autorisiert: Benutzer=": "connection authorized: user=",
        "konnte Daten vom Client nicht empfangen: Die Verbindung wurde vom Kommunikationspartner zurückgesetzt":
            "could not receive data from client: Connection reset by peer",
        "unerwartetes EOF auf Client-Verbindung mit einer offenen Transaktion": "unexpected EOF on client connection with an open transaction",
        "konnte Daten nicht an den Client senden: Datenübergabe unterbrochen (broken pipe)": "could not send data to client: Broken pipe",
        "Verbindung wird abgebrochen, weil Protokollsynchronisierung verloren wurde":
            "terminating connection because protocol synchronization was lost",
        "Verbindungsende: Sitzungszeit: ": "disconnection: session time: ",
        " Benutzer=": " user=", " Datenbank=": " database=", " Host=": " host=", "[unbekannt]": "[unknown]",
        "ZUSAMMENHANG": "CONTEXT", "ANWEISUNG": "STATEMENT", "FEHLER": "ERROR", ", Zeile 11": ", line 11",
    },
}  # fmt: skip
ENCODINGS = {
    "postgres_abort_idle_japanese": ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp932", "euc_jp"],
    "postgres_abort_query_chinese": ["utf-8-sig", "utf-16", "utf-16-le", "gb18030"],
    "postgres_abort_copy_german": ["utf-8-sig", "utf-16", "utf-16-be", "latin_1"],
}
TWINS = [(case, encoding) for case, names in ENCODINGS.items() for encoding in names]


def read(data: bytes) -> pd.DataFrame:
    return read_logs([LogSource("postgresql.log", data)])[0].drop(columns=["text", "verified"])


def english(case: str) -> str:
    text = (CAPTURES / case / "postgresql.log").read_text(encoding="utf-8")
    for words, translation in ENGLISH[case].items():
        assert words in text, words
        text = text.replace(words, translation)
    assert text.isascii(), [line for line in text.splitlines() if not line.isascii()]
    return text


@pytest.mark.parametrize("case", ENGLISH)
def test_a_localised_log_gives_the_events_of_the_english_one(case: str) -> None:
    expected = read(english(case).encode())
    assert "reset_received" in set(expected["event"]) and len(expected) >= 3
    pd.testing.assert_frame_equal(read((CAPTURES / case / "postgresql.log").read_bytes()), expected)


@pytest.mark.parametrize(("case", "encoding"), TWINS)
def test_a_twin_in_another_encoding_gives_the_events_of_the_english_log(case: str, encoding: str) -> None:
    text = (CAPTURES / case / "postgresql.log").read_text(encoding="utf-8")
    for newline in ("\n", "\r\n"):
        twin = text.replace("\n", newline).encode(encoding)
        pd.testing.assert_frame_equal(read(twin), read(english(case).encode()))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_the_twin_of_an_english_log(encoding: str) -> None:
    text = english("postgres_abort_copy_german")
    pd.testing.assert_frame_equal(read(text.encode(encoding)), read(text.encode()))


def test_coloured_lines_and_broken_bytes_between() -> None:
    text = english("postgres_abort_copy_german")
    lines = text.encode().splitlines()
    spoiled = b"\n".join(b"\x1b[1;31m" + line + b" \xff\xfe\x80\x1b[0m" for line in lines) + b"\n"
    columns = ["line", "event", "written", "pid"]
    pd.testing.assert_frame_equal(read(spoiled)[columns], read(text.encode())[columns])


zstd = importlib.import_module("backports.zstd" if importlib.util.find_spec("backports.zstd") else "compression.zstd")
PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd.compress}


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_log_is_read_whatever_its_name(suffix: str, tmp_path: Path) -> None:
    text = english("postgres_abort_copy_german").encode()
    for name in (f"postgresql.log.1.{suffix}", "postgresql.log.2"):
        (tmp_path / name).write_bytes(PACKERS[suffix](text))
        frame, _ = read_logs(open_logs([tmp_path / name]))
        assert list(frame["event"]) == list(read(text)["event"])


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_log_that_is_cut_off_is_read_as_far_as_it_goes(suffix: str, tmp_path: Path) -> None:
    text = english("postgres_abort_copy_german").encode()
    filler = b"".join(b"2026-11-20 11:05:05.000 CET [1] LOG:  %d\n" % (n * n * 7919 % 1000003) for n in range(50_000))
    packed = PACKERS[suffix](text + filler)
    (tmp_path / "cut").write_bytes(packed[: len(packed) * 3 // 4])
    frame, notices = read_logs(open_logs([tmp_path / "cut"]))
    assert list(frame["event"]) == list(read(text)["event"])
    assert any("could not be read to its end" in notice.sentence for notice in notices)
