"""Capture files -> SEGMENT rows: finding files, reading records, decoding headers. Never here: connections."""
