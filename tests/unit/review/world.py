"""Images that a policy sent to review."""

from __future__ import annotations

from typing import Any

from parjanya_dagster.truth.outcomes import Completed
from parjanya_dagster.truth.store import Store
from tests.support.world import NOON, arrive, carry, claim, commit, found


def waiting(
    store: Store, count: int, *, slug: str = "acme", confidences: Any = None, sha256: str = "s"
) -> list[str]:
    """`confidences`: of each image's category; None: no probability is recorded."""
    ids = arrive(store, count, slug=slug)
    known = dict(zip(ids, confidences or [None] * count, strict=True))
    carry(store, through="validated")
    for one in claim(store, "enriched"):
        sure = known.get(one.image_id)
        body = {"category": "photo"} | ({} if sure is None else {"confidence": sure})
        commit(store, [one], Completed(found(one, body=body), {}))
    commit(store, claim(store, "scored"))
    for one in claim(store, "curated"):
        columns = {"verdict": "review", "reasons": ["doubt"], "policy": "default@1",
                   "sha256": sha256}  # fmt: skip
        commit(store, [one], Completed(found(one), columns), now=NOON)
    return ids
