"""How values are worded in sentences. Lives here: `seconds`. Never here: what a sentence says."""


def seconds(value: float) -> str:
    """Return a duration as people write it: 350 s, 2.71 s, 84 ms, 120 µs."""
    if value < 0:
        return f"-{seconds(-value)}"
    if value >= 100:
        return f"{value:.0f} s"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.0f} µs"
