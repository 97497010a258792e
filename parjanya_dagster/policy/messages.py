"""A rule's reason, filled in with the values that it read."""

from __future__ import annotations

import re
from typing import Any, Final

from .conditions import Absent, Values, subject
from .document import Rule

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_LONGEST: Final = 80  # characters of a text value: evidence may hold a page of recognised text


def render(rule: Rule, values: Values) -> str:
    """The rule's reason with ``{value}``, ``{threshold}`` and ``{evidence.path}`` filled in."""
    only = rule.comparisons[0]

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name == "value":
            return spell(subject(only, values))
        if name == "threshold":
            return spell(only.ordering[0][1])
        return spell(values[name])

    return _PLACEHOLDER.sub(fill, rule.reason)


def spell(value: Any) -> str:
    """A value as a person reads it: four digits are enough."""
    if isinstance(value, Absent):
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.6g}"
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
