"""What an operating system's error text means: "Connection reset by peer", its translations, numbers and symbols.

Lives here: `error_event`, the event behind such a text. The texts are in error_texts.json: the C library's in fifteen
languages, Windows' in seven.
Never here: who prints them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

_NUMBER = re.compile(
    r"(?:[Ee]rrno|WinError|Error|os error|winsock error|error|0x[0-9A-Fa-f]{8}/)\W{0,3}(\d{2,5})\b|^\D{0,3}(\d{2,5})\b"
)


@cache
def _tables() -> tuple[dict[str, str], dict[int, str]]:
    entries = json.loads(Path(__file__).with_name("error_texts.json").read_text(encoding="utf-8"))
    texts = {_bare(text["text"]): entry["event"] for entry in entries for text in entry["texts"]}
    texts |= {_bare(entry["error"]): entry["event"] for entry in entries}
    return texts, {number: entry["event"] for entry in entries for number in entry["numbers"]}


def _bare(text: str) -> str:
    """Without blanks, case, closing stops and the two ways to write an apostrophe."""
    return re.sub(r"\s+", "", text).replace("’", "'").casefold().rstrip(".。")


@cache
def error_event(text: str) -> str | None:
    """The event of `schema.EVENTS` that the error text stands for; None when it is not known.

    `text` may carry more than the system's words: "[Errno 104] Connection reset by peer".
    """
    texts, numbers = _tables()
    bare = _bare(text[:1000])
    if bare in texts:
        return texts[bare]
    for known, event in texts.items():
        if known in bare:
            return event
    number = _NUMBER.search(text[:1000])
    return numbers.get(int(number[1] or number[2])) if number else None
