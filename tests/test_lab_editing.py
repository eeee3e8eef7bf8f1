"""What the lab does to captures after the fact: another clock, lost records. Needs no root."""

import struct

import pytest

from captures.lab import editing

MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D


def pcap(magic: int, times: list[tuple[int, int]]) -> bytes:
    """A capture whose n-th record holds n bytes."""
    records = [struct.pack("=IIII", *at, n, n + 100) + b"x" * n for n, at in enumerate(times, start=1)]
    return struct.pack("=IHHiIII", magic, 2, 4, 0, 0, 262144, 1) + b"".join(records)


@pytest.mark.parametrize(("magic", "unit"), [(MICROSECONDS, 1_000), (NANOSECONDS, 1)])
def test_a_clock_is_shifted_and_drifts(magic: int, unit: int) -> None:
    times = [(100, 0), (105, 900_000_000 // unit), (110, 500_000_000 // unit)]
    late = [(140, 500_000_000 // unit), (146, 400_295_000 // unit), (151, 525_000 // unit)]
    assert editing.shift_clock(40.5, 50.0)(pcap(magic, times)) == pcap(magic, late)


def test_nothing_changes_without_a_shift() -> None:
    capture = pcap(MICROSECONDS, [(7, 1), (7, 2), (8, 0)])
    assert editing.shift_clock(0.0, 0.0)(capture) == capture


def test_each_third_record_is_lost() -> None:
    times = [(n, n) for n in range(1, 8)]
    whole, thinned = pcap(MICROSECONDS, times), editing.lose_every(3)(pcap(MICROSECONDS, times))
    assert len(thinned) == len(whole) - sum(16 + n for n in (3, 6))
    assert struct.unpack_from("=II", thinned, 24 + (16 + 1) + (16 + 2)) == (4, 4)


def test_an_empty_capture_stays_empty() -> None:
    empty = pcap(MICROSECONDS, [])
    assert editing.shift_clock(40.0, 50.0)(empty) == editing.lose_every(7)(empty) == empty
