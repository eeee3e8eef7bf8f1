"""What the lab's record says of answers as sure as this one.

Lives here: looking the band up in `record.json`, which `make score` writes from the corpus. Never here: how sure an answer is.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from analyzer.language import Sentence, say

FILE = Path(__file__).with_name("record.json")


@cache
def _bands() -> tuple[tuple[float, int, int, int], ...]:
    """Return (lowest confidence, right answers, answers, families of cases), the surest band first."""
    bands = json.loads(FILE.read_text(encoding="utf-8"))["bands"]
    return tuple((b["from"], b["right"], b["of"], b["families"]) for b in bands)


def record(confidence: float | None) -> Sentence | None:
    """Return the record of the confidence's band as a sentence; None where nobody is named, or nothing was measured."""
    for lowest, right, of, families in _bands():
        if confidence is not None and confidence >= lowest:
            return say(
                "In the lab {right} of {of} answers as sure as this one were right, in {families} families of cases; "
                "every machine there runs Linux.",
                right=f"{right:,}",
                of=f"{of:,}",
                families=families,
            )
    return None
