"""Failures done again: each failed row goes back to the stage at which it failed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.stages import STAGES
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import failed_pages

PAGE = 500


def failures(
    store: Store, tenant: str | None = None, reason: str | None = None, since: float = 0.0
) -> Iterator[ImageRow]:
    """Failed rows whose object is there: of one tenant, class, or since a time. Page by page."""
    for counts in store.counts(tenant):
        for failure_class in sorted(counts.by_failure):
            if reason in (None, failure_class):
                for page in failed_pages(store, counts.tenant, failure_class, PAGE):
                    yield from (row for row in page if row.updated_at >= since)


def count(rows: Iterable[ImageRow]) -> dict[tuple[str, str, str], int]:
    """Rows by tenant, failure class and the stage they go back to."""
    return dict(Counter((row.tenant, row.failure_class or "", _boundary(row)) for row in rows))


def replay_failures(
    store: Store,
    tenant: str | None,
    reason: str | None,
    since: float,
    clock: Callable[[], float],
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Reset them. Dying half-way loses nothing: the rest has failed still. Returns how many.

    `progress` is told after each page how many are reset so far.
    """
    done = 0
    for counts in store.counts(tenant):
        for failure_class in sorted(counts.by_failure):
            if reason not in (None, failure_class):
                continue
            for page in failed_pages(store, counts.tenant, failure_class, PAGE):
                by_stage: dict[str, list[str]] = defaultdict(list)
                for row in page:
                    if row.updated_at >= since:
                        by_stage[_boundary(row)].append(row.image_id)
                for stage, ids in by_stage.items():
                    why = f"replay of {failure_class}"
                    done += store.reset_images(
                        ids, Reset(stage=stage, reason=why), clock(), failed_only=True
                    )
                progress(done)
    return done


def _boundary(row: ImageRow) -> str:
    return row.failed_stage or STAGES[0]
