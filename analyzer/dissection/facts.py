"""From the messages of one ending to its facts.

Lives here: what was under way, who said goodbye, what was encrypted: the state of PostgreSQL's protocol, of TLS and of
HTTP/1, followed message by message up to the ending's own frame.
Never here: reading packets, or what a fact speaks for. What was not seen stays NA.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analyzer.dissection.streams import Segment, Stream, headed, unfinished
from analyzer.dissection.words import CLIENT, SERVER, Message

COLUMNS = {
    "ending": "string",
    "application": "string",
    "encrypted": "boolean",
    "last_client_words": "string",
    "last_server_words": "string",
    "sqlstate": "string",
    "server_goodbye": "string",
    "client_goodbye": "boolean",
    "request_unanswered": "boolean",
    "transaction_open": "boolean",
    "tls_alert": "string",
    "backend_pid": "Int64",
}

# SQLSTATE of a FATAL error -> what it announces (PostgreSQL, appendix A: class 57, and 25P03).
GOODBYES = {
    "25P03": "idle_timeout",
    "57P05": "idle_timeout",
    "57P01": "terminated",
    "57P04": "terminated",
    "57P02": "shutdown",
    "57P03": "shutdown",
}
# These come as warnings when the server stops at once or another of its processes died.
LAST_WARNINGS = {"57P01": "shutdown", "57P02": "shutdown"}

ASYNCHRONOUS = ("NoticeResponse", "ParameterStatus", "NotificationResponse", "SSLAnswer", "BackendKeyData")
ASKING = ("Query", "Parse", "Bind", "Execute", "Describe", "Close", "FunctionCall", "Sync")
TLS_1_3 = 0x0304
# A record of TLS 1.3 with two bytes in it (type and 16 bytes of seal behind them): an alert has two, hardly anything else.
ALERT_RECORD = 19  # bytes

PREFERRED = ("postgresql", "http2", "http", "tls")


@dataclass(frozen=True)
class Said:
    """A segment and the messages that end in it."""

    stream: Stream
    segment: Segment
    messages: list[Message]


@dataclass
class _Postgresql:
    """What PostgreSQL's messages, one after the other, leave behind."""

    seen: bool = False
    asked: int = 0  # answers (ReadyForQuery) that the client still waits for
    begun: bool = False  # the client asked, and has not yet sent Sync
    answering: bool = False  # the server is in the middle of an answer
    unsure: bool = False  # packets are missing since the last thing that settled it
    status: str = ""
    code: str = ""
    goodbye: str = ""
    terminated: bool = False
    pid: int | None = None

    def hole(self) -> None:
        """Bytes are missing: a question or its answer may have been among them."""
        self.asked, self.begun, self.answering, self.unsure, self.status = 0, False, False, True, ""

    def unanswered(self) -> bool | None:
        """Whether a request was under way; None where a hole hides it."""
        waiting = bool(self.asked or self.begun or self.answering)
        return None if self.unsure and not waiting else waiting

    def client(self, message: Message) -> None:
        self.seen = True
        if message.type in ("Query", "FunctionCall", "Sync", "StartupMessage"):
            self.asked += 1
            self.begun = False
        elif message.type in ASKING:
            self.begun = True
        elif message.type == "PasswordMessage":
            self.asked = max(self.asked, 1)
        elif message.type == "Terminate":
            self.terminated = True

    def server(self, message: Message) -> None:
        self.seen = True
        if message.type == "ReadyForQuery":
            self.status, self.answering, self.unsure = message.status, False, False
            self.asked = max(0, self.asked - 1)
        elif message.type == "Authentication":
            self.asked = 0 if message.waits else 1
        elif message.type == "ErrorResponse":
            self.code = message.code or self.code
            if message.severity in ("FATAL", "PANIC"):  # an answer, and the last one
                self.goodbye = message.reason or GOODBYES.get(message.code, "error")
                self.asked, self.begun, self.answering, self.unsure = 0, False, False, False
        elif message.type == "NoticeResponse":
            self.goodbye = (message.severity == "WARNING" and LAST_WARNINGS.get(message.code)) or self.goodbye
        elif message.type not in ASYNCHRONOUS:
            self.answering = True
        self.pid = message.pid or self.pid


def _in_time(said: Sequence[Said]) -> list[Said]:
    """In the order of the capture; segments of one stream that were put in order stay so."""
    reached: dict[tuple[int, bool], int] = {}
    keyed = []
    for one in said:
        way = (id(one.stream), one.segment.from_client)
        reached[way] = max(reached.get(way, 0), one.segment.place)
        keyed.append((reached[way], one))
    return [one for _, one in sorted(keyed, key=lambda pair: pair[0])]


def _http_unanswered(
    streams: Sequence[Stream], said: Sequence[Said], holes: Sequence[float], *, whole: bool
) -> bool | None:
    """Whether a request has no answer, or only a part of one; None where that cannot be told.

    Unless `whole`, the payload is not the text that was read (it is under TLS), so how much of an answer came is unknown.
    """
    pending, method, since = 0, "", -1
    last: tuple[Segment, Message] | None = None
    for one in said:
        for message in one.messages:
            if message.type == "request":
                pending, method, since, last = pending + 1, message.code, one.segment.place, None
            elif message.type == "response" and (message.code >= "200" or message.code == "101"):
                pending, last = max(0, pending - 1), (one.segment, message)
    if pending:
        return None if any(hole > since for hole in holes) else True
    if last is None:
        return None
    head, message = last
    if method == "HEAD" or message.code in ("101", "204", "304"):
        return False
    if not whole:
        return False if message.length == 0 else None
    return None if message.length is None else _body_lacks(streams, head, message.length)


