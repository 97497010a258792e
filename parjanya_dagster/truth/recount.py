"""Whether the counters that are kept are right, by a count of all rows. Slow: for now and then."""

from __future__ import annotations

from dataclasses import replace

from parjanya_dagster.truth.store import Counting, Counts


def miscounted(store: Counting, tenant: str | None = None) -> list[tuple[Counts, Counts]]:
    """The counters of each tenant that are wrong, and what a count of its rows says.

    Work goes on meanwhile, so a tenant whose counters moved during the count is left out: it is
    told the next time.
    """
    before = {one.tenant: _lasting(one) for one in store.counts(tenant)}
    counted = {one.tenant: _lasting(one) for one in store.counted(tenant)}
    after = {one.tenant: _lasting(one) for one in store.counts(tenant)}
    return [
        (kept, counted[slug])
        for slug, kept in after.items()
        if kept == before.get(slug) and slug in counted and counted[slug] != kept
    ]


def _lasting(counts: Counts) -> Counts:
    """Leases come and go, and are counted as they stand."""
    return replace(counts, in_flight=0)
