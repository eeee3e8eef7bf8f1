"""Who reset whom: clients on the left, servers on the right, and the device between where one sent the resets.

Lives here: counting the resets of a document by path, and the drawing. Never here: SVG (figures.py), or who is at fault.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from analyzer.language import N_, tr
from analyzer.report import figures, wording
from analyzer.report.figures import COLOURS, MARKERS, busiest
from analyzer.result import Diagnosis

CLIENTS, SERVERS = 6, 5  # hosts drawn on each side; the rest share one place
LABELLED = 8  # with more paths than this, their numbers would stand on each other: then only the thickness tells
THINNEST, THICKEST = 1.4, 3.0  # points
SENT = {
    "middlebox": "reset by a device",
    "undetermined": "reset by somebody",
}  # what an arrow's number counts, where not just resets
APART = 0.17  # rows between two kinds of resets on the same path


@dataclass(frozen=True)
class Flow:
    """The resets between one client and one service that the same side sent under the same address."""

    client: str
    server: str
    reset_by: str
    apparent: str
    number: int


def flows(diagnosis: Diagnosis) -> list[Flow]:
    """Return the resets of the document, counted by path and sender, the most frequent first."""
    resets = [r for r in diagnosis.document.get("resets") or [] if r.get("client") and r.get("server")]
    clients = busiest([str(r["client"].get("ip")) for r in resets], CLIENTS, N_("{n} more clients"))
    servers = busiest([wording.address(r["server"]) for r in resets], SERVERS, N_("{n} more servers"))
    counted = Counter(
        (
            clients[str(r["client"].get("ip"))],
            servers[wording.address(r["server"])],
            str(r.get("reset_by")) if r.get("reset_by") in MARKERS else "undetermined",
            str(r.get("apparent_sender")),
        )
        for r in resets
    )
    return [Flow(*path, number) for path, number in counted.most_common()]


def rows(diagnosis: Diagnosis) -> int:
    """Return how many rows the figure has: the hosts of its longer side."""
    return _rows(flows(diagnosis))


def _rows(found: list[Flow]) -> int:
    return max(len({f.client for f in found}), len({f.server for f in found}))


def paths(ax: Axes, diagnosis: Diagnosis) -> bool:
    """Draw who reset whom: an arrow from the sender to the end that received the reset, as thick as there were many.

    Where a device sent them, the arrow begins at it, and the way to the host whose address they carry is dotted. Returns False, and
    draws nothing, when there is no reset.
    """
    found = flows(diagnosis)
    if not found:
        return False
    height = _rows(found)
    left, right = (_places(names, height) for names in ([f.client for f in found], [f.server for f in found]))
    most = max(f.number for f in found)
    same: Counter[tuple[str, str]] = Counter()
    several = Counter((f.client, f.server) for f in found)
    for flow in found:
        pair = (flow.client, flow.server)
        shift = (same[pair] - (several[pair] - 1) / 2) * APART
        same[pair] += 1
        last = 1 < several[pair] == same[pair]
        _arrow(ax, flow, left[flow.client] + shift, right[flow.server] + shift, most, len(found) <= LABELLED, last)
    for places, x, side in ((left, 0.0, "left"), (right, 1.0, "right")):
        ax.scatter([x] * len(places), list(places.values()), s=34, color=COLOURS["ink"], zorder=6, linewidths=0)
        for name, y in places.items():
            _say(ax, wording.short(wording.inert(name)), (x, y), (0, 8), "ink", align=side)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(height - (0.35 if max(several.values()) > 1 else 0.75), -0.75)
    ax.set_axis_off()
    return True


def caption(diagnosis: Diagnosis) -> str:
    """Return how to read the figure: what is drawn in it, and nothing else."""
    senders = {flow.reset_by for flow in flows(diagnosis)}
    parts = [tr("Clients stand on the left, servers on the right.")]
    if senders != {"undetermined"}:
        parts.append(tr("An arrow leads from who transmitted the resets to who received them."))
    if "middlebox" in senders:
        parts.append(tr("A device between sent them in the name of the host at the end of the dotted line."))
    if "undetermined" in senders:
        parts.append(tr("A dashed line is a path on which it cannot be told who transmitted them."))
    return figures.sentences(parts)


def _places(names: list[str], height: int) -> dict[str, float]:
    """Return name -> row, spread over the height."""
    ordered = list(dict.fromkeys(names))
    step = height / len(ordered)
    return {name: (number + 0.5) * step - 0.5 for number, name in enumerate(ordered)}


def _arrow(ax: Axes, flow: Flow, y_client: float, y_server: float, most: int, labelled: bool, below: bool) -> None:
    """Draw one kind of resets on a path; of two on the same path, the lower one has its number `below`."""
    colour = COLOURS[flow.reset_by]
    width = THINNEST + (THICKEST - THINNEST) * (flow.number / most) ** 0.5 if most > 1 else 2.0
    client, server = (0.0, y_client), (1.0, y_server)
    middle = (0.5, (y_client + y_server) / 2)
    to, away = (
        (client, server) if flow.apparent == "server" else (server, client)
    )  # who received it, whose address it carries
    if flow.reset_by == "middlebox":
        _line(ax, middle, away, colour, 1.2, (0, (1.5, 2.5)))
        _head(ax, middle, to, colour, width)
        ax.scatter([middle[0]], [middle[1]], s=70, marker=MARKERS["middlebox"], color=colour, zorder=7, linewidths=0)
    elif flow.reset_by == "undetermined":
        _line(ax, away, to, colour, width, (0, (4, 3)))
        ax.scatter([middle[0]], [middle[1]], s=60, marker=MARKERS["undetermined"], facecolors=COLOURS["ground"],
                   edgecolors=colour, linewidths=1.6, zorder=7)  # fmt: skip
    else:
        start, end = (client, server) if flow.reset_by == "client" else (server, client)
        _head(ax, start, end, colour, width)
        ax.scatter([start[0]], [start[1]], s=80, marker=MARKERS[flow.reset_by], color=colour, zorder=7, linewidths=0)
    if labelled:
        words = wording.count(flow.number, SENT.get(flow.reset_by, "reset"))
        _say(ax, words, middle, (0, -8 if below else 8), flow.reset_by, align="center")


def _line(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, width: float, style: Any
) -> None:
    ax.plot([start[0], end[0]], [start[1], end[1]], color=colour, linewidth=width, linestyle=style, zorder=3)


def _head(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, width: float) -> None:
    arrow = {"arrowstyle": "-|>,head_length=0.6,head_width=0.28", "color": colour, "linewidth": width, "shrinkA": 0, "shrinkB": 5,
             "mutation_scale": 14}  # fmt: skip
    ax.annotate("", xy=end, xytext=start, arrowprops=arrow, zorder=4)


def _say(ax: Axes, text: str, at: tuple[float, float], off: tuple[float, float], colour: str, align: str) -> None:
    ax.annotate(
        text,
        at,
        xytext=off,
        textcoords="offset points",
        ha=align,
        va="bottom" if off[1] > 0 else "top",
        color=COLOURS[colour],
        fontsize=9,
        zorder=8,
    )
