"""The ladder: the last packets of a connection, what ICMP and ARP said of it, its log lines in their place, and the reset.

Lives here: which packets are shown, in what order, and what each row says. Never here: markup (templates/ladder.html).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from analyzer import schema
from analyzer.language import tr, trn
from analyzer.report import wording
from analyzer.report.wording import known
from analyzer.result import Diagnosis
from analyzer.schema import RST, SYN

BEFORE, AFTER = 24, 8  # packets shown before and after the reset: about one screen
HANDSHAKE = 3  # packets that open a connection
GAP = 1.0  # seconds; a shorter silence is no break
OTHER_POINTS = 2  # other capture points beside the packets: more columns have no room
LOG_LINES = 12  # log lines in one ladder

Item = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One row. `kind` is packet, reset, message, log, gap, handshake or omitted; `at` is seconds after the reset."""

    kind: str
    at: float
    from_client: bool = True
    text: str = ""
    words: str = ""
    marks: tuple[str, ...] = ()
    frame: int | None = None
    capture: str = ""
    filter: str = ""
    source: str = ""
    anchor: str = ""
    elsewhere: tuple[
        tuple[str, str], ...
    ] = ()  # what the other capture points show of this packet: (frame, filter); "" where it is not

    @property
    def clock(self) -> str:
        """The time as the ladder prints it: seconds to the microsecond, with a true minus sign."""
        return "0.000000" if self.kind == "reset" else f"{'−' if self.at < 0 else '+'}{abs(self.at):.6f}"


@dataclass(frozen=True)
class Ladder:
    """The rows, the two ends, and who transmitted the reset."""

    client: str
    server: str
    reset_by: str
    apparent: str
    rows: list[Row] = field(default_factory=list)
    more_log_lines: int = 0
    moved: bool = False  # a log line stands after the reset although its uncertain clock puts it just before
    anchors: dict[tuple[str, int], str] = field(default_factory=dict)  # (capture, frame) -> the row's id in the page
    point: str = ""  # the capture point whose packets these are
    others: tuple[str, ...] = ()  # the other points at which this connection was captured


def build(diagnosis: Diagnosis, item: Item) -> Ladder | None:
    """Return the ladder of one reset (or silence) of the document; None when its packets are not at hand."""
    ending = diagnosis.endings[diagnosis.endings["ending"] == item.get("id")]
    if ending.empty:
        return None
    fact = ending.iloc[0]
    packets = diagnosis.packets
    mine = packets[
        (packets["connection"] == fact["connection"]) & (packets["point"] == fact["point"]) & packets["copy_of"].isna()
    ]
    mine = mine[mine["time"].notna()].sort_values(["time", "capture", "frame"], kind="stable").reset_index(drop=True)
    here = mine.index[(mine["frame"] == fact["frame"]) & (mine["capture"] == fact["capture"])]
    if not len(here):
        return None
    centre = int(here[0])
    start = mine["time"].iloc[centre]
    first = max(0, centre - BEFORE)
    last = min(len(mine), centre + AFTER + 1)
    writers = _writers(diagnosis, str(item.get("id")))
    files = sorted({str(capture) for capture in mine["capture"]})
    rows = [
        _packet(mine.iloc[place], start, place == centre and fact["kind"] == "reset", item, files)
        for place in range(first, last)
    ]
    lines = [line for line in item.get("log_lines") or [] if known(line.get("lag_seconds"))]
    spreads = {str(c.get("source")): c.get("spread_seconds") for c in diagnosis.document.get("clocks") or []}

    def place(row: Row) -> float:
        """Return a row's place in time: a log line follows its reset where its clock is too uncertain to say."""
        spread = spreads.get(row.source.rpartition(":")[0])
        return 0.0 if row.kind == "log" and spread is not None and -spread <= row.at < 0 else row.at

    rows, others = _with_other_points(rows, diagnosis, str(item.get("id")), mine.iloc[first:last])
    rows += _messages(diagnosis, fact, start, f"{item.get('id')}-{files.index(str(fact['capture']))}")
    rows += [_log(line, writers, item) for line in lines[:LOG_LINES]]
    rows.sort(key=place)  # stable: a log line of the same instant follows its packet
    opening = _opening(mine, first, start)
    rows = opening + _with_gaps(rows) + _omitted(len(mine) - last)
    return Ladder(
        client=wording.address(item.get("client")),
        server=wording.address(item.get("server")),
        reset_by=str(item.get("reset_by")),
        apparent=str(item.get("apparent_sender")),
        rows=rows,
        moved=any(row.kind == "log" and row.at < 0 == place(row) for row in rows),
        more_log_lines=len(lines) - len(lines[:LOG_LINES]),
        point=str(fact["point"]),
        others=others,
        anchors={(row.capture, row.frame): row.anchor for row in rows if row.anchor and row.frame is not None},
    )


def _seconds(moment: Any, start: Any) -> float:
    return float((moment - start).value) / 1e9


def _packet(packet: pd.Series[Any], start: Any, is_reset: bool, item: Item, files: list[str]) -> Row:
    bits = packet["flags"] if known(packet["flags"]) else 0
    marks = []
    if known(packet["retransmission"]) and packet["retransmission"]:
        marks.append(tr("retransmission"))
    if known(packet["keepalive"]) and packet["keepalive"]:
        marks.append(tr("keepalive"))
    if bits & RST and not is_reset:
        marks.append(tr("another reset"))
    frame = int(packet["frame"]) if known(packet["frame"]) else None
    return Row(
        kind="reset" if is_reset else "packet",
        at=_seconds(packet["time"], start),
        from_client=bool(packet["from_client"]) if known(packet["from_client"]) else True,
        text=_numbers(packet),
        words=str(packet["words"]) if known(packet["words"]) else "",
        marks=tuple(marks),
        frame=frame,
        capture=str(packet["capture"]),
        filter=f"frame.number == {frame}",
        anchor=f"{item.get('id')}-{files.index(str(packet['capture']))}-{frame}",
    )


