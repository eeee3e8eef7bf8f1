"""What the application said last: crafted conversations, real captures, hostile payload, and tshark out of order."""

import asyncio
import itertools
import os
import random
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import dissection, schema
from analyzer.dissection import Dissection, chosen, dissect, find_tshark, tshark_version
from analyzer.dissection.streams import Segment, untangle
from analyzer.dissection.words import WORDS_AT_MOST

ROOT = Path(__file__).parents[1]
CASES = ROOT / "captures"

# --- PostgreSQL's messages --------------------------------------------------------------------------------------------


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack(">I", len(body) + 4) + body


def query(sql: str) -> bytes:
    return message("Q", sql.encode() + b"\0")


def parse(sql: str) -> bytes:
    return message("P", b"\0" + sql.encode() + b"\0\0\0")


def ready(status: str) -> bytes:
    return message("Z", status.encode())


def error(code: str, severity: str = "FATAL", kind: str = "E", text: str = "said", spoken: str = "") -> bytes:
    fields = f"S{spoken or severity}\0V{severity}\0C{code}\0M{text}\0\0"
    return message(kind, fields.encode())


def row(*values: bytes) -> bytes:
    body = struct.pack(">H", len(values)) + b"".join(struct.pack(">i", len(value)) + value for value in values)
    return message("D", body)


STARTUP = struct.pack(">II", 34, 3 << 16) + b"user\0somebody\0database\0d\0\0"
SSL_REQUEST = struct.pack(">II", 8, 80877103)
CANCEL = struct.pack(">IIII", 16, 80877102, 4711, 1)
WELCOME = (
    message("R", bytes(4))
    + message("S", b"server_version\015.1\0")
    + message("K", struct.pack(">II", 4711, 99))
    + ready("I")
)
DONE = message("C", b"SELECT 1\0")
STREAM = message("T", b"\0\1" + b"a\0" + bytes(18)) + b"".join(row(b"x" * 90) for _ in range(400))

# --- TLS and HTTP -----------------------------------------------------------------------------------------------------


def record(kind: int, body: bytes) -> bytes:
    return bytes([kind, 3, 3]) + struct.pack(">H", len(body)) + body


def client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="example.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def mysql_error(code: int, state: bytes, text: bytes, number: int = 0) -> bytes:
    body = b"\xff" + struct.pack("<H", code) + b"#" + state + text
    return len(body).to_bytes(3, "little") + bytes([number]) + body


GREETED = b"\n8.0.36\0" + bytes(4) + b"saltsalt\0" + struct.pack("<HBH", 0xF7FF, 45, 2) + bytes(13) + b"saltsaltsalt\0"
MYSQL_GREETING = ("S", len(GREETED).to_bytes(3, "little") + b"\0" + GREETED)
SECRET = record(23, bytes(range(7, 87)))
SWITCH = record(20, b"\1")

# --- Conversations and the tables of them -----------------------------------------------------------------------------


@dataclass
class Talk:
    """Payloads in the order of the capture; `at` displaces a segment, `after` counts the packets behind the reset."""

    said: Sequence[tuple[str, bytes]]
    port: int = 5432
    mss: int = 1400
    after: int = 0
    order: Callable[[list[dict]], list[dict]] = field(default=lambda rows: rows)
    snaplen: int = 1 << 20


def tables(*talks: Talk, capture: str = "c.pcap") -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """ENDINGS, PACKETS, and (capture, frame) -> the bytes of the frame."""
    endings, packets, frames = [], [], {}
    for number, talk in enumerate(talks, start=1):
        rows, seq = [], {"C": 2**32 - 20, "S": 77}
        for who, payload in talk.said:
            for start in range(0, len(payload), talk.mss):
                part = payload[start : start + talk.mss]
                rows.append({"from_client": who == "C", "seq": seq[who], "length": len(part), "payload": part})
                seq[who] = (seq[who] + len(part)) % 2**32
        rows = talk.order(rows)
        rows.insert(
            len(rows) - talk.after, {"from_client": True, "seq": seq["C"], "length": 0, "payload": b"", "flags": 4}
        )
        for packet in rows:
            frame = len(frames) + 1
            ports = (20_000 + number, talk.port) if packet["from_client"] else (talk.port, 20_000 + number)
            ends = (b"\x0a\0\0\1", b"\x0a\0\0\2") if packet["from_client"] else (b"\x0a\0\0\2", b"\x0a\0\0\1")
            payload = packet.pop("payload")
            header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0, *ends)
            header += struct.pack(">HHIIBBHHH", *ports, packet["seq"], 1, 0x50, packet.get("flags", 0x18), 500, 0, 0)
            frames[capture, frame] = (header + payload)[: talk.snaplen], 40 + len(payload)
            captured = max(0, len(frames[capture, frame][0]) - 40)
            same = {"connection": number, "point": "p", "capture": capture, "frame": frame}
            if packet.get("flags") == 4:
                endings.append({**same, "ending": f"r{number}", "kind": "reset", "server_port": talk.port})
            packets.append({**packet, **same, "captured": captured})
    return schema.ENDINGS.conform(pd.DataFrame(endings)), schema.PACKETS.conform(pd.DataFrame(packets)), frames


