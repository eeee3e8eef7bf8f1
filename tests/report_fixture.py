"""A hand-made Diagnosis for the report's tests: every kind of answer, and hostile strings in every place that is shown.

Lives here: a short notation of what was found, and the tables as the stages would make them of it. Never here: an assertion.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pandas as pd

from analyzer import schema
from analyzer.errors import Notice
from analyzer.result import Diagnosis

SCRIPT = "<script>alert(1)</script>"
ESCAPE = "\x1b[31mred\x1b]0;title\x07"
OVERRIDE = "\u202egnp.exe\u202c"
JAPANESE = "クライアントからデータを受信できませんでした: 接続が相手からリセットされました"
START = pd.Timestamp("2026-03-02T00:14:05.120000000Z")
CLIENT_CAPTURE = f"client{SCRIPT}.pcap"
SERVER_CAPTURE = "server-%m%d.pcap"
LOG = f"postgresql-月曜{SCRIPT}.log"

CAUSES: dict[str, dict[str, Any]] = {
    "abortive_close": {
        "title": "The program closed the connection abruptly",
        "mechanism": "The program closed its socket with SO_LINGER 0, or the runtime did so for it; the kernel then sends RST in "
        "place of FIN (tcp_disconnect, RFC 9293 3.10.5).",
        "remedy": "Close the connection in the client with PQfinish or by ending the transaction first. In pools: return the "
        "connection instead of dropping it. The setting is the client's.",
        "confirm": "On the client: nstat -az TcpExtTCPAbortOnData TcpExtTCPAbortOnClose, before and after.",
        "lookalikes": {
            "unread_data_at_close": "There the program had not read everything; here the server's last bytes were acknowledged "
            "and the window was open.",
            "process_exit": "A killed process ends with FIN unless data is unread.",
        },
        "references": [
            ("RFC 9293 3.10.5", "https://www.rfc-editor.org/rfc/rfc9293"),
            ("tcp_close()", "net/ipv4/tcp.c"),
        ],
    },
    "connection_state_lost": {
        "title": "A device on the path had forgotten the connection",
        "mechanism": "A NAT, firewall or balancer dropped its entry after an idle time and answered the next packet with RST.",
        "remedy": "Set keepalives below the device's idle time: tcp_keepalives_idle = 120 in the client's connection string; or "
        "raise the idle time on the device. The setting is the device's or the client's, not the server's.",
        "confirm": "conntrack -E on the router shows DESTROY before the reset.",
        "lookalikes": {
            "idle_timeout": "An endpoint that closes for idleness does so at the timer, not at the next packet."
        },
        "references": [("RFC 5382 REQ-5", "https://www.rfc-editor.org/rfc/rfc5382")],
    },
    "health_probe": {
        "title": "A health probe that only opens and closes",
        "mechanism": "A balancer opens a connection and resets it at once to see whether the port answers.",
        "remedy": "Nothing is broken. To quieten the log, use a probe that speaks the protocol (pg_isready).",
        "confirm": "The probe's period in the balancer's settings equals the period found.",
        "lookalikes": {},
        "references": [],
    },
}


def _packets(
    connection: int, point: str, capture: str, stream: int, first_frame: int, steps: list[tuple[Any, ...]]
) -> list[dict[str, Any]]:
    """Rows of PACKETS from (seconds from START, from_client, flags, relative seq, relative ack, length, extras)."""
    rows = []
    for number, (at, from_client, flags, seq, ack, length, *extras) in enumerate(steps):
        rows.append(
            {
                "connection": connection, "point": point, "capture": capture, "frame": first_frame + number, "stream": stream,
                "time": START + pd.Timedelta(seconds=at), "from_client": from_client, "flags": flags, "seq": 1000 + seq,
                "ack": None if ack is None else 2000 + ack, "relative_seq": seq, "relative_ack": ack, "window": 502,
                "length": length, "captured": length, "ttl": 64, "retransmission": False, "keepalive": False,
                **(extras[0] if extras else {}),
            }
        )  # fmt: skip
    return rows


S, SA, A, PA, R, RA = 0x2, 0x12, 0x10, 0x18, 0x4, 0x14
HANDSHAKE: list[tuple[Any, ...]] = [
    (0.0, True, S, 0, None, 0),
    (0.0004, False, SA, 0, 1, 0),
    (0.0006, True, A, 1, 1, 0),
]


def packets() -> pd.DataFrame:
    chatter: list[tuple[Any, ...]] = [*HANDSHAKE]
    client, server, at = 1, 1, 0.002
    for _ in range(16):
        chatter.append((at, True, PA, client, server, 46, {"words": "Query"}))
        client += 46
        chatter.append(
            (
                at + 0.0009,
                False,
                PA,
                server,
                client,
                118,
                {"words": "RowDescription, DataRow, CommandComplete, ReadyForQuery T"},
            )
        )
        server += 118
        chatter.append((at + 0.0011, True, A, client, server, 0))
        at += 0.11
    abort = [
        *chatter,
        (60.2, True, PA, client, server, 33, {"words": "Query"}),
        (60.4, True, PA, client, server, 33, {"words": "Query", "retransmission": True}),
        (60.4007, False, A, server, client + 33, 0),
        (62.73, True, RA, client + 33, server, 0),
    ]
    forgotten = [
        *HANDSHAKE,
        (0.01, True, PA, 1, 1, 58, {"words": "StartupMessage"}),
        (0.02, False, PA, 1, 59, 324, {"words": "AuthenticationOk, ParameterStatus, ReadyForQuery I"}),
        (0.0202, True, A, 59, 325, 0),
        (120.0, True, A, 58, 325, 0, {"keepalive": True}),
        (120.0004, False, A, 325, 59, 0),
        (425.31, True, PA, 59, 325, 41, {"words": "Query"}),
        (425.3103, False, R, 325, None, 0),
        (425.92, True, RA, 100, 325, 0),
    ]
    other = [(t - 0.0002, *rest) for t, *rest in forgotten[:8]] + [(426.2, True, RA, 100, 325, 0)]
    riddle = [(900.0, False, PA, 1, 1, 1380, {"words": f"DataRow {SCRIPT}"}), (900.1, True, RA, 1, 1381, 0)]
    rows = _packets(1, "server", SERVER_CAPTURE, 3, 17, abort) + _packets(2, "client", CLIENT_CAPTURE, 0, 1, forgotten)
    rows += _packets(3, "server", SERVER_CAPTURE, 9, 3001, other) + _packets(
        4, "server", SERVER_CAPTURE, 12, 5001, riddle
    )
    for number in range(10):
        probe = [(t + 30.0 + 10 * number, *rest) for t, *rest in [*HANDSHAKE, (0.0009, True, RA, 1, 1, 0)]]
        rows += _packets(10 + number, "server", SERVER_CAPTURE, 20 + number, 6001 + 10 * number, probe)
    frame = pd.DataFrame(rows)
    frame.loc[frame["frame"] == 3, "copy_of"] = pd.NA
    return schema.PACKETS.conform(frame)


def _stamp(at: float) -> str:
    return (START + pd.Timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def _end(ip: str, port: int) -> dict[str, Any]:
    return {"ip": ip, "port": port}


def _sign(
    cause: str, sign: str, held: bool | None, weight: int, sentence: str, frames: list[tuple[str, int]], rank: int = 1
) -> dict[str, Any]:
    cited = [{"capture": capture, "frame": frame} for capture, frame in frames]
    return {"cause": cause, "sign": sign, "held": held, "weight": weight, "sentence": sentence, "frames": cited,
            "log_lines": [], "rank": rank, "origin": "sender" if rank == 1 else "path"}  # fmt: skip


def _reset(identity: str, **values: Any) -> dict[str, Any]:
    reset = {
        "id": identity, "point": "server", "capture": SERVER_CAPTURE, "frame": None, "stream": None, "time": None,
        "client": _end("10.0.1.15", 51344), "server": _end("10.0.0.2", 5432), "roles_known": True, "apparent_sender": "client",
        "reset_by": "undetermined", "emitter": "unknown", "confidence": None, "cause": "unexplained", "cause_confidence": None,
        "harmless": False, "copies": [], "sightings": [], "alternatives": [], "evidence": [], "log_lines": [],
        "next_capture": None, "next_log": None, "title": None, "sentence": None, "proof": None, "consequence": [], "facts": {},
        "filter": None, "band": None,
    } | values  # fmt: skip
    reset["title"] = CAUSES.get(reset["cause"], {}).get("title", "No known cause fits")
    if reset["frame"]:
        reset["filter"] = f"tcp.stream eq {reset['stream']} and frame.number <= {reset['frame']}"
    return reset


def _line(line: int, at: float, lag: float, text: str, event: str, tie: str) -> dict[str, Any]:
    return {
        "source": LOG,
        "line": line,
        "time": _stamp(at),
        "event": event,
        "lag_seconds": lag,
        "tie": tie,
        "text": text,
    }


def resets() -> list[dict[str, Any]]:
    abort_frame = 17 + 51 + 3
    abort = _reset(
        "r5", frame=abort_frame, stream=3, time=_stamp(62.73), reset_by="client", emitter="socket", confidence=0.94,
        cause="abortive_close", cause_confidence=0.88, band="38 of 38 laboratory cases in this band were right; none with Windows.",
        sentence="The client 10.0.1.15:51344 reset its connection with a transaction open.",
        facts={"ttl": 63, "ttl_usual": 63, "idle_gap": 2.3293, "unacked_peer": 0, "transaction_open": True, "stage": "data"},
        log_lines=[
            _line(4711, 62.7314, 0.0014, "2026-03-02 09:15:10.551 JST [8842] app@shop LOG:  could not receive data from client: "
                  f"Connection reset by peer {SCRIPT}", "reset_received", "process"),
            _line(4712, 62.7316, 0.0016, f"2026-03-02 09:15:10.551 JST [8842] app@shop LOG:  {JAPANESE}", "unexpected_end", "process"),
            _line(4713, 62.9, 0.17, "x" * 5000, "detail", "process"),
            _line(4714, 66.1, 3.37, f"{ESCAPE} {OVERRIDE}", "detail", "time"),
        ],
        evidence=[
            _sign("abortive_close", "live_socket", True, 14, "The reset is what a live socket sends: RST and ACK at the next sequence "
                  "number (seq_delta 0), window 502.", [(SERVER_CAPTURE, abort_frame)]),
            _sign("abortive_close", "ttl_fits", True, 7, "Its TTL is 63, the usual TTL of 10.0.1.15 in this connection (63).",
                  [(SERVER_CAPTURE, abort_frame), (SERVER_CAPTURE, 20)]),
            _sign("abortive_close", "transaction_open", True, 4, "A transaction was open: the last ReadyForQuery said T.", [(SERVER_CAPTURE, 66)]),
            _sign("abortive_close", "said_goodbye", False, 0, "The client had said goodbye (Terminate).", []),
            _sign("abortive_close", "prompt", False, -3, "The reset came within one round trip of the last answer (it came after 2.33 s).",
                  [(SERVER_CAPTURE, abort_frame - 1)]),
            _sign("abortive_close", "outgoing", None, 0, "The reset left the client's own network card.", []),
            _sign("abortive_close", "process_line", None, 0, f"The client's log names the error {SCRIPT}.", []),
            _sign("injected_reset", "ttl_differs", False, -9, "Its TTL differs from the usual by more than 1.", [(SERVER_CAPTURE, abort_frame)], 2),
            _sign("injected_reset", "too_fast", None, 0, "It came sooner than a round trip allows.", [], 2),
        ],
        alternatives=[
            {"cause": "unread_data_at_close", "reset_by": "client", "confidence": 0.06},
            {"cause": "process_exit", "reset_by": "client", "confidence": 0.03},
            {"cause": "injected_reset", "reset_by": "middlebox", "confidence": 0.02},
        ],
    )  # fmt: skip
    forgotten = _reset(
        "r13", point="client", capture=CLIENT_CAPTURE, frame=10, stream=0, time=_stamp(425.3103), client=_end("2001:db8::15", 40112),
        server=_end("2001:db8:ffff::2", 5432), apparent_sender="server", reset_by="middlebox", emitter="device", confidence=0.99,
        cause="connection_state_lost", cause_confidence=0.93, proof="both ends: it arrived here and never left the server's host",
        sentence="A device between answered in the server's name.", facts={"ttl": 63, "ttl_usual": 61, "idle_gap": 305.31},
        consequence=[{"capture": CLIENT_CAPTURE, "frame": 11, "sentence": "The client's own reset is an answer to the first one."}],
        sightings=[{"point": "server", "capture": SERVER_CAPTURE, "frame": 3009, "stream": 9}],
        evidence=[
            _sign("connection_state_lost", "absent_at_sender", True, 20, "The capture at the server holds this connection and not this reset.",
                  [(SERVER_CAPTURE, 3008)]),
            _sign("connection_state_lost", "idle", True, 10, "The connection had been idle for 305.31 s.",
                  [(CLIENT_CAPTURE, 8), (CLIENT_CAPTURE, 9)]),
            _sign("connection_state_lost", "ttl_differs", True, 8, "Its TTL is 63; the server's is 61.", [(CLIENT_CAPTURE, 10), (CLIENT_CAPTURE, 5)]),
        ],
        alternatives=[{"cause": "idle_timeout", "reset_by": "middlebox", "confidence": 0.05}],
    )  # fmt: skip
    riddle = _reset(
        "r14", frame=5002, stream=12, time=_stamp(900.1), client=_end("10.0.9.9", 40000), roles_known=False, harmless=None,
        next_capture="Capture on the client's host 10.0.9.9 at the same time: tcpdump -i any -s 128 -w client-%Y%m%d-%H%M%S.pcap "
        "'tcp port 5432'. If the reset does not leave there, a device made it.",
        next_log="Set log_line_prefix = '%m [%p] %r ' so that a line names its connection.",
        evidence=[_sign("injected_reset", "ttl_differs", None, 0, "Its TTL differs from the usual.", [], 2),
                  _sign("injected_reset", "in_window", True, 3, "It lies in the window.", [(SERVER_CAPTURE, 5002)], 2)],
        alternatives=[{"cause": "abortive_close", "reset_by": "client", "confidence": 0.45},
                      {"cause": "injected_reset", "reset_by": "middlebox", "confidence": 0.41}],
    )  # fmt: skip
    probes = [
        _reset(
            f"r{number + (1 if number < 4 else 2)}", frame=6004 + 10 * number, stream=20 + number, time=_stamp(30.0009 + 10 * number),
            client=_end("10.0.5.5", 33000 + number), reset_by="client", emitter="socket", confidence=0.97, cause="health_probe",
            cause_confidence=0.95, harmless=True, sentence="A probe.",
            evidence=[_sign("health_probe", "regular", True, 12, "The probes come every 10 s (10 of them, variation 0.01).",
                            [(SERVER_CAPTURE, 6004 + 10 * number)])],
        )
        for number in range(10)
    ]  # fmt: skip
    return sorted([abort, forgotten, riddle, *probes], key=lambda reset: reset["time"])


def _incident(
    identity: str, members: list[dict[str, Any]], clients: list[str], servers: list[str], sentence: str
) -> dict[str, Any]:
    first = members[0]
    return {
        "id": identity, "reset_by": first["reset_by"], "confidence": first["confidence"], "cause": first["cause"],
        "cause_confidence": first["cause_confidence"], "first": first["time"], "last": members[-1]["time"],
        "resets": len(members), "clients": clients, "servers": servers, "sentence": sentence,
        "afterwards": None, "remedy": CAUSES.get(first["cause"], {}).get("remedy"), "title": first["title"], "harmless": first["harmless"] is True,
        "endings": [member["id"] for member in members], "logged": sum(bool(member["log_lines"]) for member in members),
    }  # fmt: skip


def notation(top: str = "i1") -> dict[str, Any]:
    """What was found, in the notation of the result document, with incident `top` as the verdict."""
    found = resets()
    by_id = {reset["id"]: reset for reset in found}
    incidents = [
        _incident("i1", [by_id["r5"]], ["10.0.1.15"], ["10.0.0.2:5432"],
                  "The client 10.0.1.15:51344 reset its connection to 10.0.0.2:5432 with a transaction open (abortive_close, very likely)."),
        _incident("i2", [by_id["r13"]], ["2001:db8::15"], ["[2001:db8:ffff::2]:5432"],
                  "A device between 2001:db8::15 and [2001:db8:ffff::2]:5432 had forgotten the connection after 305 s of silence and "
                  "answered the next query with a reset in the server's name."),
        _incident("i3", [by_id["r14"]], ["10.0.9.9"], ["10.0.0.2:5432"],
                  "Neither the client nor a device between can be ruled out as the sender."),
        _incident("i4", [reset for reset in found if reset["cause"] == "health_probe"], ["10.0.5.5"], ["10.0.0.2:5432"],
                  "10.0.5.5 probes 10.0.0.2:5432 every 10 s and resets at once; nothing is lost."),
    ]  # fmt: skip
    incidents.sort(key=lambda incident: (incident["id"] != top, incident["id"]))
    first = incidents[0]
    return {
        "schema": "pcapreport/1",
        "generated": "2026-03-02T12:00:00.000000000Z",
        "verdict": {"incident": first["id"], "reset_by": first["reset_by"], "confidence": first["confidence"], "cause": first["cause"],
                    "cause_confidence": first["cause_confidence"], "covers": 0.3333, "others": 3,
                    "sentence": f"Several problems, of which this is the first: {first['sentence']}"},
        "coverage": [
            {"point": "client", "first": _stamp(-60), "last": _stamp(1200), "where": "client", "directions": "both", "drops": 0,
             "hosts": ["2001:db8::15"], "sentence": "Taken at the client's host 2001:db8::15, both directions, no loss known. 1 connection."},
            {"point": "server", "first": _stamp(-30), "last": _stamp(1100), "where": "server", "directions": "both", "drops": None,
             "hosts": ["10.0.0.2"],
             "sentence": "Taken at the server's host 10.0.0.2, both directions; whether packets were lost is unknown. 13 connections."},
        ],
        "incidents": incidents,
        "resets": found,
        "died_in_silence": [],
        "unmatched_log_lines": [
            {"source": LOG, "line": 99, "time": _stamp(500), "event": "reset_received", "text": f"LOG:  {JAPANESE} {SCRIPT}",
             "reason": "No connection of this capture was reset within 30 s of it.", "next_log": "Set log_connections = on."},
            {"source": "client.log", "line": 7, "time": None, "event": "reset_received", "text": f"psycopg2.OperationalError {ESCAPE}",
             "reason": "Its clock could not be related to the capture.", "next_log": None},
        ],
        "clocks": [
            {"source": LOG, "offset_seconds": 32402.7, "spread_seconds": 0.004, "support": 14,
             "sentence": "The log is in UTC+9 and runs 2.7 s ahead of the capture."},
            {"source": "client.log", "offset_seconds": None, "spread_seconds": None, "support": 0, "sentence": None},
        ],
        "notices": [
            {"level": "warning", "source": SERVER_CAPTURE, "place": "frame 7001",
             "sentence": "The last packet is cut off; the file ends in the middle of it."},
            {"level": "info", "source": "", "place": "", "sentence": f"tshark was not found {SCRIPT}; what the application said is unknown."},
        ],
        "sources": [
            {"path": f"/captures/{CLIENT_CAPTURE}", "bytes": 123456, "packets": 1834, "first": _stamp(-60), "last": _stamp(1200)},
            {"path": f"/captures/{SERVER_CAPTURE}", "bytes": 987654321, "packets": 7001, "first": _stamp(-30), "last": None},
        ],
        "log_sources": [{"source": LOG, "recognised": 8123, "formats": ["postgresql"]}],
        "settings": {"around": None, "port": 5432, "dissection": True, "versions": {"pcapreport": "0.1.0", "tshark": None}},
    }  # fmt: skip


KINDS = {"r5": 1, "r13": 2, "r14": 4} | {
    f"r{n + (1 if n < 4 else 2)}": 10 + n for n in range(10)
}  # ending -> connection


def _time(text: str | None) -> Any:
    return pd.Timestamp(text) if text else None


def tables(made: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """The tables from which a Diagnosis makes that document again."""
    out = {table.name.lower(): table.empty() for table in schema.TABLES}
    out["packets"] = packets()
    all_resets = made["resets"] + made["died_in_silence"]

    def fill(name: str, rows: list[dict[str, Any]]) -> None:
        out[name] = getattr(schema, name.upper()).conform(pd.DataFrame(rows)) if rows else out[name]

    def pick(item: dict[str, Any], *names: str) -> dict[str, Any]:
        return {name: item[name] for name in names}

    ending = ("point", "capture", "frame", "stream", "roles_known", "apparent_sender")
    fill(
        "endings",
        [
            {
                "ending": r["id"],
                "kind": r.get("kind", "reset"),
                "time": _time(r["time"]),
                "connection": KINDS.get(r["id"], 1),
                **pick(r, *ending),
                **{f"{side}_{part}": r[side][part] for side in ("client", "server") for part in ("ip", "port")},
                **r["facts"],
            }
            for r in all_resets
        ],
    )
    finding = (
        "reset_by",
        "confidence",
        "cause",
        "cause_confidence",
        "emitter",
        "proof",
        "harmless",
        "alternatives",
        "sentence",
        "next_capture",
        "next_log",
    )
    fill("findings", [{"ending": r["id"], **pick(r, *finding)} for r in all_resets])
    fill(
        "evidence",
        [
            {"ending": r["id"], **e, "frames": [(f["capture"], f["frame"]) for f in e["frames"]], "log_lines": []}
            for r in all_resets
            for e in r["evidence"]
        ],
    )
    fill(
        "matches",
        [
            {
                "ending": r["id"],
                **pick(x, "source", "line", "event", "tie"),
                "time": _time(x["time"]),
                "lag": x["lag_seconds"],
                "writer": "server",
                "tie_sentence": "Process 8842 named this connection in line 4702.",
                "coincidence": 0.0001,
            }
            for r in all_resets
            for x in r["log_lines"]
        ],
    )
    seen = {(x["source"], x["line"]): x["text"] for r in all_resets for x in r["log_lines"]}
    fill("log_lines", [{"source": source, "line": line, "text": text} for (source, line), text in seen.items()])
    fill(
        "incidents",
        [
            {
                "incident": i["id"],
                "first": _time(i["first"]),
                "last": _time(i["last"]),
                **pick(
                    i,
                    "reset_by",
                    "confidence",
                    "cause",
                    "cause_confidence",
                    "harmless",
                    "resets",
                    "logged",
                    "clients",
                    "servers",
                    "endings",
                    "sentence",
                    "afterwards",
                    "remedy",
                ),
            }
            for i in made["incidents"]
        ],
    )
    fill(
        "coverage",
        [
            {
                **pick(c, "point", "where", "directions", "drops", "sentence"),
                "first": _time(c["first"]),
                "last": _time(c["last"]),
                "hosts": ", ".join(c["hosts"]),
            }
            for c in made["coverage"]
        ],
    )
    fill(
        "captures",
        [
            {
                **pick(c, "path", "bytes", "packets"),
                "first": _time(c["first"]),
                "last": _time(c["last"]),
                "capture": c["path"].split("/", 2)[-1],
            }
            for c in made["sources"]
        ],
    )
    fill("clocks", [{**clock, "basis": "identity"} for clock in made["clocks"]])
    fill("unmatched_log_lines", [{**x, "time": _time(x["time"])} for x in made["unmatched_log_lines"]])
    rows = out["packets"][out["packets"]["flags"] & 4 > 0]
    frames = pd.DataFrame(
        {name: rows[name] for name in ("point", "capture", "frame", "stream", "connection", "time", "flags")}
    )
    ends = out["endings"].drop_duplicates("connection").set_index("connection")
    for part, mine, others in (("src", "client_ip", "server_ip"), ("sport", "client_port", "server_port")):
        frames[part] = [
            ends[mine if sent else others].get(connection)
            for connection, sent in zip(rows["connection"], rows["from_client"], strict=True)
        ]
    out["reset_frames"] = schema.RESET_FRAMES.conform(frames)
    sightings = [{"ending": r["id"], **s} for r in all_resets for s in r["sightings"]]
    out["legs"] = out["endings"][["ending", "connection"]]
    out["sightings"] = pd.DataFrame(sightings, columns=["ending", "point", "capture", "frame", "stream"])
    return out  # fmt: skip


def diagnosis(made: dict[str, Any] | None = None, top: str = "i1") -> Diagnosis:
    """A Diagnosis of what `made` notes, by default of the whole case with incident `top` as its verdict."""
    made = made or notation(top)
    names = {field.name for field in dataclasses.fields(Diagnosis)}
    return Diagnosis(
        **{name: table for name, table in tables(made).items() if name in names},
        verdict=made["verdict"],
        records={reset["id"]: reset["band"] for reset in made["resets"] if reset["band"]},
        notices=tuple(Notice(**notice) for notice in made["notices"]),
        causes=copy.deepcopy(CAUSES),
        settings={"generated": made["generated"], "log_sources": made["log_sources"], **made["settings"]},
    )


def many(number: int) -> Diagnosis:
    """A Diagnosis with `number` resets of one incident."""
    made = notation()
    model = next(reset for reset in made["resets"] if reset["id"] == "r5")
    crowd = []
    for place in range(number):
        one = copy.deepcopy(model) if place < 3 else {**model, "evidence": [], "log_lines": model["log_lines"][:1]}
        crowd.append(
            {
                **one,
                "id": f"r{place + 1}",
                "time": _stamp(60 + place * 0.31),
                "client": _end(f"10.0.{place % 40}.7", 1024 + place),
            }
        )
    made["resets"] = crowd
    made["incidents"] = [{**made["incidents"][0], "resets": number, "logged": number, "endings": [one["id"] for one in crowd],
                          "first": crowd[0]["time"], "last": crowd[-1]["time"],
                          "clients": [f"10.0.{host}.7" for host in range(20)]}]  # fmt: skip
    made["verdict"] |= {"covers": 1.0, "others": 0, "sentence": "One problem."}
    return diagnosis(made)
