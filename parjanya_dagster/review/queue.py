"""The queue of what waits for people, in the order in which they should look at it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from parjanya_dagster.review.clusters import clusters
from parjanya_dagster.truth.models import Evidence, ImageRow
from parjanya_dagster.truth.store import EvidenceLog, Store

if TYPE_CHECKING:
    from parjanya_dagster.learning.tastes import Tastes

Order = Literal["oldest", "doubt", "alike", "teach"]
ORDERS: tuple[Order, ...] = ("oldest", "doubt", "alike", "teach")
WINDOW = 500
"""Images that are put in order at once, the oldest ones first. Without a bound, asking for one
image would read the evidence of all that wait."""


def next_images(
    store: Store,
    tenant: str,
    who: str,
    now: float,
    *,
    lease: float,
    n: int,
    skip: Collection[str] = (),
    order: Order = "oldest",
    tastes: Tastes | None = None,
    view: Iterable[str] | None = None,
) -> list[ImageRow]:
    """The next images for a person, kept for nobody else while the lease lives.

    `skip`: those that the person has, or wants to see later. `view`: only these, by their ids, the
    earliest arrival first; it is read as far as need be.
    """
    if order == "oldest" and view is None:
        return store.claim_review(tenant, who, now, lease, n, skip)
    but, taken = set(skip), list[ImageRow]()
    for window in _windows(store, tenant, view):
        waiting = [row for row in window if row.image_id not in but]
        among = [row.image_id for row in in_order(store, waiting, order, tastes)]
        taken += store.claim_review(tenant, who, now, lease, n - len(taken), skip, among)
        if len(taken) >= n:
            break
    return taken


def next_groups(
    store: Store,
    tenant: str,
    who: str,
    now: float,
    *,
    lease: float,
    n: int,
    most: int,
    skip: Collection[str] = (),
    view: Iterable[str] | None = None,
) -> list[list[ImageRow]]:
    """The next groups of look-alikes for a person: whole ones, until there are n images.

    Groups are made of WINDOW images at once, those that wait longest first. At most `most` images
    are kept, so a larger group comes in parts. What somebody else keeps is in none. `view`: as in
    `next_images`.
    """
    but, taken = set(skip), list[list[ImageRow]]()
    for window in _windows(store, tenant, view):
        for group in clusters(store, [row for row in window if row.image_id not in but]):
            kept = sum(map(len, taken))
            if kept >= n:
                break
            among = [row.image_id for row in group]
            got = store.claim_review(tenant, who, now, lease, most - kept, skip, among)
            taken += [got] if got else []
        if sum(map(len, taken)) >= n:
            break
    return taken


def _windows(store: Store, tenant: str, view: Iterable[str] | None) -> Iterator[list[ImageRow]]:
    """What waits of a tenant, or of these images of it: WINDOW at once, earliest arrival first."""
    if view is None:
        last = None
        while window := store.to_review(tenant, WINDOW, last):
            last = window[-1]
            yield window
        return
    ids = iter(view)
    while some := list(islice(ids, WINDOW)):
        found = store.get_many(some)
        rows = [found[image_id] for image_id in some if image_id in found]
        yield [row for row in rows if row.tenant == tenant and row.waits_for_person]


def in_order(
    store: EvidenceLog,
    waiting: Sequence[ImageRow],
    order: Order,
    tastes: Tastes | None = None,
) -> list[ImageRow]:
    """By doubt: the least certain first. Those of which nothing is known come last, as they were.
    Alike: those that look alike come together. Teach: first those that a taste would learn most
    from, as it is uncertain of them and they differ from one another.

    `waiting` has the earliest arrival first.
    """
    if order == "oldest":
        return list(waiting)
    if order == "alike":
        return [row for group in clusters(store, waiting) for row in group]
    if order == "teach":
        from parjanya_dagster.learning.teaching import teaching_order  # imports NumPy

        return teaching_order(store, tastes, waiting, _doubt)
    recorded = store.evidence(waiting, ("enriched",))

    def certainty(row: ImageRow) -> float:
        enriched = recorded.get(row.image_id, {}).get("enriched")
        doubt = doubt_of(enriched.body) if enriched else None
        return 1.0 if doubt is None else -doubt

    return sorted(waiting, key=certainty)


def _doubt(evidence: Mapping[str, Evidence]) -> float | None:
    return doubt_of(evidence["enriched"].body) if "enriched" in evidence else None


def doubt_of(enriched: Mapping[str, Any]) -> float | None:
    """How uncertain the category is, 0 to 1. None: no probability was recorded."""
    known = [
        float(value)
        for name in ("confidence", "group_confidence")
        if isinstance(value := enriched.get(name), (int, float)) and not isinstance(value, bool)
    ]
    return 1.0 - max(known) if known else None
