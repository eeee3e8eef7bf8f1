"""The log lines that speak of a broken connection.

Lives here: which ends they name, and which endings they were tied to. Never here: the tying (ties.py).
"""

from __future__ import annotations

import pandas as pd

from analyzer.correlation.rules import SPEAKING


def named_ends(lines: pd.DataFrame) -> set[tuple[str, int]]:
    """The ends (address, port) of connections that LOG_LINES speak of as broken: pass 2 looks at these, however they ended."""
    speaking = lines[lines["event"].isin(SPEAKING) & lines["client_ip"].notna() & lines["client_port"].notna()]
    return {(str(ip), int(port)) for ip, port in zip(speaking["client_ip"], speaking["client_port"], strict=True)}


def spoken_of(matches: pd.DataFrame) -> dict[str, set[str]]:
    """Ending -> the events of its lines in MATCHES that speak of a broken connection; endings without such a line have no place."""
    out: dict[str, set[str]] = {}
    for ending, event in zip(matches["ending"], matches["event"], strict=True):
        if event in SPEAKING:
            out.setdefault(ending, set()).add(event)
    return out
