"""What a regrade has changed, and how two policies decided, from the history alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from parjanya_dagster.policy import Comparison, Policy, compare
from parjanya_dagster.regrade.advance import batches_of
from parjanya_dagster.regrade.preview import EXAMPLES, Fate, Flips
from parjanya_dagster.truth.models import PRESENT, Decided, ImageRow, Regrade
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import batch_pages, present_pages

PAGE = 500


def progress(store: Store, regrade: Regrade) -> dict[str, int]:
    """How many rows were sent to their boundary, and how many of them are not decided again yet."""
    sent = store.replayed(regrade.replay_id)
    waiting = store.regrading()
    return {
        "partitions": len(batches_of(store, regrade)),
        "partitions_sent": len(sent),
        "rows_sent": sum(sent.values()),
        "rows_waiting": sum(n for batch, n in waiting.items() if regrade.covers(batch)),
    }


def report(
    store: Store,
    regrade: Regrade,
    most: int = EXAMPLES,
    heard: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:
    """Of each present image that was decided again: the verdict before the regrade, and now.

    `most` and `heard` as in `preview`.
    """
    flips = Flips(most=most)
    waiting = failed = 0
    batches = batches_of(store, regrade)
    for done, batch in enumerate(batches):
        heard(done, len(batches))
        for page in batch_pages(store, [batch], PAGE):
            page = [row for row in page if row.object_state == PRESENT]
            waiting += sum(row.target is not None for row in page)
            failed += sum(row.pipeline_status == Status.FAILED for row in page)
            rows = [row for row in page if row.pipeline_status == Status.CURATED]
            history = store.decisions([row.image_id for row in rows])
            for row in rows:
                _note(flips, regrade, row, history.get(row.image_id, ()))
    return {
        "replay_id": regrade.replay_id,
        "policy": regrade.policy,
        "decided_again": flips.same + sum(flips.counts.values()),
        "same_verdict": flips.same,
        "flips": flips.body(),
        "waiting": waiting,
        "failed": failed,
    }


def _note(flips: Flips, regrade: Regrade, row: ImageRow, history: Sequence[Decided]) -> None:
    before = [one for one in history if one.at < regrade.started_at]
    since = [one for one in history if one.at >= regrade.started_at]
    if before and since and since[-1].policy == regrade.policy:
        now = since[-1]
        fate: Fate | None = "stand" if row.person_verdict else None
        flips.note(row, before[-1].verdict, now.verdict, now.reasons, now.reasons, fate)


def policy_before(store: Store, regrade: Regrade) -> str | None:
    """The policy under which most images were decided before a regrade. None: not known.

    It looks at the first images of each tenant only: the way back is previewed anyway.
    """
    before: Counter[str] = Counter()
    for tenant in regrade.tenants:
        first = [batch for batch in store.batches(tenant) if regrade.covers(batch)][:1]
        for page in islice(batch_pages(store, first, PAGE), 1):
            for decided in store.decisions([row.image_id for row in page]).values():
                older = [one.policy for one in decided if one.at < regrade.started_at]
                before.update(older[-1:])
    before.pop(regrade.policy, None)
    return before.most_common(1)[0][0] if before else None


def compare_decided(store: Store, a: Policy, b: Policy, tenant: str) -> Comparison:
    """The recorded decisions of two policies over a tenant's present images."""
    decided: tuple[dict[str, Mapping[str, Any]], dict[str, Mapping[str, Any]]] = ({}, {})
    for page in present_pages(store, tenant, PAGE):
        ids = [row.image_id for row in page]
        for policy, into in zip((a, b), decided, strict=True):
            into.update(
                {
                    image: {"verdict": body["verdict"], "reasons": body["reasons"]}
                    for image, body in store.decided_under(ids, policy.hash).items()
                }
            )
    return compare(*decided)
