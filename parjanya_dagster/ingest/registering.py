"""Arrivals into Truth, so that one that it cannot hold stops no other."""

from __future__ import annotations

from collections.abc import Sequence

from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.objects.store import ObjectInfo
from parjanya_dagster.truth.models import Arrival, Registered, Tenant
from parjanya_dagster.truth.store import Images


def arrival_of(tenant: Tenant, info: ObjectInfo) -> Arrival:
    """An object in a tenant's bucket as Truth is told of it."""
    return Arrival(
        tenant=tenant.slug,
        bucket=tenant.bucket,
        key=info.key,
        version=info.version,
        size=info.size,
        landed_at=info.modified_at,
    )


def register(
    store: Images, arrivals: Sequence[Arrival], now: float
) -> tuple[list[Registered], dict[Arrival, str]]:
    """Register arrivals. Returns the rows, and the arrivals that were refused with their reasons.

    Halves what fails until the bad ones stand alone. Raises what may pass, as TruthUnavailable.
    """
    if not arrivals:
        return [], {}
    try:
        return store.register(arrivals, now), {}
    except Exception as error:
        if isinstance(error, ParjanyaError) and error.transient:
            raise
        if len(arrivals) == 1:
            known = isinstance(error, ParjanyaError)
            why = str(error) if known else f"Truth cannot hold it: {type(error).__name__}: {error}"
            return [], {arrivals[0]: why[:500]}
    half = len(arrivals) // 2
    first, refused = register(store, arrivals[:half], now)
    second, more = register(store, arrivals[half:], now)
    return first + second, refused | more
