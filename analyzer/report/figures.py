"""The timeline, drawn on an Axes, and the way from any figure to inline SVG.

Lives here: the timeline of resets and log lines, its caption, and SVG that is the same bytes every time, keeps its text as
text, and takes its colours from the page. Never here: numbers that the result document does not hold; the other figures
(figure_paths.py, figure_silences.py).
"""

from __future__ import annotations

import io
import re
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import MINUTELY, SECONDLY, AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from analyzer.language import N_, tr
from analyzer.report import wording
from analyzer.report.wording import known
from analyzer.result import Diagnosis

# The light palette of style.css. In the page each becomes the variable of that name, so that dark mode changes it too.
COLOURS = {
    "client": "#1d5fc4",
    "server": "#7a3db8",
    "middlebox": "#a94d00",
    "undetermined": "#5d6672",
    "log": "#0b6e63",
    "reset": "#bd1f2d",
    "ink": "#1b1f24",
    "quiet": "#5d6673",
    "rule": "#d9dce1",
    "ground": "#fdfdfc",
}
MARKERS = {"client": "^", "server": "s", "middlebox": "D", "undetermined": "o"}
NAMES = {
    "client": N_("sent by the client"),
    "server": N_("sent by the server"),
    "middlebox": N_("sent by a device between"),
    "undetermined": N_("sender cannot be told"),
}
MARKS = 500  # beyond this many marks they are counted in bins
BINS = 120
CROWDED = 15  # with more log lines than this, the lines to their resets grow paler
# What stands at a tick and at the end of the axis, for ticks of years, months, days, hours, minutes and seconds.
TICKS = ["%Y", "%Y-%m", "%m-%d", "%m-%d %H:%M", "%H:%M", "%H:%M:%S.%f"]
DATES = ["", "", "%Y", "%Y", "%Y-%m-%d", "%Y-%m-%d"]
LARGEST = 130.0  # points squared: the largest mark that stays in its lane
SERVERS, CLIENTS, SOURCES = 5, 7, 4  # lanes of each kind; the rest share one
WIDE, NARROW = 9.6, 4.0  # inches: a figure's width on a page and on a phone
ROOMY = 5.0  # inches: on narrower axes the ticks' labels would touch
TALLER = 1.35  # on a phone, where names stand between the lanes
CELL = 0.075  # inches that a letter of a lane's name takes at most; wide letters take two
PADDING = 0.06  # of the time shown, on both sides
SHORTEST = 0.02  # seconds: the least time an axis shows


@dataclass
class Marks:
    """What the timeline shows: lanes from top to bottom, and points in them."""

    lanes: list[str] = field(default_factory=list)
    resets: list[tuple[datetime, int, str]] = field(default_factory=list)  # time, lane, reset_by
    lines: list[tuple[datetime, int]] = field(default_factory=list)  # time, lane
    peers: list[tuple[datetime, int, int, str]] = field(default_factory=list)  # time, lane, other end's lane, reset_by
    ties: list[tuple[datetime, int, datetime, int]] = field(default_factory=list)  # log line -> reset
    logs_from: int = 0  # number of the first lane that is a log
    shifts: dict[int, float] = field(default_factory=dict)  # lane of a log -> seconds by which its clock was corrected


def _when(text: Any) -> datetime | None:
    return datetime.fromisoformat(wording.moment(text, 6)).replace(tzinfo=UTC) if known(text) else None


def busiest(names: list[str], limit: int, rest: str) -> dict[str, str]:
    """Return name -> lane label; names past the limit share one lane."""
    ranked = [name for name, _ in Counter(names).most_common()]
    kept = ranked if len(ranked) <= limit else ranked[: limit - 1]
    left = tr(rest, n=len(ranked) - len(kept))
    return {name: name if name in kept else left for name in ranked}


