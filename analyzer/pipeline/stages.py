"""What follows pass 1, as `analyze` uses it. To import this loads pandas and the stages, as long as reading two million headers takes.

Nothing else lives here.
"""

from analyzer import correlation, diagnosis, incidents, schema, vantage
from analyzer.endings import renumber, settle
from analyzer.pipeline.given import not_asked, only, read_given
from analyzer.pipeline.joins import contradictions, packets_of, with_logs, with_next_log, with_words, words_of
from analyzer.pipeline.knowledge import cause_pages, versions
from analyzer.pipeline.survey import all_endings, closer_look, on_one_clock, surveyed
from analyzer.pipeline.tables import stack
from analyzer.result import Diagnosis

__all__ = [
    "Diagnosis",
    "all_endings",
    "cause_pages",
    "closer_look",
    "contradictions",
    "correlation",
    "diagnosis",
    "incidents",
    "not_asked",
    "on_one_clock",
    "only",
    "packets_of",
    "read_given",
    "renumber",
    "schema",
    "settle",
    "stack",
    "surveyed",
    "vantage",
    "versions",
    "with_logs",
    "with_next_log",
    "with_words",
    "words_of",
]
