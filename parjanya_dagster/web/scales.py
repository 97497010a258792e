"""A value against its threshold, as a small plot. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parjanya_dagster.policy import Policy
from parjanya_dagster.policy.document import PROBABILITIES, Condition

WIDTH = 240  # of a plot


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where a value lies, and where the sides of its threshold are."""

    label: str
    value: float
    at: float  # of the value, 0 to WIDTH
    bad: tuple[float, float]  # where the rule objects: from, width
    doubt: tuple[float, float]  # where a person decides
    low: str
    high: str


def scales(policy: Policy | None, reasons: Sequence[Mapping[str, Any]]) -> dict[str, list[Scale]]:
    """Rule -> its comparisons with numbers, from a decision's reasons."""
    if policy is None:
        return {}
    rules = {rule.id: rule for rule in policy.document.rules}
    return {
        reason["rule"]: list(_scales(rules[reason["rule"]].comparisons, reason["evidence"]))
        for reason in reasons
        if reason["rule"] in rules and reason.get("evidence")
    }


def _scales(comparisons: Sequence[Condition], found: Mapping[str, Any]) -> Iterator[Scale]:
    for one in comparisons:
        values = [found.get(path) for path in one.paths]
        if len(one.ordering) != 1 or not all(isinstance(v, (int, float)) for v in values):
            continue
        ((operator, threshold),) = one.ordering
        yield _scale(one, float(sum(values)), operator, threshold)  # type: ignore[arg-type]


def _scale(one: Condition, value: float, operator: str, threshold: float) -> Scale:
    weak = one.review_from if one.review_from is not None else threshold
    if one.sum_of or one.paths[0].startswith((PROBABILITIES, "taste.")):
        top, label = 1.0, "probability"
    elif one.paths[0] == "scored.quality":
        top, label = 100.0, "quality"
    else:
        top, label = max(2 * threshold, 2 * weak, 1.2 * value, 1.0), one.paths[0].rpartition(".")[2]

    def at(number: float) -> float:
        return round(WIDTH * min(1.0, max(0.0, number / top)), 1)

    if operator in ("above", "at_least"):
        bad = (at(threshold), WIDTH - at(threshold))
        doubt = (at(weak), at(threshold) - at(weak))
    else:
        bad = (0.0, at(threshold))
        doubt = (at(threshold), at(weak) - at(threshold))
    return Scale(
        label=label.replace("_", " "),
        value=value,
        at=at(value),
        bad=bad,
        doubt=doubt,
        low="0",
        high=f"{top:g}",
    )