def _numbers(packet: pd.Series[Any]) -> str:
    """Return flags, relative numbers and length, as Wireshark's Info column words them."""
    parts = [wording.flags(packet["flags"])]
    if known(packet["relative_seq"]):
        parts.append(f"Seq={packet['relative_seq']}")
    if known(packet["relative_ack"]) and known(packet["ack"]):
        parts.append(f"Ack={packet['relative_ack']}")
    if known(packet["length"]):
        parts.append(f"Len={packet['length']}")
    return " ".join(parts)


def _writers(diagnosis: Diagnosis, identity: str) -> dict[tuple[str, int], str]:
    matches = diagnosis.matches[diagnosis.matches["ending"] == identity]
    columns = zip(matches["source"], matches["line"], matches["writer"], strict=True)
    return {(str(source), int(line)): str(writer) for source, line, writer in columns if known(line)}


def _with_other_points(
    rows: list[Row], diagnosis: Diagnosis, identity: str, shown: pd.DataFrame
) -> tuple[list[Row], tuple[str, ...]]:
    """Return the rows with the frames of the same packets at the other capture points, and those points' names."""
    legs = diagnosis.legs.loc[diagnosis.legs["ending"] == identity, "connection"]
    packets = diagnosis.packets
    mine = packets[packets["connection"].isin(legs) & packets["copy_of"].isna()].sort_values(
        ["time", "frame"], kind="stable"
    )
    points = tuple(str(p) for p in mine["point"].unique() if p != shown["point"].iloc[0])[:OTHER_POINTS]
    columns: list[list[tuple[str, str]]] = []
    for point in points:
        there: dict[Any, list[Any]] = {}
        for packet in mine[mine["point"] == point].itertuples():
            there.setdefault(_key(packet), []).append(packet.frame)
        columns.append([])
        for packet in shown.itertuples():
            frames = there.get(_key(packet), [])
            frame = frames.pop(0) if frames else None
            columns[-1].append((str(frame), f"frame.number == {frame}") if frame is not None else ("", ""))
    return [replace(row, elsewhere=tuple(column[n] for column in columns)) for n, row in enumerate(rows)], points


def _key(packet: Any) -> tuple[Any, ...]:
    """Return what a packet has in common with itself at another point; a router changes addresses and TTL."""
    return packet.from_client, packet.flags, packet.seq, packet.ack if known(packet.ack) else None, packet.length


def _messages(diagnosis: Diagnosis, fact: pd.Series[Any], start: Any, anchor: str) -> list[Row]:
    """Return the ICMP error that quotes the connection and the announcement of its end's address, where the facts name one."""

    def row(table: pd.DataFrame, frame: Any, text: Callable[[Any], str]) -> list[Row]:
        found = table[(table["capture"] == fact["capture"]) & (table["frame"] == frame)] if known(frame) else table[:0]
        return [
            Row(
                kind="message",
                at=_seconds(message.time, start),
                text=text(message),
                frame=message.frame,
                capture=message.capture,
                filter=f"frame.number == {message.frame}",
                anchor=f"{anchor}-{message.frame}",
            )
            for message in schema.rows(found)
        ]

    return [
        *row(
            diagnosis.icmp_errors,
            fact["icmp_frame"],
            lambda error: tr("ICMP error from {address}: {error}", address=error.sender, error=error.says),
        ),
        *row(
            diagnosis.address_changes,
            fact["moved_frame"],
            lambda change: tr("{address} is announced by {hardware}", address=change.address, hardware=change.now),
        ),
    ]


def _log(line: Item, writers: dict[tuple[str, int], str], item: Item) -> Row:
    place = (str(line.get("source")), int(line.get("line") or 0))
    after = wording.seconds_between(item.get("time"), line.get("time"))
    return Row(
        kind="log",
        at=float(line["lag_seconds"]) if after is None else after,
        from_client=(line.get("writer") or writers.get(place)) == "client",
        text=str(line.get("text") or ""),
        source=f"{place[0]}:{place[1]}",
    )


def _with_gaps(rows: list[Row]) -> list[Row]:
    """Return the rows with a break wherever nothing happened for a second or more."""
    out: list[Row] = []
    for row in rows:
        if out and row.at - out[-1].at >= GAP:
            out.append(
                Row(
                    kind="gap", at=out[-1].at, text=tr("nothing for {time}", time=wording.duration(row.at - out[-1].at))
                )
            )
        out.append(row)
    return out


def _opening(mine: pd.DataFrame, first: int, start: Any) -> list[Row]:
    """Return the handshake in one row and a word on what is left out between it and the first packet shown."""
    opening = mine.iloc[: min(HANDSHAKE, first)]
    bits = [int(value) if known(value) else 0 for value in opening["flags"]]
    handshake = len(bits) >= 1 and bool(bits[0] & SYN)
    rows = []
    if handshake:
        names = ", ".join(wording.flags(value) for value in bits)
        frames = ", ".join(str(frame) for frame in opening["frame"])
        at = _seconds(opening["time"].iloc[0], start)
        text = trn(
            "Opened with {flags} in frame {frames}",
            "Opened with {flags} in frames {frames}",
            len(bits),
            flags=names,
            frames=frames,
        )
        rows.append(Row(kind="handshake", at=at, text=text))
    return rows + _omitted(first - (len(bits) if handshake else 0))


def _omitted(number: int) -> list[Row]:
    return (
        [Row(kind="omitted", at=0.0, text=trn("{n:,} packet not shown", "{n:,} packets not shown", number))]
        if number > 0
        else []
    )
