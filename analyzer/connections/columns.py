"""Numbers of the working state made into nullable columns.

Lives here: the one way each kind of value becomes a pandas column. "Not known" is always a mask, never a number.
Never here: what a column means.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.schema import NO_TIME

Array = npt.NDArray[Any]


def integers(values: Array, known: Array | None = None) -> pd.Series:
    """Int64; NA where not `known`."""
    unknown = np.zeros(len(values), bool) if known is None else ~known
    return pd.Series(pd.arrays.IntegerArray(values.astype(np.int64), unknown))


def booleans(values: Array, known: Array | None = None) -> pd.Series:
    """boolean; NA where not `known`."""
    unknown = np.zeros(len(values), bool) if known is None else ~known
    return pd.Series(pd.arrays.BooleanArray(values.astype(bool), unknown))


def floats(values: Array, known: Array | None = None) -> pd.Series:
    """Float64; NA where not `known`."""
    unknown = np.zeros(len(values), bool) if known is None else ~known
    return pd.Series(pd.arrays.FloatingArray(values.astype(np.float64), unknown))


def seconds(nanoseconds: Array, known: Array) -> pd.Series:
    """Float64 seconds of durations in nanoseconds; NA where not `known`."""
    return floats(nanoseconds / 1e9, known)


def times(nanoseconds: Array) -> pd.Series:
    """datetime64[ns, UTC]; NaT where NO_TIME."""
    assert np.iinfo(np.int64).min == NO_TIME  # numpy's own NaT
    return pd.Series(nanoseconds.astype(np.int64).view("M8[ns]")).dt.tz_localize("UTC")


def strings(choices: Sequence[str | None], codes: Array) -> pd.Series:
    """string: `choices` by code."""
    return pd.Series(pd.array([*choices, None], dtype="string").take(codes.astype(np.int64)))


def address_text(hi: int, lo: int) -> str:
    """An address as tshark prints it: dotted for IPv4 (::ffff:a.b.c.d, RFC 4291 2.5.5.2), else as in RFC 5952."""
    if hi == 0 and lo >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(lo & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address((hi << 64) | lo))
