"""Time stamps: text -> integer nanoseconds, with resolution and zone.

Lives here: the table of forms, and `Stamp`. Forms are those that programs print; a date whose field order depends on a locale
(05/01/2024) is not read. A clock that counts from its machine's start is a form of its own: only resets that both sides name can place it.
Never here: guessing a zone. A stamp without one is read as UTC and says so.
"""

from __future__ import annotations

import re
from calendar import isleap, timegm
from dataclasses import dataclass

MONTHS = {
    "jan": 1,
    "feb": 2,
    "mar": 3,
    "apr": 4,
    "may": 5,
    "jun": 6,
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "oct": 10,
    "nov": 11,
    "dec": 12,
}

# Abbreviations that mean one offset, in minutes. IST, CST, BST and AST mean several and are read as no zone at all.
ABBREVIATIONS = {
    "UTC": 0, "GMT": 0, "WET": 0, "WEST": 60, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180, "MSK": 180, "TRT": 180,
    "SAST": 120, "PKT": 300, "WIB": 420, "HKT": 480, "SGT": 480, "PHT": 480, "AWST": 480, "JST": 540, "KST": 540,
    "ACST": 570, "ACDT": 630, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780, "BRT": -180, "EST": -300, "EDT": -240,
    "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600,
}  # fmt: skip
AMBIGUOUS = ("IST", "CST", "BST", "AST")

_YMD = r"(?P<Y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)"
_HMS = r"(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)"
_MON = r"(?P<b>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = r"(?P<d>[ \d]\d)"
_WEEK = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_OFFSET = r"[+-]\d\d(?::?\d\d)?"
_NAMES = "|".join(sorted([*ABBREVIATIONS, *AMBIGUOUS], key=len, reverse=True))

BOOT = (
    "boot"  # seconds since the writer's machine started, as the Linux kernel counts: read as if that had been in 1970
)

# (id, pattern, rank): of the stamps in one entry the lowest rank wins, then the finer, then the first. An envelope's own time
# (syslog, a container's collector) is later and coarser than what the program printed.
FORMS: tuple[tuple[str, re.Pattern[str], int], ...] = tuple(
    (name, re.compile(pattern), rank)
    for name, pattern, rank in (
        ("ymd_zone", rf"(?<![\d.]){_YMD} {_HMS}(?:[.,](?P<f>\d{{1,9}}))? ?(?P<z>(?:{_NAMES})(?![A-Za-z])|{_OFFSET}(?!\d)|<{_OFFSET}>)", 0),
        (
            "epoch",
            r'(?:^|"(?:ts|time|timestamp|epoch|t)"\s?:\s?"?|\b(?:ts|time)=|(?<![\w.:/])(?=1\d{9}\.\d{3}(?:\d{3})?(?!\d)))'
            r"(?P<epoch>1\d{9}(?:\.\d{1,9}|\d{9}|\d{6}|\d{3})?)(?![\d.])",
            0,
        ),
        ("journal", r'"__REALTIME_TIMESTAMP"\s?:\s?"(?P<epoch>\d{16})"', 1),
        ("ymd", rf"(?<![\d.]){_YMD} {_HMS}(?:[.,](?P<f>\d{{1,9}})(?!\d)|(?![\d:]))", 0),
        ("ymd_padded", rf"(?<![\d.]){_YMD} (?P<H> \d):(?P<M>\d\d):(?P<S>\d\d)(?![\d:])", 0),
        ("slash", rf"(?<!\d)(?P<Y>\d{{4}})/(?P<m>\d\d)/(?P<d>\d\d) {_HMS}(?:\.(?P<f>\d{{1,9}}))?(?!\d)", 0),
        ("dotted", rf"(?<![\d.])(?P<Y>\d{{4}})\.(?P<m>\d\d)\.(?P<d>\d\d) {_HMS}(?!\d)", 0),
        ("clf", rf"\[(?P<d>\d\d)/{_MON}/(?P<Y>\d{{4}}):{_HMS}(?:\.(?P<f>\d{{3}}))?(?: (?P<z>[+-]\d{{4}}))?\]", 0),
        ("ctime_year_last", rf"(?<!\w){_WEEK} {_MON} {_DAY} {_HMS}(?:\.(?P<f>\d{{6}}))? (?P<Y>\d{{4}})", 0),
        ("dmy", rf"(?<!\d)(?P<d>\d\d)[ -]{_MON}[ -](?P<Y>\d{{4}}) {_HMS}(?:\.(?P<f>\d{{3}}))?(?: (?P<z>UTC))?", 0),
        ("dmy_upper", r"(?<!\d)(?P<d>\d\d)-(?P<b>JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)-(?P<Y>\d{4}) " + _HMS, 0),
        ("glog", rf"^[IWEFDC](?P<m>\d\d)(?P<d>\d\d) {_HMS}\.(?P<f>\d{{6}})", 0),
        ("iso", rf"(?<![\d.]){_YMD}[Tt]{_HMS}(?:[.,](?P<f>\d{{1,9}}))?(?P<z>Z|{_OFFSET})?", 1),
        (BOOT, r"^(?:\[ {0,6}|[^\[\n]{1,80}\[\d{3}\]\s{1,4}(?:\S{4,6}\s{1,4})?)(?P<boot>\d{1,10}\.\d{6,9})(?:\] |: )", 3),
        ("rfc3164", rf"^(?:<\d{{1,3}}>)?{_MON} {_DAY} {_HMS}(?:\.(?P<f>\d{{1,9}}))? ", 2),
    )
)  # fmt: skip
REACH = 512  # characters of an entry's first line in which a stamp is looked for