def marks(diagnosis: Diagnosis) -> Marks:
    """Return the points of the timeline, taken from the result document."""
    document = diagnosis.document
    resets = [reset for reset in document.get("resets") or [] if known(reset.get("time"))]
    unmatched = [line for line in document.get("unmatched_log_lines") or [] if known(line.get("time"))]
    ends = {side: [str((reset.get(side) or {}).get("ip")) for reset in resets] for side in ("client", "server")}
    lines = [(line, reset) for reset in resets for line in reset.get("log_lines") or [] if known(line.get("time"))]
    sources = [str(line.get("source")) for line, _ in lines] + [str(line.get("source")) for line in unmatched]
    lane_of = {
        "server": busiest(ends["server"], SERVERS, N_("{n} more servers")),
        "client": busiest(ends["client"], CLIENTS, N_("{n} more clients")),
        "log": busiest(sources, SOURCES, N_("{n} more logs")),
    }
    labels = [
        label if kind == "log" or label not in names else f"{wording.role(kind)} {label}"
        for kind, names in lane_of.items()
        for label in dict.fromkeys(names.values())
    ]
    out = Marks(lanes=labels, logs_from=len(labels) - len(set(lane_of["log"].values())))

    lane = {kind: _places(labels, kind, names) for kind, names in lane_of.items() if kind != "log"}
    logs = list(dict.fromkeys(lane_of["log"].values()))
    lane["log"] = {name: out.logs_from + logs.index(label) for name, label in lane_of["log"].items()}

    def lane_of_reset(reset: dict[str, Any], other: bool = False) -> int:
        side = "client" if (reset.get("apparent_sender") == "client") != other else "server"
        return lane[side][str((reset.get(side) or {}).get("ip"))]

    for clock in document.get("clocks") or []:
        source, offset = str(clock.get("source")), clock.get("offset_seconds")
        if lane_of["log"].get(source) == source and known(offset):
            out.shifts[lane["log"][source]] = -offset
    for reset in resets:
        moment = _when(reset["time"])
        if moment:
            by = str(reset.get("reset_by"))
            place = lane_of_reset(reset)
            out.resets.append((moment, place, by))
            out.peers.append((moment, place, lane_of_reset(reset, other=True), by))
    for line, reset in lines:
        moment, target = _when(line["time"]), _when(reset["time"])
        if moment and target:
            place = lane["log"][str(line.get("source"))]
            out.lines.append((moment, place))
            out.ties.append((moment, place, target, lane_of_reset(reset)))
    for line in unmatched:
        moment = _when(line["time"])
        if moment:
            out.lines.append((moment, lane["log"][str(line.get("source"))]))
    return out


def _places(labels: list[str], kind: str, names: dict[str, str]) -> dict[str, int]:
    """Return host -> number of its lane."""
    role = wording.role(kind)
    return {name: labels.index(f"{role} {label}" if label == name else label) for name, label in names.items()}


def timeline(ax: Axes, diagnosis: Diagnosis) -> bool:
    """Draw resets and log lines on one time axis, one lane per host and per log.

    A lane is the host whose address the reset carries; colour and shape say who transmitted it. Returns False, and draws
    nothing, when there are not two moments to compare.
    """
    return _timeline(ax, marks(diagnosis))


def _timeline(ax: Axes, shown: Marks) -> bool:
    moments = [point[0] for point in shown.resets] + [point[0] for point in shown.lines]
    if len(moments) < 2:
        return False
    start, end = min(moments), max(moments)
    width = max((end - start).total_seconds(), SHORTEST)
    middle = start + (end - start) / 2
    half = timedelta(seconds=width * (0.5 + PADDING))
    left, right = middle - half, middle + half
    many = len(moments) > MARKS
    for number in range(len(shown.lanes)):
        is_log = number >= shown.logs_from
        ax.axhline(number, color=COLOURS["rule"], linewidth=1, zorder=1, linestyle=(0, (2, 3)) if is_log else "-")
        if number in shown.shifts:
            ax.annotate(wording.shift(shown.shifts[number]), (1, number), xycoords=("axes fraction", "data"), xytext=(5, 0),
                        textcoords="offset points", va="center", color=COLOURS["quiet"], fontsize=8)  # fmt: skip
    if many:
        _draw_bins(ax, shown, left, right)
    else:
        _draw_points(ax, shown)
    ax.set_xlim(date2num(left), date2num(right))  # type: ignore[no-untyped-call]
    ax.set_ylim(len(shown.lanes) - 0.45, -0.55)
    _dress(ax, shown)
    return True


