"""A policy compared with people's decisions, and the next version that they speak for.

Nothing is published and nobody is moved: that is for a person to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parjanya_dagster import policy as policies
from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.learning.intervals import mean_interval, share
from parjanya_dagster.learning.tastes import Tastes
from parjanya_dagster.policy import Policy, movable, moved_comparison
from parjanya_dagster.policy.document import Rule
from parjanya_dagster.policy.rewriting import with_thresholds
from parjanya_dagster.tuning.judged import RANK, Judged, judge
from parjanya_dagster.tuning.thresholds import (
    ACCEPT,
    REJECT,
    REVIEW,
    Cut,
    Problem,
    RuleValues,
    fit,
    held_out,
)

REVIEW_COST: Final = 0.1  # of a review, in wrong verdicts
FEWEST: Final = 50  # decisions, under which nothing is proposed
FEWEST_OF_EACH: Final = 10  # of accepts and of rejects
FEWEST_OF_RULE: Final = 20  # known values, under which a rule keeps its thresholds
POINTS: Final = 12  # of a curve

Ranks = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What was found."""

    body: dict[str, Any]  # plain data, for --json
    proposed: Policy | None


def tune(
    judged: Judged,
    policy: Policy,
    name: str,
    version: int,
    review_cost: float = REVIEW_COST,
) -> Tuned:
    """How the policy and each of its rules agree with people, and what would agree better.

    `name`, `version`: what a proposed policy is called. It is proposed only where decisions that
    it was not learned from bear it out: the 95 % interval of what it costs less is above zero.
    """
    problem = judged.problem(policy, review_cost)
    now = problem.verdicts(problem.published)
    few = _too_few(problem.people)
    learned = fit(problem, FEWEST_OF_RULE) if not few else problem.published
    moved = {rule: cut for rule, cut in learned.items() if cut != problem.published[rule]}
    then = held_out(problem, judged.folds(), FEWEST_OF_RULE) if moved else now
    saved = mean_interval([float(x) for x in problem.costs(now) - problem.costs(then)])
    why_not = few or _not_better(moved, saved)
    proposed = None
    if not why_not:
        spelled = {rule: (cut.threshold, cut.review_from) for rule, cut in moved.items()}
        proposed = with_thresholds(policy, name, version, spelled)
    body: dict[str, Any] = {
        "policy": policy.ref,
        "policy_hash": policy.hash,
        "review_cost": review_cost,
        "decisions": _decisions(judged, problem, now),
        "now": _figures(problem, now),
        "held_out": _figures(problem, then) if moved else None,
        "saved": _saved(saved) if moved else None,
        "rules": [
            _rule(judged, problem, rule.id, learned.get(rule.id), _compared(rule))
            for rule in policy.document.rules
        ]
        + [_rule(judged, problem, other, None) for other in _others(judged, policy)],
        "proposed": proposed.ref if proposed else None,
        "proposal": proposed.text if proposed else None,
        "why_not": why_not,
    }
    return Tuned(body=body, proposed=proposed)


def tune_tenant(
    store: Any,
    work: Curate,
    tenant: str,
    policy: Policy,
    published: Mapping[str, Any],
    review_cost: float = REVIEW_COST,
    heard: Callable[[int], None] = lambda images: None,
    since: float = 0.0,
) -> Tuned:
    """`tune` over everything that people decided of a tenant. `published`: refs that are taken."""
    judged = judge(store, work, tenant, policy, heard, since)
    return tune(judged, policy, *next_version(policy, tenant, published), review_cost)


def learned_until(tastes: Tastes, policy: Policy) -> float:
    """From when on decisions tell something of a policy: those that its taste was not learned from.

    Raises TasteUnusable, StorageUnavailable.
    """
    named = policy.document.needs.taste
    return 0.0 if named is None else float(tastes.taste(named).learned_from["until"]) + 1.0


def next_version(policy: Policy, tenant: str, published: Mapping[str, Any]) -> tuple[str, int]:
    """What the next version is called. A policy that ships gets a name of the tenant's: the next
    version of `default` is not ours to take.
    """
    shipped = {one.name for one in policies.builtin().values()}
    name = f"{policy.name}-{tenant}"[:63] if policy.name in shipped else policy.name
    taken = [policies.parse_ref(ref) for ref in published]
    return name, max((v for n, v in taken if n == name), default=0) + 1


