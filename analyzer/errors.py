"""What can go wrong, in one sentence each.

Lives here: the exceptions a caller can meet, and `Notice`, the survivable trouble that travels inside a result.
Never here: decisions about exit codes (cli) or about which trouble is survivable (the stage that meets it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class PcapreportError(Exception):
    """Base of everything raised on purpose; its text is one sentence that can be shown to a user as it is."""

    @property
    def sentence(self) -> str:
        """The sentence as it was made: where it is a `language.Sentence`, a report can say it in another language."""
        return str(self) if not self.args or not isinstance(self.args[0], str) else self.args[0]


class UnusableInput(PcapreportError):
    """Nothing could be read from what was given: the sentence says what is wrong, where, and what to try."""


class UsageError(PcapreportError):
    """The request contradicts itself: an unknown stream, a capture point named twice, a time that is no time."""


@dataclass(frozen=True)
class Notice:
    """Trouble that did not stop the work.

    level     "info", "warning" (a conclusion is weaker for it) or "error" (something was not read)
    source    the file, log or stage it is about, as shown to the user; "" for the run as a whole
    place     where in the source ("frame 17", "line 3", "byte 1048"); "" when it is about all of it
    sentence  one sentence: what is wrong and what follows from it
    """

    level: Literal["info", "warning", "error"]
    source: str
    place: str
    sentence: str
