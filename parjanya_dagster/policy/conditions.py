"""Conditions over evidence, in three values: it holds, it does not, or the evidence cannot tell.

If the missing evidence cannot change the answer, there is an answer (Kleene's logic): ``any_of``
holds as soon as one part of it holds.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeGuard

from . import texts
from .document import Condition, is_sparse

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "below": operator.lt,
    "above": operator.gt,
    "at_least": operator.ge,
    "at_most": operator.le,
}
_LARGEST: Final = 2**63  # beyond it a number is a mistake, and may not survive every store


@dataclass(frozen=True)
class Absent:
    """A value that evidence does not hold, and why."""

    why: str


MISSING: Final = Absent("is missing")
UNSAID: Final = Absent("is missing")  # in the same words: a decision never changes its bytes
_NOT_PLAIN: Final = Absent("is not a plain value")
_NOT_USABLE: Final = Absent("is not a usable number")

Value = bool | int | float | str | Absent
Values = Mapping[str, Value]


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def look_up(evidence: Any, path: str) -> Any:
    """The value at a dotted path, or MISSING. None counts as missing: the stage cannot know."""
    for step in _steps(path):
        # A dict is a mapping: asking the abstract class costs more than the look-up.
        if not isinstance(evidence, (dict, Mapping)) or step not in evidence:
            return MISSING
        evidence = evidence[step]
    return MISSING if evidence is None else evidence


def value_at(evidence: Any, path: str, textual: bool) -> Value:
    """The value at a path; where words are looked for, its text or that of its items.

    UNSAID is a fact that only some files carry, and this one does not. MISSING: nobody looked.
    """
    found = look_up(evidence, path)
    if found is MISSING and is_sparse(path):
        whole = ".".join(_steps(path)[:2])
        return UNSAID if isinstance(look_up(evidence, whole), Mapping) else MISSING
    text = texts.text_of(found) if textual else None
    return plain(found) if text is None else text


def plain(value: Any) -> Value:
    """A value in one spelling, whatever store it came through: 30.0 and 30 are both 30."""
    if isinstance(value, (bool, str, Absent)):
        return value
    if not isinstance(value, (int, float)):
        return _NOT_PLAIN
    if not -_LARGEST < value < _LARGEST:  # false for NaN too
        return _NOT_USABLE
    return int(value) if value == int(value) else float(value)


def is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def subject(condition: Condition, values: Values) -> Value:
    """The value that a comparison looks at: the one at its path, or the sum of probabilities."""
    if condition.evidence:
        return values[condition.evidence]
    parts = [values[path] for path in condition.paths]
    numbers = [part for part in parts if is_number(part)]
    if len(numbers) < len(parts):
        return MISSING
    # Nine decimals: 0.3 + 0.6 is 0.9 to the person who wrote the threshold.
    return plain(round(math.fsum(numbers), 9))


def holds(condition: Condition, values: Values, *, widened: bool = False) -> bool | None:
    """Whether it holds. None: that depends on evidence that is missing.

    ``widened`` uses the weaker thresholds of ``review_from`` where there are any.
    """
    if condition.all_of:
        return all_hold(condition.all_of, values, widened=widened)
    if condition.any_of:
        answers = [holds(part, values, widened=widened) for part in condition.any_of]
        return True if True in answers else (None if None in answers else False)
    value = subject(condition, values)
    if condition.present is not None and value is not MISSING:
        return (value is not UNSAID) == condition.present
    if isinstance(value, Absent):
        return None
    if condition.ordering:
        if not is_number(value):
            return None
        for name, threshold in condition.ordering:
            if widened and condition.review_from is not None:
                threshold = condition.review_from
            if not _COMPARE[name](value, threshold):
                return False
    if condition.textual:
        return _said(condition, value)
    if condition.in_ is not None and not any(_same(value, choice) for choice in condition.in_):
        return False
    return condition.equals is None or _same(value, condition.equals)


def all_hold(
    conditions: Iterable[Condition], values: Values, *, widened: bool = False
) -> bool | None:
    """Whether all of them hold. One that does not settles it, whatever is missing of others."""
    answers = [holds(part, values, widened=widened) for part in conditions]
    return False if False in answers else (None if None in answers else True)


def _said(condition: Condition, value: Value) -> bool | None:
    if not isinstance(value, str):
        return None
    if condition.contains is not None and not texts.contains(value, condition.contains):
        return False
    return condition.matches is None or texts.matches(value, condition.matches)


def unreadable(comparisons: Iterable[Condition], values: Values) -> list[str]:
    """What is wrong with the evidence these comparisons read, naming each field."""
    leaves_of: dict[tuple[str, str], list[str]] = {}  # neighbours with one fault make one clause
    for comparison in comparisons:
        for path in comparison.paths:
            value = values[path]
            if comparison.present is not None and value is not MISSING:
                continue
            parent, _, leaf = path.rpartition(".")
            if isinstance(value, Absent):
                leaves_of.setdefault((parent, value.why), []).append(leaf)
            elif (comparison.ordering or comparison.sum_of) and not is_number(value):
                leaves_of.setdefault((parent, "is not a number"), []).append(leaf)
            elif comparison.textual and not isinstance(value, str):
                leaves_of.setdefault((parent, "is not text"), []).append(leaf)
    return [
        f"{parent}.{leaves[0]} {why}"
        if len(set(leaves)) == 1
        else f"{parent} {why} ({', '.join(dict.fromkeys(leaves))})"
        for (parent, why), leaves in leaves_of.items()
    ]


def inseparable(comparisons: Iterable[Condition], groups: Any) -> bool:
    """Whether a comparison relies on telling labels apart that the engine cannot.

    ``groups`` is ``enriched.distinguishes``: labels in one group share their probability. When it
    is absent or malformed nothing is known about the engine, so any label is one too many.
    """
    asked = [comparison.labels for comparison in comparisons if comparison.labels]
    if not asked:
        return False
    known = label_groups(groups)
    if known is None:
        return True
    covered = frozenset().union(*known) if known else frozenset()
    return any(
        not labels <= covered or any(group & labels and not group <= labels for group in known)
        for labels in asked
    )


def label_groups(groups: Any) -> list[frozenset[str]] | None:
    """``enriched.distinguishes`` as sets; None when it is no list of lists of labels."""
    if not isinstance(groups, Sequence) or isinstance(groups, (str, bytes)):
        return None
    for group in groups:
        if not isinstance(group, Sequence) or isinstance(group, (str, bytes)):
            return None
        if not all(isinstance(label, str) for label in group):
            return None
    return [frozenset(group) for group in groups]


def _same(value: Any, choice: Any) -> bool:
    return isinstance(value, bool) == isinstance(choice, bool) and value == choice
