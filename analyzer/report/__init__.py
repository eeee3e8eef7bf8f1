"""A Diagnosis -> HTML, and its figures and terminal block. Never here: anything computed from packets."""
