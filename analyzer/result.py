"""The one result: a `Diagnosis`, its tables, and the document that JSON, HTML, terminal and notebooks all show.

Lives here: the frozen dataclass, the result document (schema `pcapreport/1`) and the views a notebook uses.
Never here: inference (diagnosis.py) or rendering (report/).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analyzer.errors import Notice, UsageError
from analyzer.language import ENGLISH, say, using
from analyzer.schema import ACK, ADDRESS_CHANGES, ICMP_ERRORS, records

SCHEMA = "pcapreport/1"

# Facts that the report and `explain` list for a reset, in this order; everything else is in `d.endings`.
SHOWN_FACTS = (
    "stage", "duration", "idle_gap", "trigger_kind", "trigger_frame", "trigger_delay", "answers_trigger", "seq_delta", "ttl", "ttl_usual",
    "ttl_delta", "window", "has_timestamps", "timestamps_negotiated", "ip_id", "live_socket", "captured_at", "direction", "client_bytes",
    "server_bytes", "unacked_sender", "unacked_peer", "sender_fin", "peer_fin", "retransmissions", "keepalives_unanswered",
    "data_after_reset", "payload_text", "application", "encrypted", "last_client_words", "last_server_words", "sqlstate", "server_goodbye",
    "transaction_open", "request_unanswered", "tls_alert", "path_survived", "path_failed", "timer_low", "timer_high", "timer_known",
    "probe_count", "probe_period", "retries", "retry_spacing", "retry_interval", "connected_again",
)  # fmt: skip


PLACE = (
    "ending", "kind", "point", "capture", "frame", "stream", "connection", "time", "client_ip", "client_port", "server_ip", "server_port",
    "roles_known", "apparent_sender",
)  # fmt: skip
FOUND = ("reset_by", "emitter", "confidence", "cause", "cause_confidence", "harmless", "proof", "sentence")


@dataclass(frozen=True)
class Diagnosis:
    """Everything one analysis found. Tables are those of `analyzer.schema`, each in its declared columns."""

    captures: pd.DataFrame
    coverage: pd.DataFrame
    connections: pd.DataFrame
    hosts: pd.DataFrame
    gaps: pd.DataFrame
    reset_frames: pd.DataFrame
    packets: pd.DataFrame
    endings: pd.DataFrame
    sightings: pd.DataFrame
    legs: pd.DataFrame  # ending, connection: every row of `connections` that is this connection life, at any point
    log_lines: pd.DataFrame
    matches: pd.DataFrame
    clocks: pd.DataFrame
    unmatched_log_lines: pd.DataFrame
    log_remarks: pd.DataFrame
    evidence: pd.DataFrame
    findings: pd.DataFrame
    incidents: pd.DataFrame
    traffic: pd.DataFrame
    verdict: Mapping[str, Any]
    icmp_errors: pd.DataFrame = field(default_factory=ICMP_ERRORS.empty)
    address_changes: pd.DataFrame = field(default_factory=ADDRESS_CHANGES.empty)
    records: Mapping[str, str] = field(
        default_factory=dict
    )  # ending -> how often answers as sure were right in the lab
    notices: tuple[Notice, ...] = ()
    causes: dict[str, dict[str, Any]] = field(
        default_factory=dict
    )  # by id: title, mechanism, remedy, confirm, lookalikes, references
    settings: dict[str, Any] = field(default_factory=dict)  # what was asked for, and the versions of what ran

    @cached_property
    def document(self) -> dict[str, Any]:
        """The result document, schema `pcapreport/1`: plain lists, dicts, strings and numbers, ready for JSON."""
        items = _Items(self)
        resets = [items.reset(e) for e in records(self.endings[[*PLACE, *SHOWN_FACTS]])]
        return {
            "schema": SCHEMA,
            "verdict": dict(self.verdict),
            "coverage": [
                {
                    "point": c["point"], "first": stamp(c["first"]), "last": stamp(c["last"]), "where": c["where"],
                    "directions": c["directions"], "drops": c["drops"], "hosts": _split(c["hosts"]), "sentence": c["sentence"],
                }
                for c in records(self.coverage)
            ],
            "incidents": [self._incident(i) for i in records(self.incidents)],
            "resets": [r for r in resets if r["kind"] == "reset"],
            "died_in_silence": [r for r in resets if r["kind"] != "reset"],
            "unmatched_log_lines": [{**u, "time": stamp(u["time"])} for u in records(self.unmatched_log_lines)],
            "clocks": [{**c, "at": stamp(c["at"])} for c in records(self.clocks)],
            "notices": [asdict(n) for n in self.notices],
            "sources": [
                {
                    "path": c["path"], "bytes": c["bytes"], "packets": c["packets"], "first": stamp(c["first"]), "last": stamp(c["last"]),
                    "point": c["point"], "capture": c["capture"], "link_types": c["link_types"],
                }
                for c in records(self.captures)
            ],
            "log_sources": self.settings.get("log_sources", []),
            "generated": self.settings.get("generated"),
            "settings": {k: v for k, v in self.settings.items() if k not in ("generated", "log_sources")},
        }  # fmt: skip

    def _incident(self, i: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": i["incident"],
            **{name: i[name] for name in ("reset_by", "confidence", "cause", "cause_confidence")},
            "first": stamp(i["first"]),
            "last": stamp(i["last"]),
            **{
                name: i[name]
                for name in ("resets", "clients", "servers", "sentence", "afterwards", "remedy", "harmless", "logged")
            },
            "title": self.causes.get(i["cause"], {}).get("title", i["cause"]),
            "endings": list(i["endings"]),
        }

    @property
    def harmful(self) -> bool:
        """Whether anything harmful was found; unknown harm counts as harm."""
        return bool((~self.findings["harmless"].fillna(False).astype(bool)).any()) if len(self.findings) else False

    @cached_property
    def resets(self) -> pd.DataFrame:
        """One row per connection that ended badly, the finding beside the main facts, in plain dtypes for a notebook."""
        where = ["ending", "kind", "time", "point", "capture", "frame", "stream", "client", "server", "apparent_sender"]
        table = self.endings[[*where, "stage", "idle_gap", "ttl_delta"]].merge(
            self.findings.drop(columns=["alternatives"]), on="ending", how="left"
        )
        lines = self.matches.groupby("ending").size().rename("log_lines")
        table = table.merge(lines, left_on="ending", right_index=True, how="left")
        return table.set_index("ending")

    def find(self, *, line: int | None = None, stream: int | None = None, client: str | None = None) -> list[str]:
        """Return the endings tied to this log line, or of this tcp.stream, or of this client ip:port. Raises UsageError when there are none."""
        e = self.endings
        if line is not None:
            found, what = list(self.matches.loc[self.matches["line"] == line, "ending"]), f"log line {line}"
            reasons = list(self.unmatched_log_lines.loc[self.unmatched_log_lines["line"] == line, "reason"])
            if not found and reasons:
                unknown = self.clocks.loc[self.clocks["basis"] == "none", "sentence"]
                raise UsageError(" ".join([f"No reset belongs to log line {line}: {reasons[0]}.", *unknown[:1]]))
            entries = self.log_lines["line"][self.log_lines["line"] < line]
            if not found and not (self.log_lines["line"] == line).any() and len(entries):
                raise UsageError(
                    f"No entry that speaks of a connection begins at log line {line}; the last one before it begins at line {entries.max()}: "
                    "an entry of several lines is named by its first."
                )
        elif stream is not None:
            found, what = list(e.loc[(e["stream"] == stream).fillna(False), "ending"]), f"tcp.stream {stream}"
        else:
            legs = self.legs.merge(self.connections[["connection", "client_ip", "client_port"]], on="connection")
            ports = legs["client_port"].astype("string")
            named = (legs["client_ip"] + ":" + ports == client) | ("[" + legs["client_ip"] + "]:" + ports == client)
            found, what = list(legs.loc[named.fillna(False), "ending"]), f"client {client}"
        if not found:
            raise UsageError(f"No connection that ended badly belongs to {what}.")
        return list(dict.fromkeys(found))

    def explain(self, reset: str, *, lang: str = ENGLISH, width: int = 100) -> str:
        """Return everything about one ending ('r1', 's1' …) as text of so many columns, in English or in `lang`.

        Raises UsageError when there is none of that name.
        """
        from analyzer import report

        if reset not in set(self.endings["ending"]):
            known = ", ".join(self.endings["ending"].head(10)) or "none"
            raise UsageError(f"There is no ending called {reset!r} in this result; there are: {known}.")
        with using(lang):
            return str(report.explanation(self, reset, width))

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the result document as JSON text, UTF-8, and write it to `path` when one is given. Each item of a list is a line."""
        text = _lines(self.document)
        if path is not None:
            write_whole(Path(path), text)
        return text

    def to_html(self, path: str | os.PathLike[str] | None = None, *, lang: str = ENGLISH) -> str:
        """Return the report as one self-contained HTML page, in English or in `lang`, and write it to `path` when one is given."""
        from analyzer import report

        with using(lang):
            page = report.html(self)
        if path is not None:
            write_whole(Path(path), page)
        return page

    def to_markdown(self, path: str | os.PathLike[str] | None = None, *, lang: str = ENGLISH) -> str:
        """Return the verdict and the incidents as Markdown for a ticket or chat, in English or `lang`, and write it to `path` when one is given."""
        from analyzer.report import markdown

        with using(lang):
            text = markdown.render(self)
        if path is not None:
            write_whole(Path(path), text)
        return text

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return one row per connection that ended badly as CSV for a spreadsheet, and write it to `path` when one is given."""
        from analyzer.report import spreadsheet

        text = spreadsheet.render(self)
        if path is not None:
            write_whole(Path(path), text)
        return text

    def __repr__(self) -> str:
        return f"<Diagnosis: {self.verdict['sentence']}>"

    def _repr_html_(self) -> str:
        from analyzer import report

        return report.snippet(self)


class _Items:
    """The lists that hang on each reset, gathered once."""

    def __init__(self, d: Diagnosis) -> None:
        self.d = d
        self.finding = {f["ending"]: f for f in records(d.findings)}
        self.evidence = _by(d.evidence, "ending")
        self.matches = _by(d.matches, "ending")
        self.remarks = _by(d.log_remarks, "ending")
        self.sightings = _by(d.sightings, "ending")
        self.text = {(x["source"], x["line"]): x["text"] for x in records(d.log_lines[["source", "line", "text"]])}
        self.frames = _by(d.reset_frames, "connection")
        kin: dict[str, set[int]] = {}
        for leg in records(d.legs):
            kin.setdefault(leg["ending"], set()).add(int(leg["connection"]))
        self.kin = kin

    def reset(self, e: dict[str, Any]) -> dict[str, Any]:
        finding = self.finding[e["ending"]]
        connections = sorted(self.kin.get(e["ending"], set()) | {e["connection"]})
        shown = {(s["capture"], s["frame"]) for s in self.sightings.get(e["ending"], [])}
        others = [f for c in connections for f in self.frames.get(c, []) if (f["capture"], f["frame"]) not in shown]
        others.sort(key=lambda f: (f["time"] is None, f["time"], f["frame"]))
        return {
            "id": e["ending"],
            "kind": e["kind"],
            **{name: e[name] for name in ("point", "capture", "frame", "stream")},
            "time": stamp(e["time"]),
            "client": {"ip": e["client_ip"], "port": e["client_port"]},
            "server": {"ip": e["server_ip"], "port": e["server_port"]},
            "roles_known": e["roles_known"],
            "apparent_sender": e["apparent_sender"] if e["kind"] == "reset" else None,
            **{name: finding[name] for name in FOUND},
            "band": self.d.records.get(e["ending"]),
            "title": self.d.causes.get(finding["cause"], {}).get("title", finding["cause"]),
            "copies": [{"capture": f["capture"], "frame": f["frame"]} for f in others],
            "consequence": self._consequence(e, others),
            "sightings": [{name: s[name] for name in ("point", "capture", "frame", "stream")} for s in self.sightings.get(e["ending"], [])],
            "alternatives": finding["alternatives"] or [],
            "evidence": [
                {
                    **{name: v[name] for name in ("cause", "origin", "rank", "sign", "held", "weight", "sentence")},
                    "frames": [{"capture": c, "frame": f} for c, f in v["frames"]],
                    "log_lines": [{"source": s, "line": n} for s, n in v["log_lines"]],
                }
                for v in self.evidence.get(e["ending"], [])
            ],
            "log_lines": [
                {
                    "source": m["source"], "line": m["line"], "time": stamp(m["time"]), "event": m["event"],
                    "lag_seconds": None if m["lag"] is None else round(m["lag"], 6), "tie": m["tie"], "tie_sentence": m["tie_sentence"],
                    "coincidence": None if m["coincidence"] is None else float(f"{m['coincidence']:.2g}"),
                    "writer": m["writer"], "text": self.text.get((m["source"], m["line"]), ""),
                }
                for m in self.matches.get(e["ending"], [])
            ],
            "log_remarks": [{name: r[name] for name in ("source", "line", "kind", "sentence")} for r in self.remarks.get(e["ending"], [])],
            "facts": {name: _round(e[name]) for name in SHOWN_FACTS if e[name] is not None},
            "filter": f"tcp.stream eq {e['stream']}" if e["stream"] is not None else f"frame.number == {e['frame']}",
            "next_capture": finding["next_capture"],
            "next_log": finding["next_log"],
        }  # fmt: skip

    def _consequence(self, e: dict[str, Any], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the later resets with the other end's address: a bare one is what a stack answers once its connection is gone."""
        sender = (
            (e["client_ip"], e["client_port"])
            if e["apparent_sender"] == "client"
            else (e["server_ip"], e["server_port"])
        )
        out = []
        for f in others:
            later = f["time"] is None or e["time"] is None or f["time"] > e["time"]
            if e["kind"] == "reset" and later and (f["src"], f["sport"]) != sender:
                where = {"frame": f["frame"], "capture": f["capture"], "source": f["src"]}
                text = say("Frame {frame} in {capture} carries another reset, with the address of {source}.", **where)
                if f["flags"] is not None and not f["flags"] & ACK:
                    text = say(
                        "Frame {frame} in {capture} carries a later reset from {source}: a consequence, its connection was already gone.",
                        **where,
                    )
                out.append({"capture": f["capture"], "frame": f["frame"], "sentence": text})
        return out


def _lines(document: Mapping[str, Any]) -> str:
    """Return JSON with a line for each key and for each item of a list: indentation alone would make a third of 20,000 resets."""

    dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    parts = []
    for key, value in document.items():
        listed = isinstance(value, list) and bool(value)
        text = "[\n" + ",\n".join(map(dump, value)) + "\n]" if listed else dump(value)
        parts.append(f"{dump(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _by(table: pd.DataFrame, column: str) -> dict[Any, list[dict[str, Any]]]:
    out: dict[Any, list[dict[str, Any]]] = {}
    for record in records(table):
        out.setdefault(record[column], []).append(record)
    return out


def stamp(time: pd.Timestamp | None) -> str | None:
    """Return a time as RFC 3339, UTC, nine digits."""
    if time is None or pd.isna(time):
        return None
    return f"{time.isoformat(timespec='nanoseconds')[:29]}Z"


def _round(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def _split(text: str | None) -> list[str]:
    return text.split(", ") if text else []


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all: into a neighbour first, then renamed. The folder is made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8", errors="replace", newline="\n")  # a file name may hold lone bytes
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
