"""Numbers, spans of time and curves as a page shows them."""

from __future__ import annotations

from collections.abc import Sequence


def line_points(values: Sequence[float], width: float, height: float) -> str:
    """The points of an SVG polyline over these values, the largest at the top."""
    if len(values) < 2:
        return ""
    most = max(max(values), 1.0)
    step = width / (len(values) - 1)
    return " ".join(
        f"{index * step:.1f},{height - 1 - value / most * (height - 3):.1f}"
        for index, value in enumerate(values)
    )


def number(value: float) -> str:
    return f"{int(value):,}".replace(",", "\u202f")


def ago(seconds: float) -> str:
    return f"{span(seconds)} ago"


def span(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
