"""The small world of the contract suite: tenants, arrivals and workers in a few words.

Nothing here knows which backend is under test, and all time is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parjanya_dagster.truth.models import Arrival, Evidence, ImageRow, Tenant
from parjanya_dagster.truth.outcomes import Claim, Committed, Completed, Outcome
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.stages import STAGES
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.uploads import UploadRow

NOON = 1_760_011_200.0  # 2025-10-09 12:00 UTC
DAY = 86_400.0
LEASE = 60.0


def tenant(slug: str = "acme", **columns: Any) -> Tenant:
    return Tenant(
        slug=slug,
        bucket="bucket",
        prefix=f"{slug}/incoming/",
        policy="default@1",
        created_at=NOON,
        **columns,
    )


def arrival(
    name: object, *, slug: str = "acme", version: str = "v1", landed_at: float = NOON
) -> Arrival:
    return Arrival(
        tenant=slug,
        bucket="bucket",
        key=f"{slug}/incoming/{name}.jpg",
        version=version,
        size=1234,
        landed_at=landed_at,
    )


def promised(upload_id: str, *, slug: str = "acme", **columns: Any) -> UploadRow:
    """An upload that may come for an hour, and is looked after at the end of it."""
    given: dict[str, Any] = {
        "upload_id": upload_id,
        "tenant": slug,
        "bucket": "bucket",
        "key": f"{slug}/incoming/{upload_id}/a.jpg",
        "content_type": "image/jpeg",
        "size": 1234,
        "requested_at": NOON,
        "expires_at": NOON + 3600,
        "token_id": "t-1",
        "due_at": NOON + 3600,
    }
    return UploadRow(**{**given, **columns})


def arrive(store: Store, count: int, *, slug: str = "acme", now: float = NOON) -> list[str]:
    """Register a tenant and `count` images, one second apart. Returns their ids in that order."""
    store.put_tenant(tenant(slug))
    arrivals = [arrival(n, slug=slug, landed_at=NOON + n) for n in range(count)]
    store.register(arrivals, now)
    return [one.image_id for one in arrivals]


def claim(
    store: Store,
    stage: str = "validated",
    *,
    limit: int = 1000,
    owner: str = "worker-1",
    now: float = NOON,
    lease: float = LEASE,
) -> list[Claim]:
    return store.claim(
        ClaimRequest(stage=stage, batches=store.batches(), limit=limit, owner=owner, lease=lease),
        now,
    )


def found(one: Claim, *, fingerprint: str | None = None, body: Any = None) -> Evidence:
    return Evidence(
        image_id=one.image_id,
        stage=one.stage,
        fingerprint=fingerprint or f"{one.stage}-1",
        body={"stage": one.stage, "width": 640} if body is None else body,
        engine="embedded",
        model="none",
        revision="1",
        determinism="bitwise",
        run_id="run-1",
        created_at=NOON,
    )


def completed(one: Claim, **columns: Any) -> Completed:
    return Completed(found(one), columns)


def commit(
    store: Store, claims: Sequence[Claim], outcome: Any = completed, *, now: float = NOON
) -> Committed:
    """Commit the same kind of outcome for each claim; `outcome` is one, or makes one."""
    outcomes: list[tuple[Claim, Outcome]] = [
        (one, outcome(one) if callable(outcome) else outcome) for one in claims
    ]
    return store.commit(outcomes, now, "run-1")


def carry(store: Store, *, through: str = "curated", now: float = NOON) -> None:
    """Do the work of every due row, stage by stage, up to and with `through`."""
    for stage in STAGES[: STAGES.index(through) + 1]:
        while claims := claim(store, stage, now=now):
            commit(store, claims, now=now)


def row(store: Store, image_id: str) -> ImageRow:
    one = store.get(image_id)
    assert one is not None, f"no row {image_id}"
    return one


def due_rows(store: Store, now: float) -> int:
    return sum(batch.rows for batch in store.due(now))
