"""Envelopes: what collectors put around lines is taken off, one in the other, and what is inside is recognised again."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from analyzer.logs import LogSource, all_envelopes, encodings, read_logs
from analyzer.logs.envelope import Envelope, Wrapped

SAMPLES = [(envelope, sample) for envelope in all_envelopes() for sample in envelope.samples]


@pytest.mark.parametrize(("envelope", "sample"), SAMPLES, ids=lambda v: v.id if isinstance(v, Envelope) else "")
def test_a_sample_is_in_its_own_envelope_and_in_no_other(envelope: Envelope, sample: Wrapped) -> None:
    assert envelope.peel(sample.text) == sample.peeled
    others = [other.id for other in all_envelopes() if other.fields is envelope.fields and other.peel(sample.text)]
    assert others == [envelope.id]


def test_every_envelope_has_samples() -> None:
    assert all(envelope.samples for envelope in all_envelopes())


def read(lines: list[str], **options: object) -> pd.DataFrame:
    text = "".join(f"{line}\n" for line in lines)
    return read_logs([LogSource("x.log", text.encode())], year=2026, **options)[0]  # type: ignore[arg-type]


def rows(frame: pd.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return [tuple(None if pd.isna(v) else v for v in row) for row in frame[list(columns)].itertuples(index=False)]


PLAIN = [
    "2026-11-20 18:33:26.355 JST [21643] [unknown]@[unknown] LOG:  connection received: host=10.1.0.2 port=56852",
    "2026-11-20 18:33:26.358 JST [21643] shop@shop LOG:  could not receive data from client: Connection reset by peer",
    "2026-11-20 18:33:26.358 JST [21643] shop@shop STATEMENT:  SELECT 'could not receive data from client: Connection reset by peer'",
    "\tFROM orders",
    '2026-11-20 18:33:26.400 JST [21643] shop@shop LOG:  disconnection: session time: 0:00:00.001 user=shop database=shop host=10.1.0.2 port=56852',
]  # fmt: skip
TIME = "2026-11-20T09:33:26.500000000Z"
DRESSED = {
    "syslog": lambda line: f"Nov 20 18:33:27 db1 postgres[21643]: [9-1] {line}".replace("\t", "#011"),
    "syslog_protocol": lambda line: f"<134>1 2026-11-20T18:33:27+09:00 db1 postgres 21643 - - {line}",
    "docker": lambda line: json.dumps({"log": line + "\n", "stream": "stderr", "time": TIME}),
    "kubernetes": lambda line: f"{TIME} stderr F {line}",
    "journald_json": lambda line: json.dumps({"__REALTIME_TIMESTAMP": "1795167206500000", "_PID": "21643", "MESSAGE": line}),
    "json_lines": lambda line: json.dumps({"timestamp": TIME, "stream": "x", "log": line}),
}  # fmt: skip
# As journalctl writes records whose fields have lines of their own.
RECORDS = {
    "export": "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795167206500000\nMESSAGE={}\n_PID=21643\n_SOURCE_REALTIME_TIMESTAMP=1795167206400000\n",
    "verbose": "Fri 2026-11-20 18:33:26.500000 JST [s=1;i=2;b=3;m=4;t=5;x=6]\n    _PID=21643\n    MESSAGE={}\n    _COMM=postgres",
}  # fmt: skip
SAID = ["message", "event", "written", "zone", "resolution", "pid", "client_ip", "client_port", "user", "text"]


@pytest.mark.parametrize("envelope", DRESSED)
def test_a_log_says_the_same_in_any_envelope(envelope: str) -> None:
    dressed = read([DRESSED[envelope](line) for line in PLAIN])
    pd.testing.assert_frame_equal(dressed[SAID], read(PLAIN)[SAID])
    assert set(dressed["envelope"]) == {envelope}
    assert list(dressed["line"]) == [1, 2, 5]


@pytest.mark.parametrize("form", RECORDS)
@pytest.mark.parametrize("block", [64, 1 << 20])
def test_a_record_of_the_journal_is_one_entry(form: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "BLOCK", block)
    record = RECORDS[form]
    dressed = read([record.format(line) for line in PLAIN])
    pd.testing.assert_frame_equal(dressed[SAID], read(PLAIN)[SAID])
    assert set(dressed["envelope"]) == {"journald_fields"}
    bare = read(
        [
            record.format("LOG:  could not receive data from client: Connection reset by peer"),
            record.format("all is well"),
        ]
    )
    assert rows(bare, "line", "event", "pid", "zone") == [(1, "reset_received", 21643, "printed")]


def test_envelopes_in_envelopes() -> None:
    inner = "2026-11-20 18:33:26,358 ERROR shop: [Errno 104] Connection reset by peer"
    line = f"Nov 20 18:33:27 node7 dockerd[9]: {json.dumps({'log': inner + chr(10), 'stream': 'stderr', 'time': TIME})}"
    assert rows(read([line]), "envelope", "host", "program", "pid", "event") == [
        ("syslog docker", "node7", "dockerd", 9, "reset_received")
    ]


def test_the_envelope_says_what_the_line_lacks() -> None:
    line = "2026-11-20T18:33:26.500000+09:00 web1 app[4711]: write: broken pipe"
    assert rows(read([line]), "written", "zone", "host", "program", "pid", "text") == [
        (pd.Timestamp("2026-11-20T09:33:26.5Z"), "printed", "web1", "app", 4711, "write: broken pipe")
    ]


def test_the_collectors_stamp_tells_the_zone_of_the_programs_own() -> None:
    own = "2026-11-20 15:03:25,358 ERROR shop: [Errno 104] Connection reset by peer"
    assert rows(read([f"{TIME} stderr F {own}"], timezone=ZoneInfo("America/New_York")), "written", "zone") == [
        (pd.Timestamp("2026-11-20T09:33:25.358Z"), "printed")
    ]
    far = (
        "2026-11-20 15:10:00,000 ERROR shop: [Errno 104] Connection reset by peer"  # 6 minutes off a quarter: replayed
    )
    assert rows(read([f"{TIME} stderr F {far}"]), "written", "zone") == [
        (pd.Timestamp("2026-11-20T15:10:00Z"), "unknown")
    ]


TRACE = """\
order failed
Traceback (most recent call last):
  File "/opt/shop/orders.py", line 11, in fetch
    s.recv(10)
