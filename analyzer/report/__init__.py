"""A Diagnosis -> one HTML page, a plain-text block, a figure.

Lives here: the public names, loaded when they are first used. Never here: anything computed from packets; a number that is
not in the diagnosis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from analyzer.result import Diagnosis

__all__ = ["explanation", "html", "paths", "schema", "show", "silences", "snippet", "text", "timeline"]


def html(diagnosis: Diagnosis) -> str:
    """Return the report: one self-contained HTML page."""
    from analyzer.report.page import render

    return render(diagnosis)


def schema() -> str:
    """Return the JSON Schema (2020-12) of the result document, as text."""
    from importlib.resources import files

    return files(__name__).joinpath("result.schema.json").read_text(encoding="utf-8")


def text(diagnosis: Diagnosis, width: int = 80) -> str:
    """Return the verdict as a plain-text block, fit for a ticket."""
    from analyzer.report.terminal import verdict_text

    return verdict_text(diagnosis, width)


def explanation(diagnosis: Diagnosis, reset: str, width: int = 100) -> str:
    """Return everything about one ending ('r1', 's1' …) as plain text."""
    from analyzer.report import detail

    return detail.explanation(diagnosis, reset, width)


def show(diagnosis: Diagnosis, console: Any) -> None:
    """Print the same block on a `rich.console.Console`, coloured where that is a terminal."""
    from analyzer.report import terminal

    terminal.show(diagnosis, console)


def snippet(diagnosis: Diagnosis) -> str:
    """Return the small HTML that a notebook shows for a diagnosis."""
    from analyzer.report import notebook

    return notebook.snippet(diagnosis)


def timeline(ax: Axes, diagnosis: Diagnosis) -> bool:
    """Draw resets and log lines on one time axis; False when there is nothing to compare."""
    from analyzer.report import figures

    return figures.timeline(ax, diagnosis)


def paths(ax: Axes, diagnosis: Diagnosis) -> bool:
    """Draw who reset whom, with the device between where one sent the resets; False when there is no reset."""
    from analyzer.report import figure_paths

    return figure_paths.paths(ax, diagnosis)


def silences(ax: Axes, diagnosis: Diagnosis) -> bool:
    """Draw which silences each path survived, which failed, and the idle timer between; False when no timer is bounded."""
    from analyzer.report import figure_silences

    return figure_silences.silences(ax, diagnosis)