@dataclass(frozen=True)
class Stamp:
    """One time as printed.

    nanoseconds  since 1970, by the printed zone, else as if it were UTC
    resolution   nanoseconds of one unit of the last digit
    zoned        the zone was printed, and means one offset
    """

    form: str
    start: int
    end: int
    nanoseconds: int
    resolution: int
    zoned: bool
    year_printed: bool
    rank: int


def find(text: str, year: int, end: int = REACH) -> Stamp | None:
    """The time stamp that the program itself printed, among those in ``text[:end]``.

    `year` is used where the form prints none; for 29 February the last leap year up to it.
    None when there is no stamp, or only impossible ones (month 13).
    """
    best: Stamp | None = None
    head = text[: min(end, REACH)]
    for form, regex, rank in FORMS:
        if best is not None and (rank > best.rank or (best.zoned and best.rank == 0 and best.resolution <= 10**6)):
            continue  # nothing better can come
        for match in regex.finditer(head):
            stamp = _stamp(form, rank, match, year)
            if stamp is None:
                continue
            if best is None or (stamp.rank, stamp.resolution, not stamp.zoned, stamp.start) < (
                best.rank,
                best.resolution,
                not best.zoned,
                best.start,
            ):
                best = stamp
    return best


def _stamp(form: str, rank: int, match: re.Match[str], year: int) -> Stamp | None:
    group = match.groupdict()
    start, end = match.span()
    if form == BOOT:
        whole, _, fraction = group["boot"].partition(".")
        nanoseconds = int(whole) * 10**9 + int(fraction.ljust(9, "0"))
        return Stamp(form, start, end, nanoseconds, 10 ** (9 - len(fraction)), False, True, rank)
    if "epoch" in group:
        whole, _, fraction = group["epoch"].partition(".")
        unit = 10 ** (19 - len(whole))
        nanoseconds = int(whole) * unit + int((fraction or "0").ljust(9, "0"))
        return Stamp(form, start, end, nanoseconds, 10 ** (9 - len(fraction)) if fraction else unit, True, True, rank)
    month = int(group["m"]) if group.get("m") else MONTHS[group["b"].lower()]
    day, hour, minute, second = int(group["d"]), int(group["H"]), int(group["M"]), int(group["S"])
    printed_year = group.get("Y")
    full_year = int(printed_year) if printed_year else year
    if not printed_year and (month, day) == (2, 29):
        while not isleap(full_year):
            full_year -= 1
    if not _possible(full_year, month, day, hour, minute, second):
        return None
    fraction = group.get("f") or ""
    nanoseconds = timegm((full_year, month, day, hour, minute, second)) * 10**9 + int((fraction or "0").ljust(9, "0"))
    minutes = _minutes(group.get("z"))
    return Stamp(
        form, start, end, nanoseconds - (minutes or 0) * 60 * 10**9, 10 ** (9 - len(fraction)), minutes is not None, bool(printed_year), rank
    )  # fmt: skip


def _possible(year: int, month: int, day: int, hour: int, minute: int, second: int) -> bool:
    if not (1970 <= year <= 2261 and 1 <= month <= 12 and hour < 24 and minute < 60 and second <= 60):
        return False
    days = 28 + isleap(year) if month == 2 else 30 + (month + (month > 7)) % 2
    return 1 <= day <= days


def _minutes(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone == "Z":
        return 0
    if zone[0].isalpha():
        return ABBREVIATIONS.get(zone)
    digits = zone.strip("<>").replace(":", "")
    minutes = int(digits[1:3]) * 60 + int(digits[3:5] or 0)
    return -minutes if digits[0] == "-" else minutes
