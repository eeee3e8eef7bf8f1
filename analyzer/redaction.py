"""A Diagnosis -> the same one without what identifies people and machines, for showing it to others.

Lives here: pseudonyms, and where they go. Addresses are replaced so that common prefixes stay common (Crypto-PAn, Xu et al. 2002); files,
users, databases and capture points get names made with the same key; payload is removed; of a log line stays what is known to be a program's
own words. Times, ports, sizes and frame numbers stay: without them nothing could be checked.
Never here: rendering. Every form shows the tables, so every form shows the same pseudonyms.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import PurePath
from typing import Any

import pandas as pd
from yacryptopan import CryptoPAn

from analyzer.errors import Notice, UsageError
from analyzer.language import changed, say

KEY_BYTES = 16  # a shorter key could be guessed, and with it every address
DIGITS = 6  # hexadecimal digits of a name's pseudonym: two of a thousand names are alike once in 30 runs
REMOVED = "[removed]"
GAP = "…"  # stands for what was taken out of a log line
KEPT_POINTS = frozenset(
    {"client", "server", "router", "capture"}
)  # capture points that are named after their place, not after a machine
SUFFIXES = frozenset(
    {".pcap", ".pcapng", ".cap", ".log", ".txt", ".csv", ".json", ".gz", ".zst", ".xz", ".lz4", ".bz2"}
)
# Columns of LOG_LINES that name somebody: their names share one kind of pseudonym, for a database is often called like its user.
WHOSE = ("user", "database", "host", "program")
STAGES = frozenset({"", "dissection", "redaction"})  # what speaks in notices besides files and causes
ADVICE = say("What was said of an input that could not be used is left out.")
SENTENCE = say(
    "Addresses, names of files, users and databases are pseudonyms here; addresses that shared a prefix still do. Payload, statements and "
    "whatever else stood in log lines were removed. Times, ports, sizes and frame numbers are as they were."
)

_IP4 = r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)"
_IP6 = r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])"
_ADDRESS = re.compile(f"{_IP6}|{_IP4}")
_HARDWARE = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")  # which _IP6 finds as well
_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:\\|~?/|\\\\)[^\s:;,'\"<>|]+")
# The ways in which programs write the time at the beginning of a line; one that is not here is left out like anything unknown.
_STAMP = re.compile(
    r"\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?Z\b| ?[+-]\d\d(?::?\d\d)?| [A-Z]{2,5}\b)?"
    r"|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})?|^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})?"
)
_WORDS = re.compile(r"\b(?:user|database|host|port|client|server|process|pid|peer|remote|upstream|session)\b")
_PORT = re.compile(r"(?::|\()\d{1,5}\b\)?")


class Pseudonyms:
    """One key's names for everything. The same key gives the same names in every run."""

    def __init__(self, key: bytes) -> None:
        """Take a secret of at least KEY_BYTES bytes. Raises UsageError for a shorter one."""
        if len(key) < KEY_BYTES:
            raise UsageError(
                f"The key for pseudonyms is {len(key)} bytes long; take at least {KEY_BYTES} random bytes."
            )
        self._key = hashlib.sha256(b"pcapreport names" + key).digest()
        self._cipher = CryptoPAn(hashlib.sha256(b"pcapreport addresses" + key).digest())
        self.address: Callable[[str], str] = lru_cache(maxsize=None)(self._address)

    def _address(self, text: str) -> str:
        """Return the pseudonym of an IP or hardware address; any other text, and addresses that every machine has, as they are."""
        if _HARDWARE.fullmatch(text):
            digits = hmac.new(self._key, f"hardware\0{text.lower()}".encode(), hashlib.sha256).digest()[:5]
            return f"02:{digits.hex(':')}"  # locally administered: it names no maker (IEEE 802 8.2)
        address = _parsed(text)
        if address is None:
            return text
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None:
            return f"::ffff:{self._address(str(mapped))}"
        if address.is_unspecified or address.is_loopback:
            return text
        kind: type[IPv4Address | IPv6Address] = type(address)
        return str(kind(self._cipher.anonymize_bin(int(address), address.version)))

    def name(self, kind: str, text: str) -> str:
        """Return the pseudonym of a name: its kind and a few digits; the suffix of a file stays."""
        digits = hmac.new(self._key, f"{kind}\0{text}".encode(errors="surrogateescape"), hashlib.sha256).hexdigest()[
            :DIGITS
        ]
        suffixes = "".join(s for s in PurePath(text.replace("\\", "/")).suffixes if s.lower() in SUFFIXES)
        return f"{kind}-{digits}{suffixes}"

    def capture(self, text: str) -> str:
        """Return the pseudonym of a capture file."""
        return self.name("capture", text)

    def point(self, text: str) -> str:
        """Return the pseudonym of a capture point; one that is called after its place keeps its name."""
        return text if text in KEPT_POINTS else self.name("point", text)

    def addresses_in(self, text: str) -> str:
        """Return a text with every address in it replaced."""
        return _ADDRESS.sub(lambda found: self.address(found[0]), text)


