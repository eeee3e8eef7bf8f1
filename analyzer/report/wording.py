"""The words of the report: how a value of the result document is put into words, in the language that is shown.

Lives here: names of sides and bands, times, spans, sizes, plurals, TCP flags, and `inert`, which makes untrusted text safe to
look at. Never here: a decision about the diagnosis, or any markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from unicodedata import east_asian_width

from analyzer.language import ENGLISH, N_, P_, shown, tr, trn
from analyzer.schema import BANDS, ENDINGS

# Weight of one sign in decibans (10 = odds of ten): lower bound -> word.
WEIGHTS = ((15, N_("very strong")), (10, N_("strong")), (5, N_("moderate")), (1, N_("slight")))
FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE")  # bit 0 upwards, in Wireshark's order

# What may not reach a reader's eye as itself: controls (terminal escapes), bidirectional overrides (text that reads
# backwards), zero-width and line-separating characters, tags, surrogates.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
_TYPOGRAPHY = str.maketrans(
    {"…": "...", "–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "→": "->", "←": "<-", "×": "x",
     "≥": ">=", "≤": "<=", "≠": "!=", "≈": "~", "±": "+/-", "µ": "u", "μ": "u", "·": "-", "•": "*", "\u00a0": " ",
     "\u2009": " ", "\u202f": " ", "✔": "+", "✘": "-"}
)  # fmt: skip

SIDES = {
    "client": N_("the client"),
    "server": N_("the server"),
    "middlebox": N_("a device between"),
    "undetermined": N_("cannot be told"),
}
# The same as a label of one word.
ROLES = {
    "client": N_("client"),
    "server": N_("server"),
    "middlebox": N_("device between"),
    "undetermined": N_("undetermined"),
}
EMITTERS = {
    "socket": N_("its socket"),
    "kernel": N_("its kernel"),
    "host_filter": N_("a filter on that host"),
    "device": N_("a network device"),
}
# Below the first a coincidence is as good as ruled out; from the second on it must be reckoned with.
SURE, DOUBTFUL = 0.01, 0.05
TIES = {
    "connection": N_("the line names the connection"),
    "process": N_("its process named the connection in another line"),
    "host": N_("the line names the host only"),
    "time": N_("by time only"),
}
WHERE = {
    "client": N_("at the client's host"),
    "server": N_("at the server's host"),
    "between": N_("between client and server"),
    "unknown": N_("at an unknown place"),
}
LEVELS = {"info": N_("info"), "warning": N_("warning"), "error": N_("error")}

# What is counted: one, several, an unknown number.
COUNTED = {
    "reset": P_("{n:,} reset", "{n:,} resets", "an unknown number of resets"),
    "quiet end": P_("{n:,} quiet end", "{n:,} quiet ends", "an unknown number of quiet ends"),
    "reset by a device": P_(
        "{n:,} reset by a device between",
        "{n:,} resets by a device between",
        "an unknown number of resets by a device between",
    ),
    "reset by somebody": P_(
        "{n:,} reset by somebody", "{n:,} resets by somebody", "an unknown number of resets by somebody"
    ),
    "silent death": P_("{n:,} silent death", "{n:,} silent deaths", "an unknown number of silent deaths"),
    "connection": P_("{n:,} connection", "{n:,} connections", "an unknown number of connections"),
    "packet": P_("{n:,} packet", "{n:,} packets", "an unknown number of packets"),
    "sign": P_("{n:,} sign", "{n:,} signs", "an unknown number of signs"),
    "fact": P_("{n:,} fact", "{n:,} facts", "an unknown number of facts"),
    "pair": P_("{n:,} pair", "{n:,} pairs", "an unknown number of pairs"),
    "entry": P_("{n:,} entry", "{n:,} entries", "an unknown number of entries"),
    "other incident": P_("{n:,} other incident", "{n:,} other incidents", "an unknown number of other incidents"),
    "more incident": P_("{n:,} more incident", "{n:,} more incidents", "an unknown number of incidents"),
}


def inert(text: object, keep: str = "") -> str:
    """Return untrusted text with every character that could act instead of show written as an escape."""

    def escape(match: re.Match[str]) -> str:
        code = ord(match[0])
        if match[0] in keep:
            return match[0]
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    return _HIDDEN.sub(escape, str(text))


def ascii_punctuation(text: str) -> str:
    """Return text whose typography survives consoles in cp932, cp936 and the like; letters stay as they are."""
    return text.translate(_TYPOGRAPHY)


def cut(text: object, limit: int = 400) -> str:
    """Return text shortened to `limit` characters, saying how long it was."""
    words = str(text)
    if len(words) <= limit:
        return words
    return words[:limit] + trn("… ({n:,} character)", "… ({n:,} characters)", len(words))


def short(text: object, limit: int = 28) -> str:
    """Return a name at a length that fits a narrow place, its middle left out: both ends of a file name tell something."""
    words = str(text)
    return words if len(words) <= limit else f"{words[: limit // 2]}…{words[-(limit // 2) :]}"


def capital(text: object) -> str:
    """Return a sentence or title with its first letter as a capital, in a language where sentences begin with one."""
    words = str(text)
    return words[:1].upper() + words[1:] if shown() == ENGLISH else words


def opening(text: object, limit: int = 230) -> str:
    """Return the first sentences of a text, as many as fit in `limit` cells (wide letters take two); an ellipsis where it goes on."""
    words = str(text)
    length = (
        len(words) if cells(words) <= limit else next(n for n in range(len(words)) if cells(words[: n + 1]) > limit)
    )
    if length == len(words):
        return words
    ends = [match.end() for match in re.finditer(r"[.;](?=\s)|[。；]", words[: length + 1])]
    stop = ends[-1] if ends and ends[-1] > length // 3 else max(words.rfind(mark, 0, length) for mark in " 、，")
    if words[:stop].count("`") % 2:  # never within code
        stop = words.rfind("`", 0, stop)
    return words[:stop].rstrip(" ;:,、，") + " …"


def cells(text: str) -> int:
    """Return how wide a text is in a fixed font: letters of East Asia take two cells."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def seconds(value: Any) -> str:
    """Return seconds as a plain decimal number to the microsecond, with a true minus sign: '−32402.7 s'."""
    if not known(value):
        return tr("unknown")
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return f"{'0' if text == '-0' else text} s".replace("-", "−")


