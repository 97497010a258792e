"""A random journey of a few images, and every call of a store."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import replace

from parjanya_dagster.errors import ReviewRefused
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.outcomes import Completed, Outcome, Retry, SendBack, TerminalFailure
from parjanya_dagster.truth.requests import ClaimRequest, Reset
from parjanya_dagster.truth.reviews import ReviewDecision
from parjanya_dagster.truth.stages import STAGES
from parjanya_dagster.truth.store import Store
from tests.support.world import LEASE, NOON, arrival, commit, completed, row, tenant

Step = tuple[str, int]


def journey(store: Store, slug: str, steps: list[Step]) -> None:
    """What workers, operators and uploads do, each step picked by its number."""
    now = NOON
    for kind, number in steps:
        rng = random.Random(number)
        batches = store.batches(slug)
        rows = store.rows(batches)
        some = [one.image_id for one in rng.sample(rows, rng.randint(1, len(rows)))]
        now += rng.choice([0.0, 1.0, 30.0])
        stage = rng.choice(STAGES)
        if kind in OUTCOMES or kind in ("die", "release", "extend"):
            claims = [
                one
                for each in STAGES
                for one in store.claim(
                    ClaimRequest(
                        stage=each, batches=batches, limit=rng.randint(1, 4), owner="w", lease=LEASE
                    ),
                    now,
                )
            ]
            if kind in OUTCOMES:
                for one in claims:
                    if kind != "back" or one.stage != "validated":
                        commit(store, [one], OUTCOMES[kind](one.row, one.stage), now=now)
            elif kind == "release":
                store.release(claims, now, "drain", "run-2")
            elif kind == "extend":
                store.extend(claims, LEASE, now)
        elif kind == "reset":
            store.reset_images(some, Reset(stage=stage, reason="operator"), now)
        elif kind == "replay":
            store.reset(
                batches[:1], Reset(stage=stage, reason="backfill"), now, f"{slug}-{number % 3}"
            )
        elif kind == "overwrite":
            new = arrival(rng.randrange(4), slug=slug, version=f"v{number}", landed_at=now)
            store.register([new], now)
        elif kind == "return":
            again = arrival(rng.randrange(4), slug=slug, landed_at=now)
            store.register([again], now)
        elif kind == "person":
            for image in some:
                decide(store, image, rng.choice(["accept", "reject", "undo"]), now)
        elif kind == "depart":
            store.depart(some, now, "deleted")
        elif kind == "expire":
            now += LEASE
            store.expire_leases(now)
        else:
            now += 400.0


def decide(store: Store, image: str, action: str, now: float) -> None:
    """A person decides an image as it is, where that can be."""
    shown = row(store, image)
    asked = ReviewDecision(
        image_id=image, who="ana", action=action, request_id=f"{action} {shown.reviews}"
    )
    with contextlib.suppress(ReviewRefused):
        store.review(asked, now, seen=shown.reviews)


def _asking_again(one: ImageRow, stage: str) -> Outcome:
    """A policy that asks people again, where it is at the decision."""
    outcome = _completed(one, stage)
    assert isinstance(outcome, Completed)
    if stage != "curated":
        return outcome
    columns = {"verdict": "accept", "reasons": ["fine"], "policy": "strict@1"}
    return replace(outcome, columns=columns, asks_again=True)


def _completed(one: ImageRow, stage: str) -> Outcome:
    from parjanya_dagster.truth.outcomes import Claim

    more = {"verdict": "accept", "reasons": ["fine"], "policy": "default@1"}
    return completed(Claim(one, stage, "w"), **(more if stage == "curated" else {"sha256": "s"}))


OUTCOMES: dict[str, Callable[[ImageRow, str], Outcome]] = {
    "complete": _completed,
    "ask again": _asking_again,
    "retry": lambda one, stage: Retry("away"),
    "bug": lambda one, stage: Retry("KeyError", refund=False),
    "fail": lambda one, stage: TerminalFailure("undecodable", "x"),
    "back": lambda one, stage: SendBack("validated", "its preview is missing"),
}


CALLS: dict[str, Callable[[Store], object]] = {
    "put_tenant": lambda s: s.put_tenant(tenant()),
    "tenants": lambda s: s.tenants(),
    "register": lambda s: s.register([arrival(1)], NOON),
    "depart": lambda s: s.depart(["x"], NOON, "deleted"),
    "known": lambda s: s.known(["x"]),
    "versions": lambda s: s.versions("bucket", {"x": 1}),
    "get": lambda s: s.get("x"),
    "rows": lambda s: s.rows(["acme/2025-10-09/001"]),
    "batches": lambda s: s.batches(),
    "due": lambda s: s.due(NOON),
    "claim": lambda s: s.claim(
        ClaimRequest(
            stage="validated", batches=["acme/2025-10-09/001"], limit=1, owner="w", lease=LEASE
        ),
        NOON,
    ),
    "expire leases": lambda s: s.expire_leases(NOON),
    "reset": lambda s: s.reset(
        ["acme/2025-10-09/001"], Reset(stage="validated", reason="x"), NOON, "r"
    ),
    "counts": lambda s: s.counts(),
    "history": lambda s: s.history("x"),
    "review": lambda s: s.review(
        ReviewDecision(image_id="x", who="ana", action="accept", request_id="r"), NOON, seen=0
    ),
    "claim_review": lambda s: s.claim_review("acme", "ana", NOON, LEASE, 1),
    "to_review": lambda s: s.to_review("acme"),
    "waiting_for_review": lambda s: s.waiting_for_review("acme"),
    "beat": lambda s: s.beat("x", NOON, {}),
    "heartbeats": lambda s: s.heartbeats(),
}
