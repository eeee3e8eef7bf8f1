"""Log text -> LOG_LINES: one format, one file. Never here: matching lines to connections (correlation.py).

`open_logs` is where files are opened; everything else takes bytes or streams. `all_formats()` and `all_envelopes()` list what is understood.
Lives here: the public names of this stage, loaded when they are first used: without a log nothing is.
"""

from typing import TYPE_CHECKING

from analyzer.loading import on_use

if TYPE_CHECKING:
    from analyzer.logs.opening import open_logs as open_logs
    from analyzer.logs.peeling import all_envelopes as all_envelopes
    from analyzer.logs.reader import LogSource as LogSource
    from analyzer.logs.reader import read_logs as read_logs
    from analyzer.logs.reader import read_sources as read_sources
    from analyzer.logs.recognition import all_formats as all_formats
    from analyzer.logs.tables import from_frame as from_frame

_HOMES = {
    "LogSource": "reader",
    "all_envelopes": "peeling",
    "all_formats": "recognition",
    "from_frame": "tables",
    "open_logs": "opening",
    "read_logs": "reader",
    "read_sources": "reader",
}

__all__ = list(_HOMES)
__getattr__ = on_use(__name__, _HOMES)