def redact(diagnosis: Any, public: Sequence[str], key: bytes | None = None) -> Any:
    """Return a Diagnosis in which nothing identifies anybody.

    diagnosis
        what `analyze` returned
    public
        the texts that programs write into their logs, of every log format: these may stay in a quoted line
    key
        at least KEY_BYTES secret bytes; None takes random ones, which nobody can repeat

    Raises UsageError for a key that is too short.
    """
    return _Redaction(diagnosis, public, _pseudonyms(key)).diagnosis


def _pseudonyms(key: bytes | None) -> Pseudonyms:
    return Pseudonyms(secrets.token_bytes(32) if key is None else key)


def redact_frames(frames: pd.DataFrame, key: bytes | None = None) -> pd.DataFrame:
    """Return RESET_FRAMES with pseudonyms for addresses, files and capture points, as `redact` makes them."""
    to = _pseudonyms(key)
    out = frames.copy()
    for column, change in (("src", to.address), ("dst", to.address), ("capture", to.capture), ("point", to.point)):
        out[column] = _mapped(frames[column], change)
    return out


class _Redaction:
    """One Diagnosis, and the names that it holds."""

    def __init__(self, d: Any, public: Sequence[str], pseudonyms: Pseudonyms) -> None:
        self._d, self._public, self._to = d, public, pseudonyms
        self._scrubbed: dict[str, str] = {}

    @cached_property
    def diagnosis(self) -> Any:
        """The same Diagnosis, redacted."""
        d = self._d
        tables = {
            f.name: self._table(getattr(d, f.name)) for f in fields(d) if isinstance(getattr(d, f.name), pd.DataFrame)
        }
        tables["log_lines"]["text"] = self._quoted(d.log_lines)
        for column in WHOSE:
            tables["log_lines"][column] = _mapped(d.log_lines[column], lambda name: self._to.name("name", name))
        texts = {
            (s, n): t for s, n, t in zip(*(tables["log_lines"][c] for c in ("source", "line", "text")), strict=True)
        }
        left = tables["unmatched_log_lines"]
        left["text"] = pd.array(
            [texts.get(place, REMOVED) for place in zip(left["source"], left["line"], strict=True)], dtype="string"
        )
        tables["endings"]["payload_text"] = _mapped(d.endings["payload_text"], lambda _: REMOVED)
        tables["evidence"]["sentence"] = self._without_payload(tables["evidence"]["sentence"])
        settings = self._any({k: v for k, v in d.settings.items() if k not in self._versions}) | self._versions
        return replace(
            d,
            **tables,
            verdict=self._any(d.verdict),
            notices=(Notice("info", "redaction", "", SENTENCE), *map(self._notice, d.notices)),
            settings={**settings, "redacted": True},
        )

    @cached_property
    def _versions(self) -> dict[str, Any]:
        """The settings that say what ran: they are the program's own."""
        return {name: value for name, value in self._d.settings.items() if value is None or isinstance(value, str)}

    @cached_property
    def _names(self) -> dict[str, str]:
        """Every name of a file, log or capture point in this result -> its pseudonym."""
        d = self._d
        logs = {str(s) for table in (d.log_lines, d.unmatched_log_lines) for s in table["source"].dropna()}
        logs |= {str(name) for name in d.log_lines["log"].dropna()}
        hosts = {str(name) for name in d.log_lines["host"].dropna()}
        logs |= {str(s) for s in d.log_lines["log"].dropna()} | {str(s) for s in d.log_remarks["source"].dropna()}
        logs |= {str(s["source"]) for s in d.settings.get("log_sources", [])}
        points = {str(p) for p in d.captures["point"].dropna()}
        logs |= {str(s) for s in d.clocks["source"].dropna()} - points
        logs |= {n.source for n in d.notices if n.source} - points - set(d.captures["capture"]) - STAGES
        out = {name: self._to.name("log", name) for name in logs if not name.startswith("cause ")}
        out |= {host: self._to.name("name", host) for host in hosts - points}
        out |= {point: self._to.point(point) for point in points}
        for capture, path in zip(d.captures["capture"].astype(str), d.captures["path"].astype(str), strict=True):
            out[capture] = out[path] = self._to.capture(capture)
        return out

    @cached_property
    def _named(self) -> re.Pattern[str] | None:
        longest_first = sorted(filter(None, self._names), key=len, reverse=True)
        return re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, longest_first))})(?!\w)") if longest_first else None

    def _text(self, text: str) -> str:
        """Return any text of ours with the names and addresses in it replaced; a sentence can still be said in any language."""
        return changed(text, self._plain)

    def _plain(self, text: str) -> str:
        if text not in self._scrubbed:
            known = self._names.get(text)
            if known is None:
                named = text if self._named is None else self._named.sub(lambda found: self._names[found[0]], text)
                known = self._to.addresses_in(named)
            self._scrubbed[text] = known
        return self._scrubbed[text]

    def _any(self, value: Any) -> Any:
        """Return a value with every text in it, at any depth, replaced."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._any(name): self._any(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._any(item) for item in value)
        return value

    def _table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with every text in it replaced, whatever its columns are called."""
        out = table.copy()
        for name in table.columns:
            if table[name].dtype == object:
                out[name] = pd.Series([self._any(value) for value in table[name]], index=table.index, dtype=object)
            elif isinstance(table[name].dtype, pd.StringDtype):
                out[name] = _mapped(table[name], self._text)
        return out

    def _notice(self, notice: Notice) -> Notice:
        """Return a notice about something the tables know; what it says of any other file is left out, for it may name more files."""
        own = notice.source in STAGES or notice.source.startswith("cause ")
        known = own or notice.source in {
            *self._d.captures["capture"],
            *self._d.captures["point"],
            *self._d.log_lines["source"],
        }
        known = known or notice.source in {str(s["source"]) for s in self._d.settings.get("log_sources", [])}
        sentence = changed(self._text(notice.sentence), lambda text: _PATH.sub(REMOVED, text)) if known else ADVICE
        source = notice.source if own else self._text(notice.source)
        return Notice(notice.level, source, self._text(notice.place), sentence)

    def _without_payload(self, sentences: pd.Series[Any]) -> pd.Series[Any]:
        """Return the sentences of EVIDENCE without what a reset carried."""
        carried = dict(zip(self._d.endings["ending"], self._d.endings["payload_text"], strict=True))
        texts = [carried.get(ending) for ending in self._d.evidence["ending"]]
        plain = [
            self._text(_without(said, text)) if isinstance(text, str) and text else now
            for now, said, text in zip(sentences, self._d.evidence["sentence"], texts, strict=True)
        ]
        return pd.Series(plain, index=sentences.index, dtype=sentences.dtype)

    def _quoted(self, lines: pd.DataFrame) -> pd.Series[Any]:
        """Return the texts of LOG_LINES with only what is known in them."""
        names = {str(n): self._to.name("name", str(n)) for column in WHOSE for n in lines[column].dropna().unique()}
        columns = ("text", "severity", "pid", "client_port", "server_port")
        texts = [
            self._line(text, {str(v) for v in known if not pd.isna(v)}, names)
            for text, *known in zip(*(lines[column] for column in columns), strict=True)
        ]
        return pd.Series(texts, index=lines.index, dtype="string")

    def _line(self, text: str, known: Iterable[str], names: dict[str, str]) -> str:
        """Return one log line: its time, the program's own words, pseudonyms, and nothing else.

        known
            words and numbers of this line that may stay: severity, process, ports
        """
        kept: dict[int, tuple[int, str]] = {}  # where a piece begins -> where it ends, and what stands there instead
        taken = [False] * len(text)

        def keep(start: int, end: int, shown: str) -> None:
            if not any(taken[start:end]):
                kept[start] = (end, shown)
                taken[start:end] = [True] * (end - start)

        for found in _ADDRESS.finditer(text):
            if _parsed(found[0]) is not None:
                port = _PORT.match(text, found.end())
                keep(
                    found.start(),
                    port.end() if port else found.end(),
                    self._to.address(found[0]) + (port[0] if port else ""),
                )
        for found in _STAMP.finditer(text):
            keep(found.start(), found.end(), found[0])
        for words in sorted((w for w in self._public if w in text), key=len, reverse=True):
            for found in re.finditer(re.escape(words), text):
                if not _cuts(text, found.start()) and not _cuts(text, found.end()):
                    keep(found.start(), found.end(), words)
        for name, pseudonym in sorted(names.items(), key=lambda pair: -len(pair[0])):
            if name in text:
                for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
                    keep(found.start(), found.end(), pseudonym)
        for word in known:
            for found in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text):
                keep(found.start(), found.end(), word)
        for found in _WORDS.finditer(text):
            keep(found.start(), found.end(), found[0])
        return _joined(text, kept)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _without(sentence: str, text: str) -> str:
    return changed(sentence, lambda part: part.replace(text, REMOVED))


def _cuts(text: str, place: int) -> bool:
    """Return whether a piece that begins or ends here would be part of a longer ASCII word or number."""
    if not 0 < place < len(text):
        return False
    return all(c.isascii() and c.isalnum() for c in text[place - 1 : place + 1])


def _joined(text: str, kept: dict[int, tuple[int, str]]) -> str:
    """Return the kept pieces; what stood between them is a GAP unless it is only punctuation."""
    out, at = [], 0
    for start in [*sorted(kept), len(text)]:
        between = text[at:start]
        out.append(re.sub(r"\w(?:.*\w)?", GAP, between, flags=re.DOTALL))
        if start in kept:
            at, shown = kept[start]
            out.append(shown)
    return "".join(out)


def _mapped(column: pd.Series[Any], to: Callable[[str], str]) -> pd.Series[Any]:
    """Return a column with each of its different texts replaced once."""
    names = {text: to(str(text)) for text in column.dropna().unique()}
    return column.map(names).astype(column.dtype)