def known(value: Any) -> bool:
    """Return whether a value says anything: not None, NaN, NA or an empty string."""
    if value is None or isinstance(value, str):
        return bool(value)
    try:
        return bool(value == value)
    except TypeError:  # pandas.NA has no truth value
        return False


def count(number: Any, noun: str) -> str:
    """Return '1 reset', '12,000 resets'; `noun` is a key of COUNTED."""
    one, many, unknown = COUNTED[noun]
    return trn(one, many, number) if known(number) else tr(unknown)


def more(number: int) -> str:
    """Return 'and 3 more'."""
    return trn("and {n:,} more", "and {n:,} more", number)


def probability(value: Any) -> str:
    """Return a probability with two digits; never '1.00' for less than one."""
    return "" if not known(value) else f"{value:.2f}" if value == 1 or value < 0.995 else tr("above 0.99")


def band(value: Any, proof: Any = None) -> str:
    """Return the word for a confidence; 'proved' only where there is proof."""
    if not known(value):
        return tr("undetermined")
    if known(proof):
        return tr("proved")
    return tr(next(word for bound, word in BANDS if value >= bound and word != "proved"))


def weight(decibans: Any) -> str:
    """Return how much one sign counted, in words; '' when it counted nothing."""
    size = abs(decibans) if known(decibans) else 0
    return tr(next((word for bound, word in WEIGHTS if size >= bound), ""))


def side(name: object, otherwise: str = "cannot be told") -> str:
    """Return who transmitted a reset, in words: 'the client'."""
    return tr(SIDES.get(str(name), otherwise))


def role(name: object) -> str:
    """Return who transmitted a reset as a label: 'client'."""
    return tr(ROLES.get(str(name), str(name)))


def where(place: object) -> str:
    """Return where a capture was taken, in words."""
    return tr(WHERE.get(str(place), WHERE["unknown"]))


def tie(line: Any) -> str:
    """Return why a log line belongs to a reset, in words."""
    kind = str(line.get("tie"))
    return str(line.get("tie_sentence") or tr(TIES.get(kind, kind)))


def chance(line: Any) -> str:
    """Return how easily chance makes such a tie, in a few words; '' where that is not known."""
    coincidence = line.get("coincidence")
    if not known(coincidence):
        return ""
    if coincidence < SURE:
        return tr("chance of coincidence below {chance}", chance=share(SURE))
    if coincidence < DOUBTFUL:
        return tr("chance of coincidence {chance}", chance=share(coincidence))
    return tr("it may be a coincidence: chance {chance}", chance=share(coincidence))


def tied(line: Any) -> str:
    """Return what ties a log line to its reset, in few words, and the chance that it is a coincidence."""
    kind = str(line.get("tie"))
    return "; ".join(part for part in (tr(TIES.get(kind, kind)), chance(line)) if part)


def place(text: object) -> str:
    """Return where in a source a notice stands, in words: 'frame 17', 'line 3, 9', 'byte 1048'."""
    kind, _, number = str(text).partition(" ")
    words = {
        "frame": tr("frame {place}", place=number),
        "line": tr("line {place}", place=number),
        "byte": tr("byte {place}", place=number),
    }
    return words.get(kind, str(text)) if number else str(text)


def source(notice: Any) -> str:
    """Return the source of a notice, and the place in it, as far as they are known; '' where its sentence begins with the source."""
    if known(notice.get("source")) and str(notice.get("sentence")).startswith(str(notice["source"])):
        return ""
    words = place(notice["place"]) if known(notice.get("place")) else ""
    return " ".join(str(part) for part in (notice.get("source"), words) if known(part))


def share(part: Any) -> str:
    """Return a share as a whole percentage, never 100 % or 0 % for almost."""
    percent = round(100 * part)
    return "100 %" if part == 1 else f"{min(max(percent, 1), 99)} %" if part > 0 else "0 %"