def extractor(frames: dict) -> Callable[[str, Sequence[int], Path], list[int]]:
    def extract(capture: str, wanted: Sequence[int], target: Path) -> list[int]:
        with open(target, "xb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 101))
            for number in wanted:
                content, length = frames[capture, number]
                file.write(struct.pack("<IIII", number, 0, len(content), length) + content)
        return list(wanted)

    return extract


def dissected(*talks: Talk, tshark: str, statements: bool = False) -> Dissection:
    endings, packets, frames = tables(*talks)
    return dissect(endings, packets, extractor(frames), Path(tshark), statements=statements)


def rows_of(result: Dissection) -> list[dict]:
    """The facts, NA as None."""
    rows = result.facts.astype(object).to_dict("records")
    return [{name: None if pd.isna(value) else value for name, value in row.items()} for row in rows]


def from_file(path: Path, tshark: str) -> tuple[pd.DataFrame, pd.DataFrame, Callable]:
    """ENDINGS (first reset of each stream), PACKETS and `extract` of a real capture, all by tshark."""
    names = "frame.number tcp.stream tcp.flags tcp.seq_raw tcp.len frame.cap_len frame.len ip.src ipv6.src tcp.srcport tcp.dstport"
    wanted = [part for name in names.split() for part in ("-e", name)]
    call = [tshark, "-n", "-r", path, "-Y", "tcp", "-T", "fields", "-E", "separator=,", "-E", "occurrence=f", *wanted]
    lines = subprocess.run(call, check=True, capture_output=True, text=True).stdout.splitlines()
    packets, endings, clients = [], {}, {}
    for line in lines:
        frame, stream, flags, seq, length, cap, whole, ip4, ip6, sport, dport = line.split(",")
        flags, length = int(flags, 16), int(length)
        source = (ip4 or ip6, sport)
        if stream not in clients:  # a SYN's sender, else the higher port
            clients[stream] = source if flags & 18 == 2 or int(sport) > int(dport) else None
        captured = max(0, length - (int(whole) - int(cap)))
        same = {"point": "p", "capture": path.name, "frame": int(frame), "connection": int(stream)}
        from_client = source == clients[stream]
        packets.append(
            {
                **same,
                "from_client": from_client,
                "flags": flags,
                "seq": int(seq),
                "length": length,
                "captured": captured,
            }
        )
        if flags & 4 and stream not in endings:
            port = int(dport if from_client else sport)
            endings[stream] = {**same, "ending": f"r{len(endings) + 1}", "kind": "reset", "server_port": port}

    def extract(capture: str, frames: Sequence[int], target: Path) -> list[int]:
        numbers = ",".join(map(str, frames))
        call = [tshark, "-r", path, "-Y", f"frame.number in {{{numbers}}}", "-w", target]
        subprocess.run(call, check=True, capture_output=True)
        return list(frames)

    return (
        schema.ENDINGS.conform(pd.DataFrame(endings.values())),
        schema.PACKETS.conform(pd.DataFrame(packets)),
        extract,
    )


# --- Facts ------------------------------------------------------------------------------------------------------------

LOGIN = [("C", STARTUP), ("S", WELCOME)]
BEGIN = [*LOGIN, ("C", query("BEGIN")), ("S", message("C", b"BEGIN\0") + ready("T"))]
GET = ("C", b"GET /secret?token=1 HTTP/1.1\r\nHost: h\r\n\r\n")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
EXTENDED = parse("select 1") + message("B", b"\0\0\0\0\0\0\0\0") + message("E", b"\0\0\0\0\0") + message("S")
PG = {"application": "postgresql", "encrypted": False}

CONVERSATIONS: dict[str, tuple[Talk, dict]] = {
    "idle": (
        Talk(LOGIN),
        {**PG, "backend_pid": 4711, "transaction_open": False, "request_unanswered": False, "client_goodbye": False,
         "sqlstate": None, "server_goodbye": None, "tls_alert": None,
         "last_client_words": "StartupMessage", "last_server_words": "ReadyForQuery (idle)"},
    ),
    "no answer to the start-up": (Talk([("C", STARTUP)]), {**PG, "request_unanswered": True, "transaction_open": None}),
    "asked for a password": (
        Talk([("C", STARTUP), ("S", message("R", struct.pack(">I", 5) + b"salt"))]), {"request_unanswered": False},
    ),
    "password given": (
        Talk([("C", STARTUP), ("S", message("R", struct.pack(">I", 5) + b"salt")), ("C", message("p", b"md5secret\0"))]),
        {"request_unanswered": True, "last_client_words": "PasswordMessage"},
    ),
    "in a transaction": (Talk(BEGIN), {"transaction_open": True, "request_unanswered": False}),
    "in a failed transaction": (
        Talk([*BEGIN, ("C", query("x")), ("S", error("42601", "ERROR") + ready("E"))]),
        {"transaction_open": True, "sqlstate": "42601", "server_goodbye": None, "request_unanswered": False,
         "last_server_words": "ReadyForQuery (in failed transaction)"},
    ),
    "query without answer": (Talk([*LOGIN, ("C", query("select 1"))]), {"request_unanswered": True, "last_client_words": "Query"}),
    "extended query without answer": (Talk([*LOGIN, ("C", EXTENDED)]), {"request_unanswered": True, "last_client_words": "Sync"}),
    "one of two pipelined answered": (
        Talk([*LOGIN, ("C", EXTENDED * 2), ("S", message("1") + message("2") + DONE + ready("I"))]),
        {"request_unanswered": True, "transaction_open": False},
    ),
    "both pipelined answered": (
        Talk([*LOGIN, ("C", EXTENDED * 2), ("S", (message("1") + message("2") + DONE + ready("I")) * 2)]),
        {"request_unanswered": False},
    ),
    "in the middle of a result": (
        Talk([*LOGIN, ("C", query("select 1")), ("S", STREAM)]), {"request_unanswered": True, "last_server_words": "DataRow"},
    ),
    "in the middle of a row": (
        Talk([*LOGIN, ("C", query("select 1")), ("S", row(b"x" * 5000)[:3000])]),
        {"request_unanswered": True, "last_server_words": "DataRow (incomplete)"},
    ),
    "in the middle of a query": (
        Talk([*LOGIN, ("C", query("x" * 5000)[:3000])]),
        {"request_unanswered": True, "last_client_words": "Query (incomplete)"},
    ),
    "copying in": (
        Talk([*LOGIN, ("C", query("copy")), ("S", message("G", bytes(3))), ("C", message("d", b"1\n") * 500)]),
        {"request_unanswered": True, "last_client_words": "CopyData"},
    ),
    "said goodbye": (
        Talk([*LOGIN, ("C", message("X"))]),
        {"client_goodbye": True, "request_unanswered": False, "last_client_words": "Terminate"},
    ),
    "idle in transaction": (
        Talk([*BEGIN, ("S", error("25P03")), ("C", query("select 1"))]),
        {"server_goodbye": "idle_timeout", "sqlstate": "25P03", "transaction_open": True, "request_unanswered": True,
         "last_server_words": "ErrorResponse FATAL 25P03"},
    ),
    "idle session": (Talk([*LOGIN, ("S", error("57P05"))]), {"server_goodbye": "idle_timeout", "request_unanswered": False}),
    "terminated": (
        Talk([*LOGIN, ("C", query("x")), ("S", error("57P01", spoken="致命的エラー"))]),
        {"server_goodbye": "terminated", "request_unanswered": False, "last_server_words": "ErrorResponse FATAL 57P01"},
    ),
    "starting up": (Talk([("C", STARTUP), ("S", error("57P03"))]), {"server_goodbye": "shutdown", "sqlstate": "57P03"}),
    "another process crashed": (
        Talk([*LOGIN, ("S", error("57P02", "WARNING", "N"))]),
        {"server_goodbye": "shutdown", "last_server_words": "NoticeResponse WARNING 57P02", "sqlstate": None},
    ),
    "stopped at once": (Talk([*LOGIN, ("S", error("57P01", "WARNING", "N"))]), {"server_goodbye": "shutdown"}),
    "a notice": (Talk([*LOGIN, ("S", error("01000", "WARNING", "N"))]), {"server_goodbye": None, "request_unanswered": False}),
    "refused": (Talk([("C", STARTUP), ("S", error("28000"))]), {"server_goodbye": "error", "sqlstate": "28000"}),
    "PgBouncer's idle timeout": (
        Talk([*LOGIN, ("S", error("08P01", text="client_idle_timeout"))], port=6432),
        {**PG, "server_goodbye": "idle_timeout", "sqlstate": "08P01"},
    ),
    "PgBouncer's idle transaction": (
        Talk([*LOGIN, ("S", error("08P01", text="idle transaction timeout"))]), {"server_goodbye": "idle_timeout"},
    ),
    "cancel": (Talk([("C", CANCEL)]), {**PG, "last_client_words": "CancelRequest", "request_unanswered": False}),
    "after the ending": (
        Talk([*BEGIN, ("S", error("57P01")), ("C", message("X"))], after=2),
        {"server_goodbye": None, "client_goodbye": False, "last_client_words": "Query", "transaction_open": True},
    ),
    "another port": (Talk(BEGIN, port=16432), {**PG, "transaction_open": True}),
    "the port of another protocol": (Talk(BEGIN, port=3306), {**PG, "transaction_open": True}),
    "another port, begun in the middle": (
        Talk([("C", query("select 1")), ("S", row(b"1") * 3 + DONE + ready("T"))], port=16432), {**PG, "transaction_open": True},
    ),
    "begun in the middle of a row": (
        Talk([("S", STREAM[1234:] + DONE + ready("T") + error("57P01"))]),
        {**PG, "transaction_open": True, "server_goodbye": "terminated"},
    ),
    "begun in the middle of a large row": (
        Talk([("S", b"x" * 30_000 + row(b"y") * 3)]), {**PG, "request_unanswered": True, "transaction_open": None},
    ),
    "out of order": (
        Talk([*LOGIN, ("C", query("x")), ("S", STREAM + DONE + ready("T"))], order=lambda rows: [*rows[:5], *rows[6:9], rows[5], *rows[9:]]),
        {"transaction_open": True, "request_unanswered": False, "last_server_words": "ReadyForQuery (in transaction)"},
    ),
    "sent twice": (
        Talk([*BEGIN, ("C", query("x"))], order=lambda rows: [*rows, *(dict(one) for one in rows[2:])]),
        {"transaction_open": True, "request_unanswered": True},
    ),
    "a packet lost": (
        Talk([*LOGIN, ("C", query("x")), ("S", STREAM + DONE + ready("T"))], order=lambda rows: [*rows[:8], *rows[10:]]),
        {"transaction_open": True, "request_unanswered": False},
    ),
    "the answer lost": (
        Talk([*BEGIN, ("C", query("x")), ("S", ready("I") * 3), ("S", message("A", bytes(4) + b"a\0\0"))],
             order=lambda rows: [*rows[:5], *rows[6:]]),
        {"transaction_open": None, "request_unanswered": None},
    ),
    "cut by the snaplen": (
        Talk([*LOGIN, ("C", query("x" * 100)), ("S", DONE + ready("T")), ("C", query("y" * 100))], snaplen=72),
        {"transaction_open": True, "request_unanswered": True, "last_client_words": "Query", "backend_pid": None},
    ),
    "only headers": (Talk(LOGIN, snaplen=40), {}),
    "GSSAPI inside PostgreSQL": (
        Talk([("C", struct.pack(">II", 8, 80877104)), ("S", b"G"), ("C", struct.pack(">I", 300) + bytes(range(256)) + bytes(44))]),
        {"application": "postgresql", "encrypted": True, "request_unanswered": None},
    ),
    "TLS inside PostgreSQL": (
        Talk([("C", SSL_REQUEST), ("S", b"S"), ("C", client_hello()), ("C", SWITCH + SECRET), ("S", SECRET)]),
        {"application": "postgresql", "encrypted": True, "request_unanswered": None, "transaction_open": None,
         "client_goodbye": None, "tls_alert": None, "last_client_words": "TLS ApplicationData"},
    ),
    "TLS refused": (
        Talk([("C", SSL_REQUEST), ("S", b"N"), *LOGIN]),
        {**PG, "request_unanswered": False, "last_server_words": "ReadyForQuery (idle)"},
    ),
    "TLS, begun in the middle": (
        Talk([("C", SECRET * 3), ("S", SECRET[11:] + SECRET * 3)]),
        {"application": "tls", "encrypted": True, "request_unanswered": None, "last_server_words": "TLS ApplicationData"},
    ),
    "unknown_ca": (
        Talk([("C", client_hello()), ("C", record(21, b"\2\x30"))], port=8443),
        {"application": "tls", "encrypted": False, "tls_alert": "unknown_ca", "last_client_words": "TLS Alert: unknown_ca",
         "client_goodbye": False, "request_unanswered": None},
    ),
    "close_notify": (
        Talk([("C", client_hello()), ("C", record(21, b"\1\0"))], port=443),
        {"tls_alert": "close_notify", "client_goodbye": True, "encrypted": False},
    ),
    "an encrypted alert": (
        Talk([("C", SWITCH + SECRET), ("S", SECRET), ("C", record(21, bytes(range(26))))], port=443),
        {"tls_alert": None, "client_goodbye": None, "last_client_words": "TLS Alert (encrypted)"},
    ),
    "HTTP answered": (
        Talk([GET, ("S", OK + b"0123456789")], port=80),
        {"application": "http", "encrypted": False, "request_unanswered": False, "client_goodbye": False,
         "last_client_words": "HTTP GET", "last_server_words": "HTTP 200"},
    ),
    "HTTP without answer": (Talk([GET, ("S", OK + b"0123456789"), GET], port=8080), {"request_unanswered": True}),
    "HTTP half answered": (
        Talk([GET, ("S", OK + b"012345")], port=8081), {"request_unanswered": True, "last_server_words": "HTTP 200"},
    ),
    "HTTP refused early": (
        Talk([("C", b"PUT / HTTP/1.1\r\nContent-Length: 9999\r\n\r\n" + b"x" * 3000),
              ("S", b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")], port=80),
        {"request_unanswered": False, "last_server_words": "HTTP 413", "client_goodbye": False},
    ),
    "HTTP answered in the hole": (
        Talk([GET, ("S", OK + b"0123456789"), GET, ("S", OK + b"0123456789"), ("S", b"HTTP")], port=80,
             order=lambda rows: [*rows[:3], rows[4]]),
        {"request_unanswered": None},
    ),
    "HTTP with a hole in the body": (
        Talk([GET, ("S", OK.replace(b"10", b"9000") + b"x" * 9000)], port=80, order=lambda rows: [*rows[:3], *rows[5:]]),
        {"request_unanswered": False},
    ),
    "HTTP long and half answered": (
        Talk([GET, ("S", OK.replace(b"10", b"9999") + b"x" * 9000)], port=80, order=lambda rows: [*rows[:3], *rows[5:]]),
        {"request_unanswered": True},
    ),
    "HTTP chunked": (
        Talk([GET, ("S", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n")], port=80),
        {"request_unanswered": False},
    ),
    "HTTP chunks to come": (
        Talk([GET, ("S", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n")], port=80),
        {"request_unanswered": True},
    ),
    "HTTP until the end": (Talk([GET, ("S", b"HTTP/1.1 200 OK\r\n\r\nabc")], port=80), {"request_unanswered": None}),
    "HTTP continue": (
        Talk([GET, ("S", b"HTTP/1.1 100 Continue\r\n\r\n")], port=80), {"request_unanswered": True, "last_server_words": "HTTP 100"},
    ),
    "HTTP leaving": (
        Talk([("C", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), ("S", OK + b"0123456789")], port=80), {"client_goodbye": True},
    ),
    "Redis hangs up": (
        Talk([("C", b"*1\r\n$4000000\r\n" + b"x" * 3000), ("S", b"-ERR Protocol error: invalid bulk length\r\n")], port=6379),
        {"application": "redis", "last_server_words": "Redis ERR Protocol error", "server_goodbye": "error"},
    ),
    "Redis complains": (
        Talk([("C", b"*1\r\n$6\r\nSECRET\r\n"), ("S", b"-ERR unknown command 'SECRET'\r\n")], port=6379),
        {"application": "redis", "last_server_words": "Redis ERR", "server_goodbye": None},
    ),
    "MySQL is full": (
        Talk([("S", mysql_error(1040, b"08004", b"Too many connections"))], port=3306),
        {"application": "mysql", "last_server_words": "MySQL error 1040", "server_goodbye": "error"},
    ),
    "MySQL waited too long": (
        Talk([MYSQL_GREETING, ("S", mysql_error(4031, b"HY000", b"The client was disconnected", number=2))], port=3306),
        {"application": "mysql", "last_server_words": "MySQL error 4031", "server_goodbye": "idle_timeout"},
    ),
    "HTTP body unfinished": (
        Talk([("C", b"POST /up HTTP/1.1\r\nContent-Length: 5000\r\n\r\n" + b"x" * 1000), ("S", b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")],
             port=80),
        {"last_client_words": "HTTP POST (body incomplete)", "last_server_words": "HTTP 413", "request_unanswered": False},
    ),
    "HTTP body whole": (
        Talk([("C", b"POST /up HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)], port=80),
        {"last_client_words": "HTTP POST", "request_unanswered": True},
    ),
    "garbage": (Talk([("C", random.Random(1).randbytes(3000)), ("S", random.Random(2).randbytes(3000))]), {}),
    "garbage elsewhere": (Talk([("C", b"\xff" * 500), ("S", b"\xfe" * 500)], port=443), {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def together(tshark: str) -> dict[str, dict]:
    """The facts of every conversation, all in one capture: none disturbs another, however ports are shared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dissection, "PER_GROUP", 100)
        result = dissected(*(talk for talk, _ in CONVERSATIONS.values()), tshark=tshark)
    assert not result.notices
    names = list(CONVERSATIONS)
    return {names[int(row["ending"][1:]) - 1]: row for row in rows_of(result)}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_facts(name: str, together: dict[str, dict]) -> None:
    _, expected = CONVERSATIONS[name]
    facts = together.get(name, {})
    assert {key: facts[key] for key in expected} == expected
    if not expected:
        assert all(value is None for key, value in facts.items() if key != "ending")


@pytest.mark.parametrize(
    "name", ["idle in transaction", "begun in the middle of a row", "HTTP half answered", "a packet lost"]
)
def test_facts_do_not_depend_on_the_company(name: str, together: dict[str, dict], tshark: str) -> None:
    (alone,) = rows_of(dissected(CONVERSATIONS[name][0], tshark=tshark))
    assert {**alone, "ending": ""} == {**together[name], "ending": ""}


def test_tables_have_the_types_of_the_schema(tshark: str) -> None:
    result = dissected(CONVERSATIONS["idle"][0], tshark=tshark)
    ours = {name: str(kind) for name, kind in result.facts.dtypes.items()}
    declared = {name: column.dtype for name, column in schema.ENDINGS.columns.items()} | {"backend_pid": "Int64"}
    assert ours == {name: declared[name] for name in ours}
    assert {name: str(kind) for name, kind in result.words.dtypes.items()} == {
        name: schema.PACKETS.columns[name].dtype for name in ("capture", "frame", "words")
    }
    nothing = dissect(schema.ENDINGS.empty(), schema.PACKETS.empty(), extractor({}), Path(tshark))
    assert nothing.facts.dtypes.equals(result.facts.dtypes) and nothing.words.dtypes.equals(result.words.dtypes)
    assert not len(nothing.facts) and not nothing.notices


# --- Words ------------------------------------------------------------------------------------------------------------


def test_words_are_kinds_in_the_packet_where_they_end(tshark: str) -> None:
    talk = Talk(
        [
            *LOGIN,
            ("C", EXTENDED),
            ("S", message("1") + message("2") + row(b"x" * 300) * 12 + error("22012", "ERROR") + ready("E")),
        ]
    )
    result = dissected(talk, tshark=tshark)
    assert result.words.to_dict("split")["data"] == [
        ["c.pcap", 1, "StartupMessage"],
        ["c.pcap", 2, "Authentication, ParameterStatus, BackendKeyData, ReadyForQuery (idle)"],
        ["c.pcap", 3, "Parse, Bind, Execute, Sync"],
        ["c.pcap", 4, "ParseComplete, BindComplete, DataRow ×4"],
        ["c.pcap", 5, "DataRow ×4"],
        ["c.pcap", 6, "DataRow ×4, ErrorResponse ERROR 22012, ReadyForQuery (in failed transaction)"],
    ]


def test_what_came_after_the_ending_has_words_and_no_say(tshark: str) -> None:
    words = dissected(CONVERSATIONS["after the ending"][0], tshark=tshark).words
    assert words["words"].tolist()[-2:] == ["ErrorResponse FATAL 57P01", "Terminate"]


SECRETS = ["hunter2", "<script>", "\x1b", "s3cr3t", "parameter"]
TELLING = Talk(
    [
        ("C", STARTUP), ("S", WELCOME),
        ("C", query("select 'hunter2<script>alert(1)</script>\x1b[31m\u202e\0 and " + "long " * 200)),
        ("S", message("T", b"\0\1s3cr3t\0" + bytes(18)) + row(b"s3cr3t") + DONE + ready("I")),
        ("C", parse("select $1 -- hunter2") + message("B", b"\0\0\0\0\0\1\0\0\0\tparameter\0\0") + message("S")),
        ("S", error("XX000", text="s3cr3t <script>")),
    ]
)  # fmt: skip


def test_statements_and_payload_stay_out(tshark: str) -> None:
    result = dissected(TELLING, tshark=tshark)
    shown = result.facts.to_csv() + result.words.to_csv() + str(result.notices)
    assert not [secret for secret in SECRETS if secret in shown]


def test_statements_when_asked_for(tshark: str) -> None:
    result = dissected(TELLING, tshark=tshark, statements=True)
    words = result.words["words"].tolist()
    assert words[2].startswith("Query: select 'hunter2<script>alert(1)</script>\\x1b[31m\\u202e")
    assert len(words[2]) <= len("Query: ") + 300 and words[2].isprintable()
    assert words[4] == "Parse: select $1 -- hunter2, Bind, Sync"
    shown = result.facts.to_csv() + result.words.to_csv()
    assert "s3cr3t" not in shown and "parameter" not in shown
    assert rows_of(result)[0]["last_client_words"] == "Sync"


# --- Hostile payload, bounds, the same answer every time --------------------------------------------------------------


def test_hostile_payload_is_survived_and_bounded(tshark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dissection, "PER_GROUP", 100)
    noise = random.Random(7)
    pieces = [
        noise.randbytes(60_000),
        b"\0" * 60_000,
        ready("I") * 10_000,
        message("D", b"\6\x80" + b"\xff\xff\xff\xff" * 1664) * 9,
        b"Q\x7f\xff\xff\xff" + b"x" * 5000,
        b"Q\0\0\0\3" + b"E\0\0\0\4" * 2000,
        message("E", b"S" + b"F" * 50_000 + b"\0C\x1b[2J\0M]]></packet><packet>\0\0"),
        error("<scri", "<img src=x>", text="</field></proto></packet>&entity;"),
        record(21, b"\2\xee") * 3000,
        b"GET /" + b"a" * 7000 + b" HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -99999999999999999999\r\nConnection: \xff\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + noise.randbytes(5000),
        STARTUP[:4] + b"\0\3\0\0" + b"\xff" * 30,
    ]
    talks = [
        Talk([("C", piece), ("S", other)], port=port)
        for port in (5432, 80)
        for piece, other in zip(pieces, pieces[1:] + pieces[:1], strict=True)
    ]
    began = time.monotonic()
    result = dissected(*talks, tshark=tshark)
    assert time.monotonic() - began < 60
    assert not result.notices and len(result.facts) == len(talks)
    assert result.words["words"].str.len().max() <= WORDS_AT_MOST
    shown = result.facts.to_csv() + result.words.to_csv()
    assert not [bad for bad in ("\x1b", "<", "packet", "FFF", "img") if bad in shown]


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 300), st.binary(min_size=1, max_size=40), st.integers(0, 3)),
        max_size=12,
    )
)
@settings(max_examples=300, deadline=None)
def test_streams_hold_every_byte_at_most_once_and_in_order(parts: list[tuple[bool, int, bytes, int]]) -> None:
    segments = [
        Segment("r1", place, "c", place + 1, way, (2**32 - 100 + seq) % 2**32, len(payload) + cut, payload, False)
        for place, (way, seq, payload, cut) in enumerate(parts)
    ]
    streams = untangle(segments, 5432)
    for way in (True, False):
        spans = sorted((s.seq, s.seq + s.length) for x in streams for s in x.segments if s.from_client is way)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    for stream in streams:
        for segment in stream.segments:
            original = segments[segment.place]
            assert original.payload.endswith(segment.payload) and segment.from_client is original.from_client


def test_many_endings_are_a_bounded_choice(tshark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dissection, "PER_GROUP", 10)
    long = [*LOGIN, *[("C", query("x")), ("S", DONE + ready("I"))] * 60]
    endings, packets, frames = tables(*(Talk(long, port=5432 if number % 3 else 6432) for number in range(300)))
    endings["stage"] = [f"stage {number % 7}" for number in range(300)]
    picked = chosen(endings, packets)
    assert len(picked) == dissection.ENDINGS_AT_MOST and picked == chosen(endings.copy(), packets.copy())
    groups = endings.set_index("ending").loc[picked].groupby(["stage", "server_port"]).size()
    assert len(groups) == 14 and groups.max() <= 10
    asked: list[int] = []
    extract = extractor(frames)

    def counting(capture: str, wanted: Sequence[int], target: Path) -> list[int]:
        asked.extend(wanted)
        return extract(capture, wanted, target)

    result = dissect(endings, packets, counting, Path(tshark))
    assert len(asked) <= dissection.PACKETS_AT_MOST
    assert [notice.level for notice in result.notices] == ["info"] and "100 of 300" in result.notices[0].sentence
    assert result.facts["ending"].tolist() == picked
    assert (result.facts["last_server_words"] == "ReadyForQuery (idle)").all()
    assert (result.facts["backend_pid"] == 4711).all()


def test_few_endings_of_one_kind_are_spread_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dissection, "PER_GROUP", 3)
    endings, packets, _ = tables(*[Talk(LOGIN)] * 9, Talk([], port=5432))
    assert chosen(endings, packets) == ["r1", "r5", "r9"]
    assert chosen(schema.ENDINGS.empty(), packets) == [] == chosen(endings, schema.PACKETS.empty())


def test_a_retransmission_storm_does_not_push_out_what_was_said(tshark: str) -> None:
    def storm(rows: list[dict]) -> list[dict]:
        return [*rows, *(dict(rows[-1]) for _ in range(500))]

    (facts,) = rows_of(dissected(Talk([*BEGIN, ("C", query("x"))], order=storm), tshark=tshark))
    assert facts["transaction_open"] and facts["request_unanswered"] and facts["backend_pid"] == 4711


def test_twenty_runs_are_equal(tshark: str) -> None:
    talks = [
        CONVERSATIONS[name][0]
        for name in ("idle in transaction", "TLS inside PostgreSQL", "HTTP half answered", "garbage")
    ]
    endings, packets, frames = tables(*talks)
    first, *others = (dissect(endings, packets, extractor(frames), Path(tshark)) for _ in range(20))
    for other in others:
        pd.testing.assert_frame_equal(first.facts, other.facts)
        pd.testing.assert_frame_equal(first.words, other.words)
        assert first.notices == other.notices


def test_inside_a_running_event_loop(tshark: str) -> None:
    async def notebook() -> Dissection:
        return dissected(CONVERSATIONS["idle"][0], tshark=tshark)

    assert rows_of(asyncio.run(notebook()))[0]["backend_pid"] == 4711


# --- Several files ----------------------------------------------------------------------------------------------------


def test_a_connection_across_rotated_files(tshark: str) -> None:
    endings, packets, frames = tables(Talk([*BEGIN, ("C", query("a" * 3000)), ("S", DONE + ready("E"))]))
    calls = []

    def renamed(frame: int) -> str:
        return "a.pcap" if frame <= 4 else "b.pcap" if frame <= 6 else "c.pcap"

    packets["capture"] = [renamed(frame) for frame in packets["frame"]]
    endings["capture"] = "c.pcap"
    moved = {(renamed(frame), frame): content for (_, frame), content in frames.items()}

    def extract(capture: str, wanted: Sequence[int], target: Path) -> list[int]:
        calls.append(capture)
        return extractor(moved)(capture, wanted, target)

    result = dissect(endings, packets, extract, Path(tshark))
    (facts,) = rows_of(result)
    assert calls == ["a.pcap", "b.pcap", "c.pcap"]
    assert facts["transaction_open"] and facts["last_server_words"] == "ReadyForQuery (in failed transaction)"
    assert result.words.query("words == 'Query'")[["capture", "frame"]].to_numpy().tolist() == [
        ["a.pcap", 3],
        ["c.pcap", 7],
    ]


def test_files_of_different_formats(tshark: str, tmp_path: Path) -> None:
    endings, packets, frames = tables(*[CONVERSATIONS["idle in transaction"][0]] * 3)
    kinds = {1: ["-F", "pcap"], 2: ["-F", "pcapng"], 3: ["-F", "pcapng"]}
    packets["capture"] = endings["capture"] = ""
    for number in kinds:
        packets.loc[packets["connection"] == number, "capture"] = f"{number}"
        endings.loc[endings["connection"] == number, "capture"] = f"{number}"

    def extract(capture: str, wanted: Sequence[int], target: Path) -> list[int]:
        plain = tmp_path / "plain"
        plain.unlink(missing_ok=True)
        extractor(frames)("c.pcap", wanted, plain)
        subprocess.run([tshark, "-r", plain, *kinds[int(capture)], "-w", target], check=True, capture_output=True)
        return list(wanted)

    result = dissect(endings, packets, extract, Path(tshark))
    assert result.facts["server_goodbye"].tolist() == ["idle_timeout"] * 3


# --- tshark: whose, and when it fails ---------------------------------------------------------------------------------


def test_find_tshark_is_absolute_and_of_the_path(tshark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_tshark() == Path(tshark)
    bait = tmp_path / "tshark"
    bait.write_text("#!/bin/sh\ntouch executed\n")
    bait.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for path in (f".{os.pathsep}{os.environ['PATH']}", f"{os.pathsep}{os.environ['PATH']}"):
        monkeypatch.setenv("PATH", path)
        found = find_tshark()
        assert found is not None and found.is_absolute() and found != bait


def test_version(tshark: str) -> None:
    said = subprocess.run([tshark, "--version"], check=True, capture_output=True, text=True).stdout
    assert tshark_version(Path(tshark)) in said.splitlines()[0]


def test_loading_the_stage_does_not_load_pyshark() -> None:
    code = "import sys, analyzer.dissection; print('pyshark' in sys.modules, 'lxml' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert said.split() == ["False", "False"]


def script(folder: Path, text: str) -> Path:
    path = folder / "fake"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_no_config_of_the_current_directory_is_believed(tshark: str, tmp_path: Path) -> None:
    fake = script(tmp_path, f"touch {tmp_path}/executed")
    bait = f"[tshark]\ntshark_path = {fake}\n[dumpcap]\ndumpcap_path = {fake}\n"
    (tmp_path / "config.ini").write_text(bait)
    home = tmp_path / ".config/wireshark"
    home.mkdir(parents=True)
    (home / "preferences").write_text("tcp.desegment_tcp_streams: FALSE\npgsql.tcp.port: 1\n")
    (home / "disabled_protos").write_text("pgsql\n")
    (home / "init.lua").write_text(f"io.open('{tmp_path}/executed', 'w')")
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"
        "import test_dissection as t\n"
        f"result = t.dissected(t.CONVERSATIONS['idle in transaction'][0], tshark={tshark!r})\n"
        "print(t.rows_of(result)[0]['server_goodbye'], result.notices)"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert said.stdout.split() == ["idle_timeout", "()"]
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo boom >&2; exit 3", "tshark ended with status 3: boom"),
        ("yes $(printf 'x\\033[31m') | head -c 3000000 >&2; exit 3", "tshark ended with status 3"),
        ("kill -SEGV $$", "tshark ended with status -11"),
        ("printf '1\\tnonsense\\n'", "tshark's answer was not understood"),
    ],
)
def test_a_failing_tshark_is_a_notice(text: str, why: str, tmp_path: Path) -> None:
    result = dissected(CONVERSATIONS["idle"][0], tshark=str(script(tmp_path, text)))
    (facts,) = rows_of(result)
    assert set(facts) == {"ending", *dissection.facts.COLUMNS} and not any(
        facts[name] for name in facts if name != "ending"
    )
    (notice,) = result.notices
    assert notice.level == "warning" and why in notice.sentence
    assert notice.sentence.isprintable() and len(notice.sentence) < 400


def test_a_tshark_that_hangs_or_is_missing_is_a_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dissection.tshark, "TIMEOUT", 0.2)
    for path, why in (
        (script(tmp_path, "exec sleep 30"), "did not end"),
        (tmp_path / "none", "could not be run"),
        (Path("a"), "absolute"),
    ):
        result = dissected(CONVERSATIONS["idle"][0], tshark=str(path))
        assert why in result.notices[0].sentence and len(result.facts) == 1 and not len(result.words)


def test_a_capture_that_cannot_be_read_again_is_a_notice(tshark: str) -> None:
    endings, packets, _ = tables(CONVERSATIONS["idle"][0])

    def gone(capture: str, frames: Sequence[int], target: Path) -> list[int]:
        raise FileNotFoundError(f"{capture} is gone")

    result = dissect(endings, packets, gone, Path(tshark))
    assert "c.pcap is gone." in result.notices[0].sentence and len(result.facts) == 1


# --- Real captures ----------------------------------------------------------------------------------------------------

REAL = {
    "postgres_client_abort/server.pcap": {"application": "postgresql", "transaction_open": True, "client_goodbye": False},
    "postgres_client_abort_pcapng/client.pcap": {"application": "postgresql", "transaction_open": True},
    "postgres_client_killed/client.pcap": {"application": "postgresql", "request_unanswered": True, "client_goodbye": False},
    "postgres_idle_in_transaction/server.pcap": {
        "sqlstate": "25P03", "server_goodbye": "idle_timeout", "transaction_open": True, "request_unanswered": True,
        "last_client_words": "Query", "last_server_words": "ErrorResponse FATAL 25P03",
    },
    "postgres_server_killed/server.pcap": {"application": "postgresql", "request_unanswered": True, "server_goodbye": None},
    "stale_pool/client.pcap": {"application": "postgresql", "request_unanswered": True, "last_server_words": "ReadyForQuery (idle)"},
    "stale_pool_any/client.pcap": {"application": "postgresql", "request_unanswered": True},
    "redis_value_too_large/client.pcap": {"application": "redis", "last_server_words": "Redis ERR Protocol error", "server_goodbye": "error"},
    "late_reset/client.pcap": {"application": "http", "request_unanswered": False},
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_captures(name: str, tshark: str) -> None:
    if not (CASES / name).exists():
        pytest.skip(f"captures/{name} is not there.")
    endings, packets, extract = from_file(CASES / name, tshark)
    result = dissect(endings, packets, extract, Path(tshark))
    assert not result.notices
    assert any({key: facts[key] for key in REAL[name]} == REAL[name] for facts in rows_of(result))


def test_the_process_id_is_the_one_in_the_log(tshark: str) -> None:
    case = CASES / "postgres_client_abort"
    if not (case / "server.pcap").exists():
        pytest.skip("captures/postgres_client_abort is not there.")
    (facts,) = rows_of(dissect(*from_file(case / "server.pcap", tshark), Path(tshark)))
    lines = (case / "postgresql.log").read_text().splitlines()
    assert any("could not receive data from client" in line and str(facts["backend_pid"]) in line for line in lines)