def _body_lacks(streams: Sequence[Stream], head: Segment, length: int) -> bool:
    """Whether less came of a body than its head, in this segment, announced: so many bytes, or chunks (-1)."""
    own = [s for x in streams for s in x.segments if s.from_client is head.from_client and not s.after]
    sent = sorted((s for s in own if s.seq >= head.seq), key=lambda s: s.seq)
    if length < 0:
        return not b"".join(s.payload for s in sent[-2:]).endswith(b"0\r\n\r\n")
    begins = head.seq + head.payload.find(b"\r\n\r\n", max(0, head.payload.rfind(b"HTTP/1."))) + 4
    return sent[-1].seq + sent[-1].length - begins < length


def _na(known: bool | None) -> Any:
    return pd.NA if known is None else known


def _application(streams: Sequence[Stream], said: Sequence[Said]) -> str | None:
    named = [message.protocol for one in said for message in one.messages]
    known = {*named, *(stream.protocol for stream in streams if stream.protocol)}
    return next((name for name in PREFERRED if name in known), named[-1] if named else None)


def _holes(streams: Sequence[Stream]) -> list[float]:
    """Where bytes are missing, on the scale of Segment.place: before a segment, or after one that was cut."""
    found: list[float] = []
    for way in (True, False):
        own = sorted(
            (s for x in streams for s in x.segments if s.from_client is way and not s.after), key=lambda s: s.seq
        )
        for before, here in itertools.pairwise(own):
            if before.seq + before.length < here.seq:
                found.append(max(before.place, here.place))
        found += [s.place + 0.5 for s in own if len(s.payload) < s.length and not headed(s)]
    return sorted(found)


def _unfinished(streams: Sequence[Stream], from_client: bool) -> str | None:
    """The kind of the PostgreSQL message that this direction began and did not finish."""
    own = [x for x in streams if any(s.from_client is from_client and not s.after for s in x.segments)]
    if not own or own[-1].protocol != "postgresql":
        return None
    segments = [s for s in own[-1].segments if s.from_client is from_client and not s.after]
    if len(segments[-1].payload) < segments[-1].length:
        return None  # cut by the snaplen, not by its sender
    letter = unfinished(b"".join(s.payload for s in segments), from_client)
    return (CLIENT if from_client else SERVER).get(letter)


def facts_of(streams: Sequence[Stream], said: Sequence[Said]) -> dict[str, Any]:
    """The columns of COLUMNS, without `ending`, from the streams of one ending and what was said in them."""
    facts: dict[str, Any] = dict.fromkeys(COLUMNS, pd.NA)
    del facts["ending"]
    said = _in_time([one for one in said if not one.segment.after])
    application = _application(streams, said)
    if application is None:
        return facts
    facts["application"] = application
    state = _Postgresql()
    opened = {id(one.stream) for one in said if any(message.opened for message in one.messages)}
    modern: set[int] = set()  # streams of TLS 1.3
    asked: tuple[Segment, Message] | None = None  # HTTP's last request
    sealed = closes = left = False
    holes = _holes(streams)
    ahead = list(holes)
    for one in said:
        while ahead and ahead[0] <= one.segment.place:
            state.hole()
            ahead.pop(0)
        for message in one.messages:
            modern |= {id(one.stream)} if message.version == TLS_1_3 else set()
            if message.kind:
                facts[f"last_{'client' if one.segment.from_client else 'server'}_words"] = (
                    f"{message.kind} (probably an alert)"
                    if message.type == "ApplicationData" and message.length == ALERT_RECORD and id(one.stream) in modern
                    else message.type
                    if message.statement
                    else message.kind
                )
            if message.protocol == "mysql" and message.pid:
                facts["backend_pid"] = message.pid
            if message.protocol == "postgresql":
                sealed |= message.sealed
                (state.client if one.segment.from_client else state.server)(message)
            elif message.protocol == "tls":
                sealed |= message.sealed and id(one.stream) not in opened
                if message.code:
                    facts["tls_alert"] = message.code
                    left |= one.segment.from_client and message.code == "close_notify"
            elif message.type == "request":
                closes, asked = message.closes, (one.segment, message)
            elif message.reason:
                facts["server_goodbye"] = message.reason
    if ahead:
        state.hole()
    for from_client in (True, False) if state.seen and not (sealed or opened) else ():
        if kind := _unfinished(streams, from_client):
            facts[f"last_{'client' if from_client else 'server'}_words"] = f"{kind} (incomplete)"
            (state.client if from_client else state.server)(Message("postgresql", kind, kind))

    if application in PREFERRED:
        facts["encrypted"] = sealed
    if left or state.terminated or closes:
        facts["client_goodbye"] = True
    elif not sealed and (state.seen or application in ("http", "tls")):
        facts["client_goodbye"] = False
    if state.seen:
        facts["sqlstate"] = state.code or pd.NA
        facts["server_goodbye"] = state.goodbye or pd.NA
        facts["backend_pid"] = pd.NA if state.pid is None else state.pid
        facts["transaction_open"] = state.status in ("T", "E") if state.status else pd.NA
        if not sealed:
            facts["request_unanswered"] = _na(state.unanswered())
    elif application == "http" and not sealed:
        facts["request_unanswered"] = _na(_http_unanswered(streams, said, holes, whole=not opened))
        if asked and asked[1].length and not opened and _body_lacks(streams, asked[0], asked[1].length):
            facts["last_client_words"] = f"{asked[1].kind} (body incomplete)"
    return facts
