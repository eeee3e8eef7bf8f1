"""What collectors put around a program's line: one envelope, one file. The listing is the table of contents.

Never here: what a program says. An envelope imports `analyzer.logs.envelope` and nothing else of the project.
"""
