"""Log text -> LOG_LINES: one format, one file. Never here: matching lines to connections (correlation.py)."""