def _draw_points(ax: Axes, shown: Marks) -> None:
    alpha = max(0.12, min(0.55, CROWDED / max(1, len(shown.ties))))
    for moment, place, target, lane in shown.ties:
        ax.plot([_x(moment), _x(target)], [place, lane], color=COLOURS["log"], linewidth=0.8, alpha=alpha, zorder=2)
    for moment, lane, other, by in shown.peers:
        colour = COLOURS.get(by, COLOURS["undetermined"])
        ax.plot([_x(moment), _x(moment)], [lane, other], color=colour, linewidth=0.7, alpha=0.45, zorder=2)
        ax.scatter([_x(moment)], [other], s=7, color=colour, linewidths=0, zorder=3)
    for side in NAMES:
        points = [(moment, lane) for moment, lane, by in shown.resets if by == side]
        if points:
            _scatter(ax, points, [44.0] * len(points), side)
    if shown.lines:
        ax.scatter(
            [_x(moment) for moment, _ in shown.lines],
            [lane for _, lane in shown.lines],
            s=60, marker="|", color=COLOURS["log"], linewidths=2, zorder=4, label=tr("log line"),
        )  # fmt: skip


def _draw_bins(ax: Axes, shown: Marks, left: datetime, right: datetime) -> None:
    """Draw one mark per lane, kind and bin of time; its area grows with the number it stands for."""
    step = (right - left) / BINS

    def binned(points: list[tuple[datetime, int]]) -> tuple[list[tuple[datetime, int]], list[float]]:
        counted = Counter((int((moment - left) / step), lane) for moment, lane in points)
        places = sorted(counted)
        return [(left + step * (number + 0.5), lane) for number, lane in places], [
            min(18.0 + 14.0 * counted[place] ** 0.5, LARGEST) for place in places
        ]

    for side in NAMES:
        points, sizes = binned([(moment, lane) for moment, lane, by in shown.resets if by == side])
        if points:
            _scatter(ax, points, sizes, side)
    points, sizes = binned(shown.lines)
    if points:
        ax.scatter([_x(moment) for moment, _ in points], [lane for _, lane in points], s=sizes, marker="|",
                   color=COLOURS["log"], linewidths=2, zorder=4, label=tr("log lines"))  # fmt: skip


def _scatter(ax: Axes, points: list[tuple[datetime, int]], sizes: list[float], side: str) -> None:
    hollow = side == "undetermined"
    ax.scatter(
        [_x(moment) for moment, _ in points],
        [lane for _, lane in points],
        s=sizes,
        marker=MARKERS[side],
        facecolors=COLOURS["ground"] if hollow else COLOURS[side],
        edgecolors=COLOURS[side] if hollow else COLOURS["ground"],
        linewidths=1.5 if hollow else 0.6,
        zorder=5,
        label=tr(NAMES[side]),
    )


def _x(moment: datetime) -> float:
    return float(date2num(moment))  # type: ignore[no-untyped-call]


def _dress(ax: Axes, shown: Marks) -> None:
    most = 6 if ax.bbox.width > ROOMY * ax.figure.dpi else 3
    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=most)  # type: ignore[no-untyped-call]
    for unit in (MINUTELY, SECONDLY):  # matplotlib's next step after one is five: a span of seven would have one tick
        locator.intervald[unit] = [1, 2, 5, 10, 15, 30]
    ax.xaxis.set_major_locator(locator)
    words = {"formats": TICKS, "zero_formats": TICKS, "offset_formats": DATES}
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC, **words))  # type: ignore[no-untyped-call]
    ax.set_yticks(range(len(shown.lanes)), [wording.short(wording.inert(lane)) for lane in shown.lanes])
    ax.tick_params(length=0, colors=COLOURS["quiet"], labelcolor=COLOURS["ink"], pad=6)
    ax.tick_params(axis="x", labelcolor=COLOURS["quiet"])
    ax.xaxis.get_offset_text().set_color(COLOURS["quiet"])
    for side, spine in ax.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(COLOURS["rule"])
    ax.patch.set_alpha(0)


# ---------------------------------------------------------------------------------------------------------------------
# From a figure to the page


def timeline_svgs(diagnosis: Diagnosis) -> list[str]:
    """Return the timeline for a wide page and for a phone; an empty list when there is nothing to compare."""
    shown = marks(diagnosis)
    beside = 0.6 if shown.shifts else 0.45  # the clock corrections, or half of the last tick's label
    return svgs(
        lambda ax: _timeline(ax, shown),
        0.55 + 0.34 * len(shown.lanes),
        "timeline",
        left=gutter(shown.lanes),
        right=beside,
    )


def gutter(names: list[str]) -> float:
    """Return the room that the lanes' names need left of the axes, in inches."""
    return max((CELL * wording.cells(wording.short(name)) for name in names), default=0.0) + 0.15


