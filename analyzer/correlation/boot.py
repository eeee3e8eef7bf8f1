"""Logs that count seconds since their machine started (the Linux kernel's trace, dmesg): when that was, on the capture's clock.

Lives here: `boot_clocks`, from resets that both the log and the capture name with both ends, and `with_boot_clocks`, which writes what was
found into CLOCKS.
Never here: clocks that tell a time of day (clocks.py).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyzer.correlation.wire import SECOND, TUPLE, Wire
from analyzer.language import say_many

WITHIN = 300_000_000  # ns: a kernel writes its trace as it sends or receives
SWAPPED = dict(zip(TUPLE, [*TUPLE[2:], *TUPLE[:2]], strict=True))  # the same ends under each other's names


def boot_clocks(lines: pd.DataFrame, wire: Wire) -> pd.DataFrame:
    """source, offset (ns, log minus capture), spread (ns), support (lines that agree), of sources whose lines stand in zone 'boot'.

    A source is absent where no line names a connection that was reset in the capture, or where two offsets fit as many lines.
    """
    rows = []
    named = lines[
        (lines["zone"] == "boot").fillna(False) & lines["event"].isin(["reset_sent", "reset_received", "reset_seen"])
    ]
    resets = wire.resets[[*TUPLE, "t"]].rename(columns={"t": "packet"})
    resets = pd.concat([resets, resets.rename(columns=SWAPPED)], ignore_index=True)
    for source, own in named.dropna(subset=TUPLE).groupby("source", sort=False):
        pairs = own[[*TUPLE, "t"]].assign(row=own.index).merge(resets.astype(own[TUPLE].dtypes.to_dict()), on=TUPLE)
        differences = np.sort((pairs["t"] - pairs["packet"]).to_numpy(dtype=np.int64))
        if not len(differences):
            continue
        held = np.searchsorted(differences, differences + WITHIN, side="right") - np.arange(len(differences))
        best = int(held.argmax())
        start = int(differences[best])
        if ((held == held[best]) & (np.abs(differences - start) > WITHIN)).any():
            continue
        inside = differences[best : best + int(held[best])]
        agree = pairs[(pairs["t"] - pairs["packet"]).between(start, start + WITHIN)]["row"].nunique()
        rows.append((str(source), int(np.median(inside)), int(np.ptp(inside)) // 2, int(agree)))
    return pd.DataFrame(rows, columns=["source", "offset", "spread", "support"])


def with_boot_clocks(clocks: pd.DataFrame, boots: pd.DataFrame) -> pd.DataFrame:
    """CLOCKS where the sources of `boots` say what their clock counts, and on what it rests."""
    out = clocks.copy()
    for source, offset, spread, support in boots.itertuples(index=False):
        mine = out["source"] == source
        out.loc[mine, ["basis", "spread_seconds", "support"]] = ["identity", spread / SECOND, support]
        started = pd.Timestamp(-offset, unit="ns", tz="UTC").strftime("%Y-%m-%d %H:%M:%S UTC")
        sentence = say_many(
            "{source} counts seconds since its machine started, which was at {started}; {n} line that names a reset connection tells it.",
            "{source} counts seconds since its machine started, which was at {started}; {n} lines that name a reset connection agree "
            "within {within:.3g} s.",
            support, source=source, started=started, within=spread / SECOND,
        )  # fmt: skip
        out.loc[mine, "sentence"] = pd.Series([sentence] * int(mine.sum()), index=out.index[mine], dtype=object)
    return out
