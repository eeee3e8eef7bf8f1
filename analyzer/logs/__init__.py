"""Log text -> LOG_LINES: one format, one file. Never here: matching lines to connections (correlation.py).

`open_logs` is where files are opened; everything else takes bytes or streams. `all_formats()` lists what is understood.
"""

from analyzer.logs.opening import open_logs
from analyzer.logs.reader import LogSource, all_formats, read_logs
from analyzer.logs.tables import from_frame

__all__ = ["LogSource", "all_formats", "from_frame", "open_logs", "read_logs"]
