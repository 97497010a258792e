"""The one comparison of a rule whose threshold may be moved, and what else must hold beside it."""

from __future__ import annotations

from .document import Condition, Rule


def movable(rule: Rule) -> int | None:
    """Where it is: 0 for a rule of one comparison, else its place in an `all_of`. None: nowhere.

    In an `all_of` it is the first with a `review_from`, else the first that compares with one
    number. What the others ask stays. A rule over what was learned from decisions (`taste`) is not
    tuned on decisions once more.
    """
    if any(path.startswith("taste.") for path in rule.paths) or rule.when.any_of:
        return None
    parts = rule.when.all_of or (rule.when,)
    fit = [place for place, part in enumerate(parts) if _one_threshold(part)]
    banded = [place for place in fit if parts[place].review_from is not None]
    return next(iter([*banded, *fit]), None)


def moved_comparison(rule: Rule) -> Condition:
    """The comparison at that place. Raises ValueError where there is none."""
    place = movable(rule)
    if place is None:
        raise ValueError(f"the rule {rule.id} has no threshold that can be moved")
    return (rule.when.all_of or (rule.when,))[place]


def beside(rule: Rule) -> tuple[Condition, ...]:
    """The conditions that must hold besides."""
    moved = moved_comparison(rule)
    return tuple(part for part in rule.when.all_of or () if part is not moved)


def _one_threshold(part: Condition) -> bool:
    alone = part.in_ is None and part.equals is None and not part.textual
    return not part.parts and len(part.ordering) == 1 and alone
