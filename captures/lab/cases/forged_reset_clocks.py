"""A device on the path forges a reset; the server was captured by a clock that is 40 s ahead and drifts.

The twin of forged_reset. The timestamps of the server's capture were rewritten: 40 s ahead at its first packet, and 50
millionths faster from then on. The server's log keeps the right time.
"""

from captures.lab.case_file import Clock
from captures.lab.cases import forged_reset
from captures.lab.lab import Lab

NETWORK = forged_reset.NETWORK


def play(lab: Lab) -> None:
    lab.set_clock("server", Clock(offset_seconds=40.0, drift_ppm=50.0))
    forged_reset.play(lab)
