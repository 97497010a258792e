"""Names, numbers, spans of time and curves as a page shows them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def visible(text: str) -> str:
    """The text with characters that hide or reorder others written out, such as U+202E.

    A name like `gpj.exe` behind a right-to-left override must not read as `exe.jpg`.
    """
    return "".join(f"⟨U+{ord(c):04X}⟩" if unicodedata.category(c) in _HIDDEN else c for c in text)


def fact(value: Any) -> str:
    """A fact as people read it: yes and no for truth, at most four digits for fractions."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(fact(item) for item in value)
    return visible(str(value))


def size(number_of_bytes: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if number_of_bytes < 1000:
            return (
                f"{number_of_bytes:.0f} {unit}"
                if unit == "bytes"
                else f"{number_of_bytes:.3g} {unit}"
            )
        number_of_bytes /= 1000
    return f"{number_of_bytes:.3g} GB"


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
