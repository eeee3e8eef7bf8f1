"""How long a silence each path survived, after how long it failed, and the idle timer that follows.

Lives here: the figure and the numbers in it, all of them facts of the document. Never here: inferring the timer (endings/timers.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from analyzer.language import tr
from analyzer.report import wording
from analyzer.report.figures import COLOURS
from analyzer.report.wording import known
from analyzer.result import Diagnosis

PATHS = 8  # paths drawn, those with the most failures
WIDE = 30.0  # longest over shortest silence: from here on the axis is logarithmic


@dataclass(frozen=True)
class Path:
    """One client and service: the silences in seconds, and the bounds of the timer."""

    name: str
    survived: list[float]
    failed: list[float]
    low: float | None
    high: float


def timed(diagnosis: Diagnosis) -> list[Path]:
    """Return the paths whose idle timer is bounded, those with the most failures first."""
    document = diagnosis.document
    groups: dict[str, list[dict[str, float]]] = {}
    for item in [*(document.get("resets") or []), *(document.get("died_in_silence") or [])]:
        facts = item.get("facts") or {}
        if known(facts.get("timer_high")) and known(facts.get("idle_gap")):
            name = f"{(item.get('client') or {}).get('ip')} → {wording.address(item.get('server'))}"
            groups.setdefault(name, []).append(facts)
    found = [
        Path(
            name=name,
            survived=sorted({f["path_survived"] for f in facts if known(f.get("path_survived"))}),
            failed=sorted(f["idle_gap"] for f in facts),
            low=next((f["timer_low"] for f in facts if known(f.get("timer_low"))), None),
            high=facts[0]["timer_high"],
        )
        for name, facts in groups.items()
    ]
    return sorted(found, key=lambda path: -len(path.failed))[:PATHS]


def silences(ax: Axes, diagnosis: Diagnosis) -> bool:
    """Draw, per path, the longest silence that was survived, each one that failed, and between them the idle timer.

    Returns False, and draws nothing, when no timer is bounded.
    """
    shown = timed(diagnosis)
    if not shown:
        return False
    everything = [s for path in shown for s in (*path.survived, *path.failed, path.high) if s > 0]
    shortest, longest = min(everything), max(everything)
    logarithmic = longest > WIDE * shortest
    start = shortest / 2 if logarithmic else 0.0
    for number, path in enumerate(shown):
        low = start if path.low is None else path.low
        ax.axhline(number, color=COLOURS["rule"], linewidth=1, zorder=1)
        ax.fill_betweenx(
            [number - 0.3, number + 0.3], low, path.high, color=COLOURS["middlebox"], alpha=0.16, linewidth=0, zorder=2
        )
        ax.scatter(path.survived, [number] * len(path.survived), s=46, color=COLOURS["log"], zorder=4, linewidths=0)
        ax.scatter(
            path.failed, [number] * len(path.failed), s=42, marker="x", color=COLOURS["reset"], zorder=5, linewidths=1.8
        )
        bounds = {"low": wording.duration(path.low), "high": wording.duration(path.high)}
        words = tr("timer ≤ {high}", **bounds) if path.low is None else tr("{low} < timer ≤ {high}", **bounds)
        ax.annotate(words, (path.high, number + 0.3), xytext=(0, -3), textcoords="offset points", ha="right", va="top",
                    color=COLOURS["middlebox"], fontsize=8.5)  # fmt: skip
    ax.set_xlim(start, longest * (2.0 if logarithmic else 1.08))
    if logarithmic:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(numticks=6))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.duration(value)))
    ax.set_ylim(len(shown) - 0.35, -0.65)
    ax.set_yticks(range(len(shown)), [wording.short(wording.inert(path.name)) for path in shown])
    ax.tick_params(length=0, colors=COLOURS["quiet"], labelcolor=COLOURS["ink"], pad=6)
    ax.tick_params(axis="x", labelcolor=COLOURS["quiet"])
    for side, spine in ax.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(COLOURS["rule"])
    ax.patch.set_alpha(0)
    return True
