"""Trains a taste, and says how well it does on decisions that it did not see. Pure.

Decisions are held out in five parts, and look-alikes together. For each part models are fitted to
the other four, with their features' quantiles and directions: a regression for each penalty, and
trees. The kind for a part is the one that does best on the others. What is kept at last is fitted
to all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parjanya_dagster.errors import TooFewDecisions
from parjanya_dagster.learning import calibration, logistic, trees
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
COUNTS: Final = (20, 40, 80)  # of trees

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
    stated, chosen = _held_out(examples, target, fold)
    if chosen < len(PENALTIES):
        kept, penalty = design(examples), PENALTIES[chosen]
        model: dict[str, Any] = {
            "penalty": penalty,
            "weights": logistic.fit(kept.columns(examples), target, penalty),
        }
    else:  # trees read no vectors
        space, kept = None, design(replace(examples, vectors=None))
        count = COUNTS[chosen - len(PENALTIES)]
        model = {"trees": trees.fit(kept.plain(examples), target, count)}
    curve = calibration.bins(logistic.sigmoid(stated), target)
    trained = Taste(
        tenant=tenant,
        design=kept,
        **model,
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


def _held_out(examples: Examples, target: Floats, fold: NDArray[np.int64]) -> tuple[Floats, int]:
    """Logits of each example by models that did not see its fold, and which kind is best: one of
    `PENALTIES`, and then of `COUNTS`.
    """
    logits = np.zeros((len(PENALTIES) + len(COUNTS), len(target)))
    for part in np.unique(fold):
        inside, outside = fold != part, fold == part
        taught, asked = examples.only(inside), examples.only(outside)
        shaped = design(taught)
        columns, there = shaped.columns(taught), shaped.columns(asked)
        weights = None
        for at in reversed(range(len(PENALTIES))):  # each begins where the one before ended
            weights = logistic.fit(columns, target[inside], PENALTIES[at], weights)
            logits[at, outside] = there @ weights[:-1] + weights[-1]
        grown = trees.fit(shaped.plain(taught), target[inside], max(COUNTS))
        stated = grown.logits(shaped.plain(asked))
        logits[len(PENALTIES) :, outside] = stated[:, COUNTS].T

    def best(chosen: NDArray[Any]) -> int:
        losses = [logistic.log_loss(one[chosen], target[chosen]) for one in logits]
        return int(np.argmin(losses))

    stated = np.zeros(len(target))
    for part in np.unique(fold):
        stated[fold == part] = logits[best(fold != part)][fold == part]
    return stated, best(np.ones(len(target), dtype=bool))


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