def moment(value: Any, digits: int = 3, date: bool = True) -> str:
    """Return an RFC 3339 time as '2026-03-02 09:14:05.123', cut (not rounded) to `digits` of a second."""
    if not known(value):
        return tr("time unknown")
    text = str(value).replace("T", " ").removesuffix("Z").removesuffix("+00:00")
    whole, _, fraction = text.partition(".")
    day, _, clock = whole.partition(" ")
    clock += f".{fraction.ljust(digits, '0')[:digits]}" if digits else ""
    return f"{day} {clock}" if date else clock


def span(first: Any, last: Any, digits: int = 0) -> str:
    """Return 'from to', the date once when both fall on the same day."""
    if not known(first):
        return tr("time unknown")
    start, end = moment(first, digits), moment(last if known(last) else first, digits)
    if start == end:
        return f"{start} UTC"
    return tr("{start} to {end} UTC", start=start, end=end if start[:10] != end[:10] else end[11:])


def seconds_between(first: Any, last: Any) -> float | None:
    """Return the seconds between two RFC 3339 times, to the microsecond."""
    if not (known(first) and known(last)):
        return None
    start, end = (datetime.fromisoformat(moment(value, 6)) for value in (first, last))
    return (end - start).total_seconds()


def duration(seconds: Any) -> str:
    """Return a duration in the unit a person would choose: '120 µs', '3.1 ms', '2.7 s', '305 s', '2 h 4 min'."""
    if not known(seconds):
        return tr("an unknown time")
    sign, size = ("−" if seconds < 0 else ""), abs(float(seconds))
    if size == 0:
        return "0 s"
    if size < 1e-3:
        return f"{sign}{size * 1e6:.3g} µs"
    if size < 1:
        return f"{sign}{size * 1e3:.3g} ms"
    if size < 600:
        return f"{sign}{size:.3g} s" if size < 99.95 else f"{sign}{size:.0f} s"
    minutes = round(size / 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return sign + tr("{hours} h {minutes} min", hours=hours, minutes=minutes)
    return sign + tr("{minutes} min", minutes=minutes)


def shift(seconds: Any) -> str:
    """Return by how much a clock was moved: '+0.6 ms', '−9:00:00', '+1:00:02.7'."""
    if not known(seconds):
        return tr("unknown")
    sign, size = ("−" if seconds < 0 else "+"), abs(float(seconds))
    if size < 60:
        return f"{sign}{duration(size)}"
    minutes, rest = divmod(round(size, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{sign}{hours}:{minutes:02}:{rest:04.1f}".removesuffix(".0")


def lag(seconds: Any, spread: Any = None) -> str:
    """Return how a log line stands to its reset in time; a distance below the clocks' own agreement says nothing."""
    if not known(seconds):
        return tr("at an unknown distance")
    if known(spread) and abs(seconds) <= spread:
        return tr("at the same time (the clocks agree to {spread})", spread=duration(spread))
    if not seconds:
        return tr("at the same time")
    if seconds < 0:
        return tr("{time} before it", time=duration(-seconds))
    return tr("{time} after it", time=duration(seconds))


def size(number: Any) -> str:
    """Return a file size in a unit a person would choose."""
    if not known(number):
        return tr("size unknown")
    value, units = float(number), [tr("bytes"), "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}"


def flags(bits: Any) -> str:
    """Return TCP flags as Wireshark shows them: '[PSH, ACK]'."""
    if not known(bits):
        return "[?]"
    names = [name for bit, name in enumerate(FLAGS) if bits >> bit & 1]
    return f"[{', '.join(names) or '<None>'}]"


def address(end: Any) -> str:
    """Return 'ip:port' of a document's {"ip", "port"}, IPv6 in brackets (RFC 3986 3.2.2)."""
    if not end or not known(end.get("ip")):
        return tr("address unknown")
    ip = f"[{end['ip']}]" if ":" in end["ip"] else end["ip"]
    return f"{ip}:{end['port']}" if known(end.get("port")) else ip


def listed(items: Iterable[object], limit: int = 3) -> str:
    """Return 'a, b, c and 4 more'."""
    names = [str(item) for item in items]
    comma = tr(", ")
    if len(names) > limit + 1:
        return trn(
            "{items} and {n:,} more", "{items} and {n:,} more", len(names) - limit, items=comma.join(names[:limit])
        )
    return tr("{items} and {last}", items=comma.join(names[:-1]), last=names[-1]) if len(names) > 1 else "".join(names)


def humanised(name: object) -> str:
    """Return an identifier as words: 'idle_timeout' -> 'idle timeout'."""
    return tr(str(name).replace("_", " "))


def fact(name: str, value: Any) -> tuple[str, str, str]:
    """Return a fact of a reset as (name, value with unit, meaning); the meaning is the schema's."""
    column = ENDINGS.columns.get(name)
    unit = f" {tr(column.unit)}" if column and column.unit else ""
    truth = tr({True: N_("yes"), False: N_("no")}[value]) if isinstance(value, bool) else ""
    number = f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    words = truth or number
    return humanised(name), cut(words, 200) + unit, tr(column.meaning) if column else ""
