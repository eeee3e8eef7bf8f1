"""Segments -> connections: who talked to whom, how each connection ended, and which packets deserve a second look.

Pass 1: `start`, then per file `begin_file` and `fold` for each chunk of segments, at last `close`, which returns `Traffic`.
Pass 2: `wanted`, then per file `select` for each chunk (of the segments `among` the wanted), at last `packets`, which returns PACKETS.

Lives here: the public names of this stage. Never here: files (analyzer.capture), judgement (analyzer.endings and on).
"""

from analyzer.connections.closing import Traffic, close
from analyzer.connections.folding import State, begin_file, fold, start
from analyzer.connections.selecting import Selection, Wanted, among, packets, select, wanted

__all__ = [
    "Selection",
    "State",
    "Traffic",
    "Wanted",
    "among",
    "begin_file",
    "close",
    "fold",
    "packets",
    "select",
    "start",
    "wanted",
]
