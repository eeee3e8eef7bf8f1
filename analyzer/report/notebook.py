"""What a notebook shows for a diagnosis: the verdict and the incidents, as a fragment without script.

Lives here: the fragment. Never here: the page, or anything that runs.
"""

from __future__ import annotations

from analyzer.report import page, story
from analyzer.result import Diagnosis

ROWS = 10


def snippet(diagnosis: Diagnosis) -> str:
    """Return a small self-contained HTML fragment."""
    told = story.tell(diagnosis)
    template = page.environment().get_template("snippet.html")
    return template.render(
        story=told, doc=told.document, causes=told.causes, chapters=told.chapters[:ROWS], more=told.chapters[ROWS:]
    )
