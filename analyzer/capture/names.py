"""File names that tell when a capture began, held against what it holds.

Lives here: `stale`: the notice about captures that begin later than their names say, as tcpdump leaves them when it writes over
its own file. Never here: opening files.

A name such as `261120-09:46:56.pcap` comes from the guides' `$(date ...)`, which the shell expands once: with -G, tcpdump then opens
the same file again at each rotation, and what was in it is lost. The zone of the name is not known, so times are compared modulo
quarter hours, as far as zones reach.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol

from analyzer.errors import Notice
from analyzer.language import N_, Sentence, joined, say, say_many

# Days as names write them, with the orders of year, month and day that are tried. A name that has only a date tells too little.
_DAYS = (
    (r"(?:19|20)\d\d[-_.:]?\d\d[-_.:]?\d\d", ("%Y%m%d",)),
    (r"\d\d[-_.:]?\d\d[-_.:]?(?:19|20)\d\d", ("%d%m%Y", "%m%d%Y")),
    (r"\d\d[-_]?\d\d[-_]?\d\d", ("%y%m%d", "%d%m%y", "%m%d%y")),  # with dots it would be the beginning of an address
)
_CLOCK = r"[-_.:T@ +]*(?P<hour>\d\d)[-_.:]?(?P<minute>\d\d)(?:[-_.:]?(?P<second>\d\d))?(?!\d)"
_FORMS = tuple((re.compile(rf"(?<!\d)(?P<day>{day}){_CLOCK}"), orders) for day, orders in _DAYS)
_EPOCH = re.compile(r"(?<!\d)(1\d{9})(?!\d)")  # %s: seconds since 1970

QUARTER = 900  # seconds; every zone in use is a whole number of quarter hours from UTC
ZONES = 14 * 3600  # seconds; the zone farthest from UTC
# A file's first packet comes as soon as there is one: that much later is no sign, nor is what the name leaves out.
PROMPT = 1.5  # seconds
FARTHEST = 366 * 86_400  # seconds; a time that far from the packets is none, or not theirs
SECOND = 10**9  # ns

ADVICE = N_(
    "Where the name given to tcpdump holds no %-codes, each rotation (-G) writes over the same file and what came before is lost;"
    " -w 'dump-%Y%m%d-%H%M%S.pcap' gives each rotation its own."
)


class Named(Protocol):
    """What is asked of a capture file: its name, and the time of its first packet in ns since 1970 UTC."""

    @property
    def name(self) -> str: ...

    @property
    def first(self) -> int | None: ...


def stale(files: Sequence[Named]) -> list[Notice]:
    """Return a notice about the files whose names are older than their first packets, at most one for names of one pattern.

    In a set of names that follow one pattern, a file that begins late is only quiet if most of the others begin in time.
    """
    patterns: dict[str, list[tuple[Named, float | None]]] = {}
    for file in files:
        if file.first is not None and (told := _told(file.name.rpartition("/")[2], file.first / SECOND)):
            late = _late(file.first / SECOND - told[0], told[1])
            patterns.setdefault(re.sub(r"\d+", "0", file.name), []).append((file, late))
    notices = []
    for group in patterns.values():
        found = [(file, late) for file, late in group if late is not None]
        if 2 * len(found) > len(group):
            file, late = found[0]
            sentences = [say("The capture begins {late} later than its name says.", late=_words(late))]
            if late < QUARTER:
                sentences.append(say("The name's time zone is not known: whole quarter hours may come on top."))
            if len(found) > 1:
                sentences.append(say_many("So does {n} other capture.", "So do {n} other captures.", len(found) - 1))
            notices.append(Notice("warning", file.name, "", joined([*sentences, say(ADVICE)])))
    return notices


def _told(name: str, first: float) -> tuple[float, int] | None:
    """Return the time that a name tells, of those it may mean the one nearest to the first packet; None when it tells none."""
    near = [(time, step) for time, step in _times(name) if abs(first - time) <= FARTHEST]
    return min(near, key=lambda told: abs(first - told[0])) if near else None


def _times(name: str) -> Iterator[tuple[float, int]]:
    """Yield each time that a name may mean, as seconds since 1970 if it were UTC, and its resolution in seconds; 0: the zone is known."""
    for pattern, orders in _FORMS:
        for match in pattern.finditer(name):
            text = re.sub(r"\D", "", match["day"]) + match["hour"] + match["minute"] + (match["second"] or "00")
            for order in orders:
                try:
                    moment = datetime.strptime(text, f"{order}%H%M%S").replace(tzinfo=UTC)
                except ValueError:
                    continue
                yield moment.timestamp(), 1 if match["second"] else 60
    for match in _EPOCH.finditer(name):
        yield float(match[1]), 0


def _late(difference: float, step: int) -> float | None:
    """Return by how many seconds the first packet is later than the name, whatever the name's zone; None where it is not."""
    if step == 0:
        return difference if difference > PROMPT + 1 else None
    if difference > ZONES + QUARTER:
        return difference - ZONES
    if difference < -ZONES - QUARTER / 2:
        return None
    rest = (difference + QUARTER / 2) % QUARTER - QUARTER / 2
    return rest if rest > PROMPT + step else None


def _words(seconds: float) -> Sentence:
    for words, length in ((N_("{n} days"), 86_400), (N_("{n} hours"), 3600), (N_("{n} minutes"), 60)):
        if seconds >= 2 * length:
            return say(words, n=round(seconds / length))
    return say("{seconds:.1f} s", seconds=seconds)
