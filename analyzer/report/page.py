"""The page: a Diagnosis -> one self-contained HTML file, the same bytes every time.

Lives here: the template environment, and what is handed to the templates. Never here: wording (wording.py), choice (story.py)
or any access to network and disk beyond this package's own templates.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import jinja2
from markupsafe import Markup, escape

from analyzer.language import N_, shown, tr, trn
from analyzer.report import figure_paths, figure_silences, figures, ladder, story, wording
from analyzer.report.wording import known
from analyzer.result import Diagnosis

FULL_CHAPTERS = 20  # incidents told in full; the rest stays in the table
TABLE_ROWS = 500  # resets in the table: what a browser sorts at once, and a reader reads
LISTED = 200  # unmatched log lines, notices


def prose(text: object) -> Markup:
    """Return a sentence with what stands between `backticks` as code; everything escaped and inert."""
    parts = wording.inert(text, keep="\n").split("`")
    if len(parts) % 2 == 0:  # a backtick of its own: no code
        return escape("`".join(parts))
    return Markup("").join(Markup("<code>{}</code>").format(p) if odd % 2 else escape(p) for odd, p in enumerate(parts))


def commands(text: object) -> Markup:
    """Return a sentence like `prose`, with its code as something to copy."""
    return Markup(
        re.sub("<code>(.*?)</code>", r'<code class="copy" data-copy="\1">\1</code>', str(prose(text)), flags=re.DOTALL)
    )


FILTERS = {
    "address": wording.address,
    "band": wording.band,
    "count": wording.count,
    "capital": wording.capital,
    "commands": commands,
    "cut": wording.cut,
    "duration": wording.duration,
    "humanised": wording.humanised,
    "lag": wording.lag,
    "listed": wording.listed,
    "moment": wording.moment,
    "opening": wording.opening,
    "seconds": wording.seconds,
    "prose": prose,
    "probability": wording.probability,
    "share": wording.share,
    "short": wording.short,
    "size": wording.size,
    "source": wording.source,
    "weight": wording.weight,
}


def render(diagnosis: Diagnosis) -> str:
    """Return the report of a diagnosis."""
    return environment().get_template("page.html").render(context(diagnosis))


def environment(undefined: type[jinja2.Undefined] = jinja2.ChainableUndefined) -> jinja2.Environment:
    """Return the template environment: everything escaped, every control character made visible."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("analyzer.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=undefined,
        finalize=_finalize,
    )
    env.filters.update(FILTERS)
    env.tests["known"] = lambda value: not isinstance(value, jinja2.Undefined) and known(value)
    env.globals.update(
        span=wording.span, title=story.title, record=story.record, extent=story.extent, fact=wording.fact
    )
    env.globals.update(
        tr=tr,
        trn=trn,
        N_=N_,
        rich=rich,
        side=wording.side,
        role=wording.role,
        where=wording.where,
        tie=wording.tie,
        chance=wording.chance,
    )
    env.globals.update(
        more=wording.more, lang=shown(), SIDES=wording.SIDES, EMITTERS=wording.EMITTERS, LEVELS=wording.LEVELS
    )
    return env


def rich(template: str, **values: Any) -> Markup:
    """Return words of the report with markup among the values; everything else is escaped."""
    parts = {name: value if isinstance(value, Markup) else _finalize(value) for name, value in values.items()}
    return Markup(escape(tr(template))).format(**parts)


def _finalize(value: Any) -> Any:
    """Make each value that a template prints harmless to look at; None prints nothing. Markup is the project's own."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return wording.inert(value, keep="\n\t")
    return value if known(value) else ""


def context(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return what the templates see."""
    told = story.tell(diagnosis)
    full = told.chapters[:FULL_CHAPTERS]
    ladders = {c.incident.get("id"): ladder.build(diagnosis, c.reset) for c in full if c.reset}
    loader = jinja2.PackageLoader("analyzer.report")
    script = _own(loader, "script.js")
    shown = table(told)
    return {
        "doc": told.document,
        "story": told,
        "full": full,
        "rest": told.chapters[FULL_CHAPTERS:],
        "full_ids": {c.incident.get("id") for c in full},
        "ladders": ladders,
        "causes": told.causes,
        "figures": drawn(diagnosis),
        "timeline_caption": figures.caption(diagnosis),
        "paths_caption": figure_paths.caption(diagnosis),
        "has_log_lines": bool(figures.marks(diagnosis).lines),
        "rows": shown,
        "spreads": story.spreads(told.document),
        "troubles": story.troubles(told.document),
        "remarks": story.troubles(told.document, info=True),
        "row_ids": {row.get("id") for row in shown},
        "incident_of": {member: c.incident.get("id") for c in told.chapters for member in c.members},
        "unknown_signs": story.unknown_signs(told),
        "listed_limit": LISTED,
        "style": _own(loader, "style.css"),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }


def drawn(diagnosis: Diagnosis) -> dict[str, list[Markup]]:
    """Return each figure, wide and narrow, by the question that it answers; empty lists where there is nothing to draw."""
    timed = figure_silences.timed(diagnosis)
    high, timers = 0.15 + 0.5 * figure_paths.rows(diagnosis), 0.6 + 0.62 * len(timed)
    made = {
        "timeline": figures.timeline_svgs(diagnosis),
        "paths": figures.svgs(
            lambda ax: figure_paths.paths(ax, diagnosis), high, "paths", left=0.08, right=0.08, bottom=0.0
        ),
        "silences": figures.svgs(
            lambda ax: figure_silences.silences(ax, diagnosis),
            timers,
            "silences",
            left=figures.gutter([path.name for path in timed]),
            lift=15,
        ),
    }
    return {name: [Markup(figure) for figure in both] for name, both in made.items()}


def table(told: story.Story) -> list[dict[str, Any]]:
    """Return the rows of the table of all endings: the harmful ones first when there are too many, then in time order."""
    rows = [
        {**item, "silence": mute} for mute, items in ((False, told.resets), (True, told.silences)) for item in items
    ]
    kept = sorted(rows, key=lambda row: row.get("harmless") is True)[:TABLE_ROWS]
    return sorted(kept, key=lambda row: str(row.get("time")))


def _own(loader: jinja2.PackageLoader, name: str) -> Markup:
    """Return one of the package's own style and script files, as it is."""
    source, _, _ = loader.get_source(jinja2.Environment(), name)
    return Markup(source.strip())