def _too_few(people: Ranks) -> str:
    accepted, rejected = int((people == ACCEPT).sum()), int((people == REJECT).sum())
    if len(people) < FEWEST or min(accepted, rejected) < FEWEST_OF_EACH:
        return (
            f"{len(people)} decisions ({accepted} accepts, {rejected} rejects) are too few to "
            f"propose thresholds: at least {FEWEST}, and {FEWEST_OF_EACH} of each, are needed."
        )
    return ""


def _not_better(moved: Mapping[str, Cut], saved: tuple[float, float, float]) -> str:
    if not moved:
        return "No other thresholds agree better with these decisions."
    mean, low, _ = saved
    if mean <= 0:
        return (
            "Other thresholds fit these decisions better, and held-out decisions worse or no "
            "better, so none are proposed."
        )
    if low <= 0:
        return (
            "Other thresholds do better on held-out decisions, by no more than chance may do. "
            "More decisions would tell."
        )
    return ""


def _figures(problem: Problem, verdicts: Ranks) -> dict[str, Any]:
    decided = verdicts != REVIEW
    agree = int((verdicts[decided] == problem.people[decided]).sum())
    n = len(verdicts)
    return {
        "agreement": share(agree, int(decided.sum())),  # of what is decided without a person
        "review": share(n - int(decided.sum()), n),
        "cost": round(float(problem.costs(verdicts).mean()), 4) if n else None,
    }


def _saved(saved: tuple[float, float, float]) -> dict[str, Any]:
    mean, low, high = saved
    return {"mean": round(mean, 4), "interval": [round(low, 4), round(high, 4)]}


def _decisions(judged: Judged, problem: Problem, now: Ranks) -> dict[str, Any]:
    return {
        "n": len(now),
        "accept": int((problem.people == ACCEPT).sum()),
        "reject": int((problem.people == REJECT).sum()),
        "policy_said": {name: int((now == rank).sum()) for name, rank in RANK.items()},
        "left_out": dict(sorted(judged.left_out.items())),
    }


def _compared(rule: Rule) -> str:
    """What the threshold that can be moved is compared with."""
    if movable(rule) is None:
        return ""
    return moved_comparison(rule).evidence or "the sum"


def _others(judged: Judged, policy: Policy) -> list[str]:
    """What speaks beside the rules: duplicates, confidence."""
    rules = {rule.id for rule in policy.document.rules} | {"no_objection"}
    return sorted({rule for image in judged.images for rule in image.spoke} - rules)


def _rule(
    judged: Judged, problem: Problem, rule: str, learned: Cut | None, compares: str = ""
) -> dict[str, Any]:
    """How often people agree with one rule, by what it says. Only what it says is its own: where
    it is silent, another rule may have objected.
    """
    said, people = judged.said(rule), problem.people
    rejects, reviews, silent = (said == rank for rank in (REJECT, REVIEW, ACCEPT))
    values = problem.rules.get(rule)
    unknown = np.isnan(values.value) & values.applies if values else np.zeros(len(said), dtype=bool)

    def rejected(where: Any) -> dict[str, Any]:
        return share(int((people[where] == REJECT).sum()), int(where.sum()))

    body: dict[str, Any] = {
        "rule": rule,
        "rejects": rejected(rejects),  # hits: people rejected them too
        "reviews": rejected(reviews & ~unknown),
        "unknown": rejected(unknown),
        "silent": rejected(silent),
        "tunable": values is not None,
    }
    if values is not None:
        body |= {
            "compares": compares,
            "operator": values.operator,
            "now": _cut(values.cut),
            "learned": _cut(learned) if learned else None,
            "curve": curve(values, people),
        }
    return body


def _cut(cut: Cut) -> dict[str, float | None]:
    return {"threshold": cut.threshold, "review_from": cut.review_from}


def curve(values: RuleValues, people: Ranks, points: int = POINTS) -> list[dict[str, Any]]:
    """For values in order, up to the most objectionable: how many images lie beyond each, and the
    share of them that people rejected.
    """
    known = values.known
    value, people = values.value[known], people[known]
    if not len(value):
        return []
    steps = np.unique(np.quantile(value, np.linspace(0, 1, points), method="nearest"))
    found = []
    for step in steps if values.rising else steps[::-1]:
        beyond = value >= step if values.rising else value <= step
        hits, n = int((people[beyond] == REJECT).sum()), int(beyond.sum())
        found.append({"value": float(step), **share(hits, n)})
    return found
