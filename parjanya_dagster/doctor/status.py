"""How far the images of each tenant are: plain data for the command line and JSON."""

from __future__ import annotations

from typing import Any

from parjanya_dagster.errors import UnknownTenant
from parjanya_dagster.truth.counts import Counts
from parjanya_dagster.truth.reader import Readable
from parjanya_dagster.truth.stages import Status

VERDICTS = ("accept", "review", "reject")


def status_of(truth: Readable, tenant: str | None, now: float) -> dict[str, Any]:
    """Counts per tenant, and when the loops last completed. Raises UnknownTenant."""
    if tenant is not None and truth.tenant(tenant) is None:
        raise UnknownTenant.named(tenant)
    pins = {known.slug: known.policy for known in truth.tenants()}
    return {
        "tenants": [
            {"tenant": counts.tenant, "policy": pins.get(counts.tenant), **counted(counts)}
            for counts in truth.counts(tenant)
        ],
        "loops": {
            beat.name: {"seconds_ago": round(now - beat.at, 1), **beat.payload}
            for beat in truth.heartbeats().values()
        },
    }


def counted(counts: Counts) -> dict[str, Any]:
    """One tenant's numbers. `law` is the conservation law: it must read 0."""
    pending = sum(n for name, n in counts.by_status.items() if not Status(name).terminal)
    return {
        "images": counts.rows,
        "pending": pending - counts.in_flight,
        "in_flight": counts.in_flight,
        "curated": counts.by_status.get(Status.CURATED, 0),
        "failed": counts.by_status.get(Status.FAILED, 0),
        "verdicts": {name: counts.by_effective.get(name, 0) for name in VERDICTS},
        "by_policies": {name: counts.by_verdict.get(name, 0) for name in VERDICTS},
        "by_people": {name: counts.by_person.get(name, 0) for name in VERDICTS[::2]},
        "failures": dict(counts.by_failure),
        "by_status": dict(counts.by_status),
        "departed": counts.departed,
        "law": counts.registered - counts.rows - counts.departed,
    }
