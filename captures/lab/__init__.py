"""The lab: scripts that build the corpus with real kernels, real servers and witnesses of who sent each reset.

Nothing in here is imported by the analyzer, and nothing in here knows the analyzer.
"""
