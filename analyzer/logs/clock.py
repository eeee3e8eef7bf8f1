"""Stamps of one source -> UTC: the zone that was given, the missing year, the hour that daylight saving repeats, the collector's stamp.

Lives here: `Clock`, `settle`. Never here: how a stamp is written (timestamps.py), or how far a clock is off (correlation).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from analyzer.logs.timestamps import BOOT, Stamp

SECOND = 10**9  # nanoseconds
HALF_A_YEAR = 180 * 86400 * SECOND
QUARTER = 900 * SECOND  # zones are whole quarters of an hour from UTC
WIDEST_ZONE = 15 * 3600 * SECOND
COLLECTED_WITHIN = (
    60 * SECOND
)  # a collector stamps a line this soon after its program did, or we do not know what its stamp means


def settle(own: Stamp | None, collected: Stamp | None) -> Stamp | None:
    """The program's own stamp if there is one, else its collector's.

    A collector's stamp that prints its zone tells the zone (and the year) of the program's own: it is the quarter of an hour between them.
    """
    if own is None or collected is None:
        return own or collected
    if own.form == BOOT:
        return collected
    if own.zoned or not collected.zoned:
        return own
    apart = own.nanoseconds - collected.nanoseconds
    zone = round(apart / QUARTER) * QUARTER
    if abs(apart - zone) > COLLECTED_WITHIN or (own.year_printed and abs(zone) > WIDEST_ZONE):
        return own
    return replace(own, nanoseconds=collected.nanoseconds + apart - zone, zoned=True, year_printed=True)


class Clock:
    """Turns stamps of one source into UTC: the zone given, the missing year, and the hour that daylight saving repeats."""

    def __init__(self, timezone: tzinfo | None, year: int) -> None:
        self.timezone, self.year = timezone, year
        self._previous: int | None = None

    def read(self, stamp: Stamp) -> tuple[int, str]:
        """Nanoseconds since 1970 and 'printed', 'given', 'boot' or 'unknown'."""
        if stamp.form == BOOT:
            return stamp.nanoseconds, "boot"
        if stamp.zoned:
            return stamp.nanoseconds, "printed"
        nanoseconds = stamp.nanoseconds
        if not stamp.year_printed and self._previous is not None and self._previous - nanoseconds > HALF_A_YEAR:
            self.year += 1
            nanoseconds += (
                int(timedelta(days=366 if _leap_between(nanoseconds, self.year) else 365).total_seconds()) * 10**9
            )
        if self.timezone is not None:
            nanoseconds = self._utc(nanoseconds, self.timezone)
        self._previous = nanoseconds
        return nanoseconds, "unknown" if self.timezone is None else "given"

    def _utc(self, nanoseconds: int, zone: tzinfo) -> int:
        local = datetime(1970, 1, 1) + timedelta(seconds=nanoseconds // 10**9)
        first, second = (nanoseconds - _offset(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
        if second > first and self._previous is not None and self._previous > first:
            return second
        return first


def _offset(moment: datetime) -> int:
    return int((moment.utcoffset() or timedelta()).total_seconds()) * 10**9


def _leap_between(nanoseconds: int, next_year: int) -> bool:
    """Whether 29 February lies between this moment and the same date in `next_year`."""
    moment = datetime(1970, 1, 1) + timedelta(seconds=nanoseconds // 10**9)
    february = next_year if moment.month > 2 else moment.year
    return february % 4 == 0 and (february % 100 != 0 or february % 400 == 0)
