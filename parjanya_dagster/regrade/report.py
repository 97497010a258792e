"""What a regrade has changed, and how two policies decided, from the history alone."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from parjanya_dagster.policy import Comparison, Policy, compare
from parjanya_dagster.regrade.advance import batches_of
from parjanya_dagster.regrade.preview import Flips
from parjanya_dagster.truth.models import PRESENT, Regrade
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


def report(store: Store, regrade: Regrade) -> dict[str, Any]:
    """Of each present image that was decided again: the verdict before the regrade, and now."""
    flips = Flips()
    waiting = failed = 0
    for page in chain.from_iterable(
        batch_pages(store, [batch], PAGE) for batch in batches_of(store, regrade)
    ):
        page = [row for row in page if row.object_state == PRESENT]
        waiting += sum(row.target is not None for row in page)
        failed += sum(row.pipeline_status == Status.FAILED for row in page)
        rows = [row for row in page if row.pipeline_status == Status.CURATED]
        history = store.decisions([row.image_id for row in rows])
        for row in rows:
            before = [d for d in history.get(row.image_id, ()) if d.at < regrade.started_at]
            since = [d for d in history.get(row.image_id, ()) if d.at >= regrade.started_at]
            if before and since and since[-1].policy == regrade.policy:
                now = since[-1]
                flips.note(row, before[-1].verdict, now.verdict, now.reasons, now.reasons)
    return {
        "replay_id": regrade.replay_id,
        "policy": regrade.policy,
        "decided_again": flips.same + sum(flips.counts.values()),
        "same_verdict": flips.same,
        "flips": flips.body(),
        "waiting": waiting,
        "failed": failed,
    }


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
