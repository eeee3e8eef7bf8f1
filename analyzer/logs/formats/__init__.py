"""Log formats: one program, one file (and the JSON of its messages beside it, where they are many). The listing is the table of contents.

Never here: anything that reads a log. A format imports `analyzer.logs.log_format` and nothing else of the project.
"""
