"""Segments -> connections: who talked to whom, how each connection ended, and which packets deserve a second look.

Pass 1: `start`, then per file `begin_file` and `fold` for each chunk of segments, at last `close`, which returns `Traffic`.
Pass 2: `wanted`, then per file `select` for each chunk (of the segments `among` the wanted), at last `packets`, which returns PACKETS.

Lives here: the public names of this stage, loaded when they are first used: folding needs no tables.
Never here: files (analyzer.capture), judgement (analyzer.endings and on).
"""

from typing import TYPE_CHECKING

from analyzer.loading import on_use

if TYPE_CHECKING:
    from analyzer.connections.closing import Traffic as Traffic
    from analyzer.connections.closing import close as close
    from analyzer.connections.folding import State as State
    from analyzer.connections.folding import begin_file as begin_file
    from analyzer.connections.folding import fold as fold
    from analyzer.connections.folding import numbered as numbered
    from analyzer.connections.folding import start as start
    from analyzer.connections.selecting import Selection as Selection
    from analyzer.connections.selecting import Wanted as Wanted
    from analyzer.connections.selecting import among as among
    from analyzer.connections.selecting import packets as packets
    from analyzer.connections.selecting import select as select
    from analyzer.connections.selecting import wanted as wanted

_HOMES = {
    "Selection": "selecting",
    "State": "folding",
    "Traffic": "closing",
    "Wanted": "selecting",
    "among": "selecting",
    "begin_file": "folding",
    "close": "closing",
    "fold": "folding",
    "numbered": "folding",
    "packets": "selecting",
    "select": "selecting",
    "start": "folding",
    "wanted": "selecting",
}

__all__ = list(_HOMES)
__getattr__ = on_use(__name__, _HOMES)
