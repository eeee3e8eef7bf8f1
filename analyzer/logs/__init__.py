"""Log text -> LOG_LINES: one format, one file. Never here: matching lines to connections (correlation.py).

`open_logs` is where files are opened; everything else takes bytes or streams. `all_formats()` and `all_envelopes()` list what is understood.
"""

from analyzer.logs.opening import open_logs
from analyzer.logs.peeling import all_envelopes
from analyzer.logs.reader import LogSource, read_logs, read_sources
from analyzer.logs.recognition import all_formats
from analyzer.logs.tables import from_frame

__all__ = ["LogSource", "all_envelopes", "all_formats", "from_frame", "open_logs", "read_logs", "read_sources"]
