"""A client with an open transaction aborts its connection; the captures lack every seventh packet.

The twin of postgres_client_abort. The packets were not lost on the way: they were taken out of the files afterwards,
as if the capturing machines had been too slow.
"""

from captures.lab import editing
from captures.lab.cases import postgres_client_abort
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    for point in ("client", "router", "server"):
        lab.edit(point, editing.lose_every(7))
    postgres_client_abort.play(lab)
