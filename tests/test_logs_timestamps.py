"""Time stamps: every form to the nanosecond, and what is no time."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.logs import timestamps

FORMS = {
    "2024-05-01T12:00:00.123456Z": ("2024-05-01T12:00:00.123456Z", 1000, True),
    "2024-05-01T12:00:00.123": ("2024-05-01T12:00:00.123Z", 10**6, False),
    "2024-05-01T12:00:00.123456789+09:00 app": ("2024-05-01T03:00:00.123456789Z", 1, True),
    "2024-05-01 12:00:00.123 UTC [1] LOG:": ("2024-05-01T12:00:00.123Z", 10**6, True),
    "2024-05-01 12:00:00 JST [1] LOG:": ("2024-05-01T03:00:00Z", 10**9, True),
    "2024-05-01 12:00:00.123 +09 [1]": ("2024-05-01T03:00:00.123Z", 10**6, True),
    "2024-05-01 12:00:00.123 <+0530>": ("2024-05-01T06:30:00.123Z", 10**6, True),
    "2024-05-01 12:00:00.123 -03 [1]": ("2024-05-01T15:00:00.123Z", 10**6, True),
    "2024-05-01 12:00:00.123 IST [1]": ("2024-05-01T12:00:00.123Z", 10**6, False),  # three zones have this name
    "2024-05-01 12:00:00,123 ERROR x": ("2024-05-01T12:00:00.123Z", 10**6, False),
    "2024-05-01 12:00:00.12 Logon": ("2024-05-01T12:00:00.12Z", 10**7, False),
    "2024-05-01 12:00:00 +0900": ("2024-05-01T03:00:00Z", 10**9, True),
    "2024-05-01 12:00:00 DROP TCP": ("2024-05-01T12:00:00Z", 10**9, False),
    "2024-05-01  7:46:16 4 [Warning] Aborted": ("2024-05-01T07:46:16Z", 10**9, False),
    "2024-05-01 12:00:00.123: psql pid 4711: LOG:": ("2024-05-01T12:00:00.123Z", 10**6, False),
    "2024.05.01 12:00:00 LOG5[0]: Service": ("2024-05-01T12:00:00Z", 10**9, False),
    "[1714564800.123456]\t[DESTROY] tcp": ("2024-05-01T12:00:00.123456Z", 1000, True),
    "[ 2347.189574] RST-IN: IN=lo": ("1970-01-01T00:39:07.189574Z", 1000, False),  # since the machine started
    "         python3-872     [001] .N...  2347.216298: tcp_send_reset:": ("1970-01-01T00:39:07.216298Z", 1000, False),
    "2024/05/01 12:00:00 [error] 5533#5533:": ("2024-05-01T12:00:00Z", 10**9, False),
    "[10/Oct/2000:13:55:36 -0700]": ("2000-10-10T20:55:36Z", 10**9, True),
    "[10/Oct/2000:13:55:36.123]": ("2000-10-10T13:55:36.123Z", 10**6, False),
    "[Wed Oct 11 14:32:52.123456 2000]": ("2000-10-11T14:32:52.123456Z", 1000, False),
    "Wed May  1 12:00:00 2024 - SIGPIPE": ("2024-05-01T12:00:00Z", 10**9, False),
    "May  1 12:00:00 db1 postgres[21643]:": ("2024-05-01T12:00:00Z", 10**9, False),
    "<134>1 2024-05-01T12:00:00.123456+09:00 db1": ("2024-05-01T03:00:00.123456Z", 1000, True),
    "14487:M 01 May 2024 12:00:00.886 - Client": ("2024-05-01T12:00:00.886Z", 10**6, False),
    "01-May-2024 12:00:00.123 SEVERE": ("2024-05-01T12:00:00.123Z", 10**6, False),
    "06-FEB-2025 00:16:10 * establish": ("2025-02-06T00:16:10Z", 10**9, False),
    "I0501 15:04:05.000000   12345 proxier.go:100] msg": ("2024-05-01T15:04:05Z", 1000, False),
    "1714564800.123 [21643] LOG:": ("2024-05-01T12:00:00.123Z", 10**6, True),
    '{"ts":1714564800123456789,"m":1}': ("2024-05-01T12:00:00.123456789Z", 1, True),
    '{"__REALTIME_TIMESTAMP":"1714564800123456","_PID":"1"}': ("2024-05-01T12:00:00.123456Z", 1000, True),
    "May  1 12:00:01 db1 postgres[1]: [5-1] 2024-05-01 12:00:00.123 UTC [1] LOG:": ("2024-05-01T12:00:00.123Z", 10**6, True),
}  # fmt: skip


@pytest.mark.parametrize("text", FORMS)
def test_forms(text: str) -> None:
    stamp = timestamps.find(text, 2024)
    assert stamp is not None
    time, resolution, zoned = FORMS[text]
    assert (pd.Timestamp(stamp.nanoseconds, unit="ns", tz="UTC"), stamp.resolution, stamp.zoned) == (
        pd.Timestamp(time),
        resolution,
        zoned,
    )


def test_every_form_is_tried() -> None:
    found = {stamp.form for text in FORMS if (stamp := timestamps.find(text, 2024))}
    assert found == {form for form, _, _ in timestamps.FORMS}


@pytest.mark.parametrize(
    "text",
    [
        "2024-13-01 12:00:00",
        "2024-02-30 12:00:00",
        "2024-05-01 24:00:00",
        "5/1/2024 12:00:00 PM",
        "id 1714564800",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert timestamps.find(text, 2024) is None


def test_the_29th_of_february_needs_a_leap_year() -> None:
    stamp = timestamps.find("Feb 29 12:00:00 db1 x:", 2026)
    assert stamp is not None
    assert pd.Timestamp(stamp.nanoseconds, unit="ns") == pd.Timestamp("2024-02-29T12:00:00")


@given(st.integers(0, 2**33 * 10**9), st.integers(-14 * 60, 14 * 60), st.sampled_from([0, 3, 6, 9]))
def test_any_time_in_any_zone_survives_printing(nanoseconds: int, minutes: int, digits: int) -> None:
    nanoseconds -= nanoseconds % 10 ** (9 - digits)
    local = pd.Timestamp(nanoseconds + minutes * 60 * 10**9, unit="ns")
    if not local.year >= 1970:
        return
    fraction = f".{nanoseconds % 10**9:09d}"[: digits + 1] if digits else ""
    sign = "-" if minutes < 0 else "+"
    text = f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02} x"
    stamp = timestamps.find(text, 2024)
    assert stamp is not None
    assert stamp.nanoseconds == nanoseconds
    assert stamp.resolution == 10 ** (9 - digits)
