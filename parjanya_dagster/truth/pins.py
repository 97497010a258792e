"""Who is pinned to which policy."""

from __future__ import annotations

from collections.abc import Iterable

from parjanya_dagster.truth.models import Tenant


def pinned(tenants: Iterable[Tenant]) -> dict[str, list[str]]:
    """The slugs of the tenants that are pinned to each policy, by ref."""
    by_ref: dict[str, list[str]] = {}
    for tenant in tenants:
        by_ref.setdefault(tenant.policy, []).append(tenant.slug)
    return {ref: sorted(slugs) for ref, slugs in by_ref.items()}