def svgs(
    draw: Callable[[Axes], bool],
    height: float,
    name: str,
    *,
    left: float = 2.3,
    right: float = 0.35,
    bottom: float = 0.38,
    lift: float = 7,
) -> list[str]:
    """Return a figure of this height for a wide page and for a phone; an empty list when there is nothing to draw.

    left, right, bottom
        room around the axes in inches; on a phone the lanes' names stand above their lines, and nothing left of them
    lift
        by how many points above
    """
    wide = svg(draw, (WIDE, height), f"{name}-wide", (left, right, bottom))
    taller = bottom + (height - bottom) * TALLER
    narrow = svg(draw, (NARROW, taller), f"{name}-narrow", (min(left, 0.42), right, bottom), narrow=True, lift=lift)
    return [drawn for drawn in (wide, narrow) if drawn is not None]


def caption(diagnosis: Diagnosis) -> str:
    """Return what the timeline shows and by how much each log's clock was corrected."""
    shown = marks(diagnosis)
    binned = len(shown.resets) + len(shown.lines) > MARKS
    parts = [
        tr("Times are UTC."),
        tr(
            "A mark stands in the lane of the host whose address the reset carries; its shape and colour say who transmitted it."
        ),
    ]
    if not binned:
        parts.append(tr("A thin line leads to the other end."))
    if shown.shifts:
        parts.append(tr("Log times are moved onto the capture's clock by what stands at the end of each log's line."))
    if binned:
        parts.append(tr("Marks close together are drawn as one; its size grows with their number."))
    return sentences(parts)


def sentences(parts: list[str]) -> str:
    """Return several sentences as one text, with the space between them that the language wants."""
    return reduce(lambda first, second: tr("{first} {second}", first=first, second=second), parts)


def svg(
    draw: Callable[[Axes], bool],
    size: tuple[float, float],
    prefix: str,
    around: tuple[float, float, float],
    narrow: bool = False,
    lift: float = 7,
) -> str | None:
    """Return what `draw` draws as inline SVG: text as text, ids that begin with `prefix`, colours as variables.

    size, around
        width and height, and the room left of, right of and below the axes, in inches
    narrow, lift
        write the lanes' names above their lines, by so many points
    """
    (width, height), (left, right, bottom) = size, around
    settings: dict[str, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": prefix, "font.size": 9, "axes.unicode_minus": True, "timezone": "UTC",
    }  # fmt: skip
    with warnings.catch_warnings(), matplotlib.rc_context(settings):  # type: ignore[arg-type]
        warnings.simplefilter("ignore")  # letters that matplotlib's own font lacks: the browser has them
        figure = Figure(figsize=(width, height))
        FigureCanvasSVG(figure)
        ax = figure.add_subplot()
        if not draw(ax):
            return None
        if narrow and ax.axison:  # the lanes' names stand above their lines, where a phone has room for them
            labels = [label.get_text() for label in ax.get_yticklabels()]
            ax.set_yticks(range(len(labels)), [""] * len(labels))
            for number, label in enumerate(labels):
                ax.annotate(label, (0, number), xycoords=("axes fraction", "data"), xytext=(0, lift),
                            textcoords="offset points", color=COLOURS["ink"], fontsize=8.5)  # fmt: skip
        figure.subplots_adjust(
            left=left / width, right=1 - right / width, bottom=bottom / height, top=1 - 0.02 / height
        )
        figure.patch.set_alpha(0)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inline(buffer.getvalue(), prefix)


def _inline(text: str, prefix: str) -> str:
    """Return matplotlib's SVG file as a fragment for a page."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{prefix}-\1"', text)
    text = re.sub(r'\s*xmlns(:xlink)?="[^"]*"', "", text)
    text = re.sub(r"font-family: [^;\"]*(; )?", "", text)  # the page's own
    text = text.replace('<style type="text/css">*{', f"<style>#{prefix} *{{")
    for name, colour in COLOURS.items():
        text = re.sub(colour, f"var(--{name})", text, flags=re.IGNORECASE)
    box = re.search(r'viewBox="[^"]*"', text)
    opening = (
        f'<svg id="{prefix}" class="figure-{prefix.rpartition("-")[2]}" {box[0] if box else ""} role="img" '
        f'aria-labelledby="{prefix.partition("-")[0]}-caption">'
    )
    return re.sub(r"<svg[^>]*>", opening, text, count=1).strip()
