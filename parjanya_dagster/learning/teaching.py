"""Which images teach most: those that are uncertain, and unlike those that were just chosen.

Also how many of those that wait a taste would leave to people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parjanya_dagster.errors import BucketMissing, StorageUnavailable, TasteUnusable
from parjanya_dagster.learning.features import STAGES, common_paths, numbers, tabled
from parjanya_dagster.learning.intervals import wilson
from parjanya_dagster.learning.keeping import Kept
from parjanya_dagster.learning.taste import Opinion
from parjanya_dagster.learning.tastes import Recorded, Tastes
from parjanya_dagster.truth.models import Evidence, ImageRow
from parjanya_dagster.truth.store import EvidenceLog

SURE: Final = 0.9  # stated probability of either verdict, from which a person is not needed
_LEAST: Final = 0.05  # uncertainty of what is sure: what differs may still be worth a look

Floats = NDArray[np.float64]


def teaching_order(
    store: EvidenceLog,
    tastes: Tastes | None,
    waiting: Sequence[ImageRow],
    doubt: Callable[[Mapping[str, Evidence]], float | None],
) -> list[ImageRow]:
    """Waiting images of one tenant, those first that teach most.

    Uncertain is what the tenant's newest taste cannot tell. Without a taste it is what `doubt` says
    of the evidence.
    """
    recorded = store.evidence(waiting, STAGES)
    evidence = [recorded.get(row.image_id, {}) for row in waiting]
    bodies = [{stage: one.body for stage, one in stages.items()} for stages in evidence]
    images = [numbers(one) for one in bodies]
    said = _said(tastes, waiting, recorded)
    if said is not None:
        uncertain = [uncertainty(said[row.image_id]) for row in waiting]
    else:
        known = [doubt(one) for one in evidence]
        uncertain = [1.0 if one is None else max(one, _LEAST) for one in known]
    columns = _scaled(tabled(images, common_paths(images)).table)
    return [waiting[at] for at in greedy(np.array(uncertain), columns)]


def uncertainty(opinion: Opinion) -> float:
    """0 to 1. What a taste cannot tell is wholly uncertain."""
    return 1.0 if opinion.accept is None else max(1.0 - abs(2.0 * opinion.accept - 1.0), _LEAST)


def greedy(uncertain: Floats, columns: Floats) -> list[int]:
    """Places, each next the one of greatest uncertainty times distance to the nearest before it.

    `uncertain`: (n,), `columns`: (n, features). The first is the most uncertain; of equals, the
    earlier.
    """
    left = np.ones(len(uncertain), dtype=bool)
    nearest = np.full(len(uncertain), np.inf)
    order: list[int] = []
    for _ in range(len(uncertain)):
        worth = uncertain * (nearest if order else 1.0)
        chosen = int(np.argmax(np.where(left, worth, -1.0)))
        order.append(chosen)
        left[chosen] = False
        away = np.sqrt(((columns - columns[chosen]) ** 2).sum(axis=1))
        nearest = np.minimum(nearest, away)
    return order


def load_left(
    store: EvidenceLog, tastes: Tastes, kept: Kept, window: Sequence[ImageRow], waiting: int
) -> dict[str, Any]:
    """How many of those that wait a taste would leave to people, told from the oldest of them.

    `window`: the oldest; `waiting`: how many there are.
    """
    recorded = store.evidence(window, STAGES) if window else {}
    said = tastes.opinions(kept.taste, window, recorded) if window else {}
    unsure = sum(not is_sure(opinion) for opinion in said.values())
    low, high = wilson(unsure, len(window))
    return {
        "waiting": waiting,
        "looked_at": len(window),
        "unsure": unsure,
        "expected": round(waiting * unsure / len(window)) if window else 0,
        "interval": [round(waiting * low), round(waiting * high)] if window else [0, 0],
    }


def is_sure(opinion: Opinion) -> bool:
    """Whether a policy with the usual thresholds would decide it without a person."""
    return opinion.accept is not None and not 1 - SURE <= opinion.accept < SURE


def _said(
    tastes: Tastes | None, waiting: Sequence[ImageRow], recorded: Recorded
) -> Mapping[str, Opinion] | None:
    """What the newest taste of whose images wait says of them. None: there is none, or it or its
    vectors are away: an order is no reason to fail.
    """
    if tastes is None or not waiting:
        return None
    try:
        kept = tastes.newest(waiting[0].tenant)
        return tastes.opinions(kept.taste, waiting, recorded) if kept else None
    except (TasteUnusable, StorageUnavailable, BucketMissing):
        return None


def _scaled(table: Floats) -> Floats:
    """Columns of deviation 1 and mean 0. What is missing lies in the middle."""
    if not table.size:
        return np.zeros((len(table), 1))
    with np.errstate(invalid="ignore"):
        middle, spread = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    return np.asarray(np.nan_to_num((table - middle) / np.where(spread > 0, spread, 1.0)))
