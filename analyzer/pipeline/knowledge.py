"""What the program knows and what it runs on: causes, log formats, versions, as plain dicts.

Lives here: the knowledge that the report and the commands show. Never here: anything about a capture.
"""

from __future__ import annotations

import platform
from collections import Counter
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from analyzer import logs
from analyzer.causes import all_causes
from analyzer.language import say


def cause_pages() -> dict[str, dict[str, Any]]:
    """Return by id what is known of each cause: the knowledge that the report and `pcapreport causes` show."""
    return {name: _cause_page(name) for name in all_causes()}


def format_pages() -> dict[str, dict[str, Any]]:
    """Return by id what is known of each log format, what each of its messages says and proves, with a sample, and of each
    envelope around lines.
    """
    pages: dict[str, dict[str, Any]] = {}
    for f in sorted(logs.all_formats(), key=lambda f: f.id):
        said: dict[str, dict[str, Any]] = {}
        for m in f.messages:  # the texts of one meaning in all languages are one
            said.setdefault(
                m.id, {"message": m.id, "proves": m.proves, "verified": m.verified, "events": [], "example": ""}
            )
        for s in f.samples:
            own = said[s.message]
            own["events"] += [s.event] if s.event not in own["events"] else []
            own["example"] = own["example"] or s.text
        pages[f.id] = {
            "id": f.id,
            "kind": "format",
            "title": f.title,
            "reference": f.reference,
            "messages": len({m.id for m in f.messages}),
            "languages": sorted({m.language for m in f.messages}),
            "verified": dict(Counter(m.verified for m in f.messages).most_common()),
            "said": list(said.values()),
        }
    for e in logs.all_envelopes():
        page = {"id": e.id, "kind": "envelope", "title": e.title, "reference": e.reference}
        pages[e.id] = {**page, "messages": 0, "languages": [], "verified": {}, "example": e.samples[0].text, "said": []}
    return pages


@cache
def log_words() -> tuple[str, ...]:
    """Return the texts that the known programs write into their logs: public, whoever runs the program."""
    return tuple(sorted({words for f in logs.all_formats() for message in f.messages for words in message.literals}))


def _cause_page(name: str) -> dict[str, Any]:
    cause = all_causes()[name]
    return {
        "id": cause.id,
        "title": say(cause.title),
        "mechanism": say(cause.mechanism),
        "remedy": say(cause.remedy),
        "confirm": say(cause.confirm),
        "lookalikes": {other: say(difference) for other, difference in cause.lookalikes.items()},
        "references": [list(r) for r in cause.references],
        "signs": [
            {
                "sign": s.id,
                "says": say(s.plain or s.says, sender=say("the sender"), peer=say("the other end")),
                "holds": s.holds,
                "fails": s.fails,
                "needed": s.needed,
                "source": s.source,
            }
            for s in cause.signs
        ],
        "harmless": cause.harmless,
        "origins": list(cause.origins),
    }


def versions(dissected: bool) -> dict[str, Any]:
    """Return the versions that a result depends on; tshark is None where it was not found or not asked for."""
    try:
        own = version("pcapreport")
    except PackageNotFoundError:
        own = "unknown"
    return {
        "pcapreport": own,
        "python": platform.python_version(),
        "pandas": pd.__version__,
        "tshark": _tshark_version() if dissected else None,
    }


def _tshark_version() -> str | None:
    """Return what tshark says of itself, None where there is none."""
    from analyzer import dissection

    tshark = dissection.find_tshark()
    return None if tshark is None else _asked_version(tshark)


@cache
def _asked_version(tshark: Path) -> str:
    """Return what that program says of itself; asked once in a process."""
    from analyzer import dissection

    return dissection.tshark_version(tshark)
