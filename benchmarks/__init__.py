"""Measurements: a capture generator and the comparison with other programs. Nothing here is part of the package."""