ConnectionResetError: [Errno 104] Connection reset by peer

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/opt/shop/orders.py", line 12, in fetch
    raise Failed
Failed: ConnectionResetError(104, 'Connection reset by peer')""".splitlines()
JAVA = """\
java.net.SocketException: Connection reset
\tat java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:318)
Caused by: java.net.SocketException: Connection reset
\t... 20 more""".splitlines()


@pytest.mark.parametrize("envelope", [name for name in DRESSED if name != "json_lines"])  # one object is one entry
@pytest.mark.parametrize("stamp", ["", "2026-11-20 18:33:26,358 ERROR "], ids=["bare", "stamped"])
@pytest.mark.parametrize("trace", [TRACE, JAVA], ids=["python", "java"])
@pytest.mark.parametrize("block", [64, 1 << 20])
def test_a_stack_trace_in_envelopes_is_one_event(
    envelope: str, stamp: str, trace: list[str], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encodings, "BLOCK", block)
    lines = [DRESSED[envelope](line) for line in [f"{stamp}{trace[0]}", *trace[1:]]]
    other = DRESSED[envelope](f"{stamp}all is well")
    frame = read([other, *lines, *lines, other])
    assert list(frame["event"]) == ["reset_received"] * 2
    assert list(frame["line"].diff().dropna()) == [len(lines)]


def test_lines_of_other_writers_stand_between() -> None:
    own = [f"Nov 20 18:33:27 web1 app[7]: {line}" for line in JAVA]
    other = "Nov 20 18:33:27 web1 cron[9]: (root) CMD (true)"
    frame = read([own[0], other, own[1], other, other, own[2], other, own[3]])
    assert rows(frame, "line", "event", "pid") == [(1, "reset_received", 7)]


def test_the_pieces_of_a_line_are_joined() -> None:
    line = "2026-11-20 18:33:26,358 ERROR shop: [Errno 104] Connection reset by peer"
    for cut in (5, 30, 45, 60):
        pieces = [f"{TIME} stderr P {line[:cut]}", f"{TIME} stdout F GET /", f"{TIME} stderr F {line[cut:]}"]
        assert rows(read(pieces), "line", "event", "text") == [(1, "reset_received", line)]


def test_a_message_that_the_journal_keeps_as_bytes() -> None:
    text = "\x1b[31mクライアントからデータを受信できませんでした: 接続が相手からリセットされました".encode("euc_jp")
    head = b"2026-11-20 18:33:26.358 JST [1] LOG:  "
    line = json.dumps({"__REALTIME_TIMESTAMP": "1795167206500000", "MESSAGE": list(head + text)})
    assert rows(read([line]), "event", "envelope") == [("reset_received", "journald_json")]


@pytest.mark.parametrize(
    "line",
    [
        '{"level":"error","ts":1795167206.5,"msg":"failed","error":"dial tcp 10.2.0.2:5432: connect: connection refused"}',
        '{"level":"error","ts":1795167206.5,"msg":"failed","error":{"detail":["x","dial tcp 10.2.0.2:5432: connect: connection refused"]}}',
        'ts=1795167206.5 level=error msg=failed err="dial tcp 10.2.0.2:5432: connect: connection refused"',
    ],
)
def test_fields_are_read_wherever_they_stand(line: str) -> None:
    assert rows(read([line]), "event", "server_ip", "server_port", "severity", "written") == [
        ("refused", "10.2.0.2", 5432, "ERROR", pd.Timestamp("2026-11-20T09:33:26.5Z"))
    ]


def test_a_programs_own_json_is_not_taken_apart() -> None:
    line = json.dumps(
        {"timestamp": "2026-11-20 18:33:26.358 JST", "pid": 7, "remote_host": "10.1.0.2", "remote_port": 5, "error_severity": "LOG",
         "message": "could not send data to client: Broken pipe"}, separators=(",", ":"),
    )  # fmt: skip
    assert rows(read([line]), "format", "envelope", "client_port") == [("postgresql", None, 5)]
