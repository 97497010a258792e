"""Trains a taste, and says how well it does on decisions that it did not see. Pure.

Decisions are held out in five parts, and look-alikes together. For each part a model is fitted to
the other four, with its features' quantiles and directions. The penalty for a part is the one that
does best on the others. What is kept at last is fitted to all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parjanya_dagster.errors import TooFewDecisions
from parjanya_dagster.learning import calibration, logistic
from parjanya_dagster.learning.features import (
    COMMON,
    Examples,
    common_paths,
    design,
    numbers,
    tabled,
    varying,
)
from parjanya_dagster.learning.folds import folds
from parjanya_dagster.learning.intervals import share
from parjanya_dagster.learning.taste import Taste, read
from parjanya_dagster.policy.canonical import canonical_json

FEWEST: Final = 50  # decisions
FEWEST_OF_EACH: Final = 10
PENALTIES: Final = (1.0, 4.0, 16.0, 64.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A person's standing verdict on an image, and the evidence of it."""

    image_id: str
    accepted: bool
    at: float
    sha256: str
    phash: str | None
    fingerprints: Mapping[str, str]  # stage -> of the evidence
    numbers: Mapping[str, float]
    vector: NDArray[Any] | None = None


def decided(
    *,
    image_id: str,
    accepted: bool,
    at: float,
    sha256: str,
    phash: str | None,
    fingerprints: Mapping[str, str],
    bodies: Mapping[str, Mapping[str, Any]],
    vector: NDArray[Any] | None = None,
) -> Decided:
    """A decision with the features of its evidence."""
    return Decided(
        image_id=image_id, accepted=accepted, at=at, sha256=sha256, phash=phash,
        fingerprints=fingerprints, numbers=numbers(bodies), vector=vector,
    )  # fmt: skip


def train(
    tenant: str, decisions: Sequence[Decided], space: Mapping[str, Any] | None = None
) -> Taste:
    """The taste of these decisions, in whatever order they come. Raises TooFewDecisions.

    `space`: of their vectors, which are used where nearly all have one. Decisions that miss a
    feature, or a vector, which nearly all others have are left out.
    """
    decisions = sorted(decisions, key=lambda one: one.image_id)
    _require(len(decisions), sum(one.accepted for one in decisions))
    images = [one.numbers for one in decisions]
    if sum(one.vector is not None for one in decisions) < COMMON * len(decisions):
        space = None
    dimension = int(space["dimension"]) if space else 0
    vectors = [one.vector for one in decisions]
    examples = tabled(images, common_paths(images), vectors, dimension)
    whole = np.flatnonzero(examples.whole)
    used = [decisions[at] for at in whole]
    _require(len(used), sum(one.accepted for one in used))
    examples = varying(examples.only(whole))
    target = np.array([one.accepted for one in used], dtype=np.float64)
    fold = folds([one.sha256 for one in used], [one.phash for one in used])
    stated, penalty = _held_out(examples, target, fold)
    kept = design(examples)
    weights = logistic.fit(kept.columns(examples), target, penalty)
    curve = calibration.bins(logistic.sigmoid(stated), target)
    trained = Taste(
        tenant=tenant,
        design=kept,
        weights=weights,
        penalty=penalty,
        calibration=curve,
        space=space,
        learned_from={
            "decisions": len(used),
            "left_out": len(decisions) - len(used),
            "accept": int(target.sum()),
            "reject": int(len(target) - target.sum()),
            "until": int(max(one.at for one in used)),
            "digest": _digest(used),
        },
        held_out=_figures(stated, target, curve),
    )
    return read(trained.data)  # what is used is what is written


def _require(n: int, accepted: int) -> None:
    if n < FEWEST or min(accepted, n - accepted) < FEWEST_OF_EACH:
        raise TooFewDecisions(
            f"{n} decisions with whole evidence ({accepted} accepts, {n - accepted} rejects) are "
            f"too few: at least {FEWEST}, and {FEWEST_OF_EACH} of each, are needed."
        )


def _held_out(examples: Examples, target: Floats, fold: NDArray[np.int64]) -> tuple[Floats, float]:
    """Logits of each example by models that did not see its fold, and the best penalty."""
    logits = np.zeros((len(PENALTIES), len(target)))
    for part in np.unique(fold):
        inside, outside = fold != part, fold == part
        shaped = design(examples.only(inside))
        columns = shaped.columns(examples.only(inside))
        there = shaped.columns(examples.only(outside))
        weights = None
        for at in reversed(range(len(PENALTIES))):  # each begins where the one before ended
            weights = logistic.fit(columns, target[inside], PENALTIES[at], weights)
            logits[at, outside] = there @ weights[:-1] + weights[-1]

    def best(chosen: NDArray[Any]) -> int:
        losses = [logistic.log_loss(one[chosen], target[chosen]) for one in logits]
        return int(np.argmin(losses))

    stated = np.zeros(len(target))
    for part in np.unique(fold):
        stated[fold == part] = logits[best(fold != part)][fold == part]
    return stated, PENALTIES[best(np.ones(len(target), dtype=bool))]


def _figures(stated: Floats, target: Floats, curve: Sequence[calibration.Bin]) -> dict[str, Any]:
    p = logistic.sigmoid(stated)
    reached = np.array([curve[calibration.place_of(one)].reached for one in p])
    sure = reached & ((p >= 0.9) | (p < 0.1))
    right = (p >= 0.5) == (target > 0.5)
    common = max(float(target.mean()), 1 - float(target.mean()))
    return {
        "agreement": share(int(right.sum()), len(p)),  # of all, by what is more probable
        "sure": share(int(sure.sum()), len(p)),  # 0.9 and more, or under 0.1
        "agreement_where_sure": share(int(right[sure].sum()), int(sure.sum())),
        "reached": share(int(reached.sum()), len(p)),
        "log_loss": logistic.log_loss(stated, target),
        "calibration_error": calibration.error(curve),
        "always_the_more_common": common,
    }


def _digest(used: Sequence[Decided]) -> str:
    """Over what was learned from: images, verdicts, and the evidence of each."""
    content = [[one.image_id, one.accepted, dict(sorted(one.fingerprints.items()))] for one in used]
    return hashlib.sha256(canonical_json(content)).hexdigest()
