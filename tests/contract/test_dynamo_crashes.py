"""A process dies after a single write of an operation, its answer lost; then it is done again.

On DynamoDB one call of the store is many requests. Whatever of them was made, doing the call again
must lead to where it leads without a death. (After one write is before the next.) On moto's
emulator.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.dynamo import DynamoStore, changes
from parjanya_dagster.truth.holders import LONG, named
from parjanya_dagster.truth.models import Move, Regrade
from parjanya_dagster.truth.outcomes import (
    Claim,
    Completed,
    Outcome,
    Retry,
    TerminalFailure,
)
from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.reviews import ReviewDecision, standing
from parjanya_dagster.truth.transitions import rebuild
from tests.contract.dynamo import Died, Requests
from tests.support.backends import dynamo_table, empty_table
from tests.support.servers import MotoServer
from tests.support.simulated import EXAMPLES, SEED, WIDE
from tests.support.world import LEASE, NOON, arrival, arrive, carry, claim, commit, completed, found

IMAGES = 5
LATER = NOON + 10 * LEASE  # leases of the dead ran out


@pytest.fixture(autouse=True)
def small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows fill one, so that each operation is several."""
    monkeypatch.setattr(changes, "MOST_WRITES", 10)


def register(store: DynamoStore) -> None:
    new = [arrival(n, version="v2", landed_at=NOON + 100) for n in (0, 1)]
    store.register([*new, *(arrival(f"new {n}") for n in range(9))], NOON)


def relocate(store: DynamoStore) -> None:
    """All images are seen as other versions of the same bytes."""
    seen = [arrival(n, version="v2", landed_at=NOON + 100) for n in range(IMAGES)]
    store.register([replace(one, same_as=arrival(n).image_id) for n, one in enumerate(seen)], NOON)


def depart(store: DynamoStore) -> None:
    store.depart(_ids(store), NOON, "deleted")


def work(store: DynamoStore) -> None:
    """Claim and commit, and again once the leases of whoever died ran out."""
    for now in (LATER, LATER + 2 * LEASE):
        for _ in range(IMAGES + 1):
            commit(store, claim(store, now=now), _outcome, now=now)


def _outcome(one: Claim) -> Outcome:
    if one.row.key.endswith("0.jpg"):
        return TerminalFailure("undecodable", "x")
    body = {"noise": "n" * 400_000} if one.row.key.endswith("1.jpg") else None
    return Completed(found(one, body=body), {"sha256": "s"}, {f"key {n}": n for n in range(30)})


def release(store: DynamoStore) -> None:
    store.release(claim(store), NOON, "drain", "")
    store.expire_leases(LATER)


def expire_leases(store: DynamoStore) -> None:
    store.expire_leases(NOON + LEASE)


def free_by_record(store: DynamoStore) -> None:
    """Once for those that wait, once for what a death left, and once for the record."""
    for _ in range(3):
        store.expire_leases(NOON + LEASE)
    assert store.expire_leases(NOON + LEASE) == 0


def reset(store: DynamoStore) -> None:
    store.reset(store.batches(), Reset(stage="scored", reason="again"), NOON, "replay-1")


def regrade(store: DynamoStore) -> None:
    asked = Regrade(
        replay_id="r-1", policy="default@2", tenants=("acme",), since="", until="", started_at=NOON
    )
    store.begin_regrade(asked)
    for batch in store.batches():
        rows = [row for row in store.rows([batch]) if row.target is None]
        moves = [
            Move(
                image_id=r.image_id,
                fence=r.fence,
                status=r.pipeline_status,
                stage="curated",
                evidence={},
            )
            for r in rows
        ]
        store.regrade_rows("r-1", "default@2", moves, NOON, "regrade")
        store.note_replayed("r-1", batch, len(rows), NOON)
    store.end_reset("r-1", NOON + 1)


def review(store: DynamoStore) -> None:
    """Ana decides what she has not decided yet: the same requests, when it is done again."""
    rows = store.claim_review("acme", "ana", NOON, LEASE, IMAGES)
    store.extend_review([row.image_id for row in rows], "ana", NOON, LEASE)
    for n, image in enumerate(arrival(n).image_id for n in range(IMAGES)):
        for seen, action in enumerate(("accept", "undo", "reject")[: n % 3 + 1]):
            asked = ReviewDecision(
                image_id=image, who="ana", action=action, request_id=f"{n} {action}"
            )
            store.review(asked, NOON, seen=seen)
    store.release_review([row.image_id for row in rows], "ana")


def ask_again(store: DynamoStore) -> None:
    """Everything is decided again by a policy that asks people again."""
    review(store)
    store.reset(store.batches(), Reset(stage="curated", reason="again"), NOON, "replay-1")
    for now in (LATER, LATER + 2 * LEASE):  # what was in flight is tried alone
        for _ in range(IMAGES + 1):
            commit(store, claim(store, "curated", now=now), _asking_again, now=now)


def _asking_again(one: Claim) -> Outcome:
    columns = {"verdict": "accept", "policy": "strict@1"}
    return Completed(found(one), columns, asks_again=True)


def manifest(store: DynamoStore) -> None:
    for batch, decided in store.stale_manifests().items():
        store.manifest_written(batch, decided)


def nothing(store: DynamoStore) -> None:
    arrive(store, IMAGES)


def held(store: DynamoStore) -> None:
    arrive(store, IMAGES)
    claim(store, owner="dead")


def held_for_long(store: DynamoStore) -> None:
    arrive(store, IMAGES)
    done = [(one, completed(one)) for one in claim(store, owner="dead")]
    kept = store.commit(done, NOON, "dead", keep=LONG).kept
    hand = tuple(named(one.row) for one in kept[:1])
    store.note_holder(Holder(owner="dead", until=NOON + LEASE, hand=hand))


def decided(store: DynamoStore) -> None:
    arrive(store, IMAGES)
    carry(store, through="scored")
    now = claim(store, "curated")
    commit(store, now, lambda one: completed(one, verdict="accept", policy="default@1"))


def waiting(store: DynamoStore) -> None:
    arrive(store, IMAGES)
    carry(store, through="scored")
    now = claim(store, "curated")
    commit(store, now, lambda one: completed(one, verdict="review", policy="default@1"))


CASES: dict[str, tuple[Callable[[DynamoStore], None], Callable[[DynamoStore], None]]] = {
    "register": (nothing, register),
    "relocate": (decided, relocate),
    "depart": (nothing, depart),
    "work": (nothing, work),
    "release": (nothing, release),
    "expire leases": (held, expire_leases),
    "free by record": (held_for_long, free_by_record),
    "reset": (decided, reset),
    "regrade": (decided, regrade),
    "manifest": (decided, manifest),
    "review": (waiting, review),
    "ask again": (waiting, ask_again),
}


@pytest.mark.parametrize("case", CASES)
def test_a_death_at_any_request_changes_nothing_in_the_end(
    aws: MotoServer, shared_table: str, case: str
) -> None:
    expected, writes = _story(shared_table, case, 0)
    assert writes > 0
    for at in _places_to_die(case, writes):
        try:
            ended, _ = _story(shared_table, case, at)
            assert ended == expected
        except AssertionError as error:
            error.add_note(f"SIMULATION_SEED={SEED}, died after write {at} of {writes}")
            raise


def _places_to_die(case: str, writes: int) -> list[int]:
    """Numbers of writes, from 1. Each costs a story: by day two are tried, one of either half; at
    night all."""
    every, rng = range(1, writes + 1), random.Random(f"{SEED} {case}")
    if EXAMPLES >= WIDE:
        return list(every)
    halves = every[: writes // 2], every[writes // 2 :]
    return [rng.choice(half) for half in halves if half]


def _story(url: str, case: str, die_at: int) -> tuple[Any, int]:
    """Where a case ends that dies at a write and is done again, and how many writes it made."""
    before, act = CASES[case]
    empty_table(url)
    store: Any = open_store(url, batch_size=10)
    before(store)
    mortal: Any = open_store(url, batch_size=10)
    mortal.wire.each = lambda work, items: [work(item) for item in items]  # in one order
    requests = Requests(mortal.wire, die_at, after=True)
    with contextlib.suppress(Died):
        act(mortal)
    assert requests.died == bool(die_at)
    mortal.wire.client.close()
    if die_at:
        act(store)
    _check(store)
    ended = _end(store)
    store.close()
    return ended, requests.writes


def _end(store: DynamoStore) -> Any:
    """What a case leads to. How often it was tried shows in attempts, fences and retries."""
    rows = store.rows(store.batches())
    kept = [
        (
            r.key,
            r.version,
            r.object_state,
            str(r.pipeline_status),
            r.batch,
            r.target,
            r.failure_class,
            r.effective_verdict,
            [(one.number, one.action, one.request_id) for one in store.reviews(r.image_id)],
        )
        for r in rows
    ]
    return (
        sorted(kept, key=str),
        [replace(one, in_flight=0) for one in store.counts()],
        store.regrading(),
        store.open_regrades(),
        set(store.stale_manifests()),
        {(r.image_id, stage) for r in rows for stage in store.evidence([r]).get(r.image_id, ())},
    )


def _check(store: DynamoStore) -> None:
    """Histories lead to rows, counters count rows, of each key one version is present."""
    rows = store.rows(store.batches())
    for row in rows:
        if row.lease_owner is None:
            assert rebuild(store.history(row.image_id)) == row
        history = store.reviews(row.image_id)
        assert [one.number for one in history] == list(range(1, row.reviews + 1))
        said = standing(history).columns
        assert {name: getattr(row, name) for name in said} == said
    waits = [row.image_id for row in rows if row.waits_for_person]
    assert {row.image_id for row in store.to_review("acme")} == set(waits)
    assert store.waiting_for_review("acme") == len(waits)
    (counts,) = store.counts()
    assert counts.registered == counts.rows + counts.departed == len(rows)
    assert counts.by_status == Counter(
        str(row.pipeline_status) for row in rows if row.object_state == "present"
    )
    present = Counter(row.key for row in rows if row.object_state == "present")
    assert set(present.values()) <= {1}
    sent = Counter(
        event.image_id for r in rows for event in store.history(r.image_id) if event.kind == "reset"
    )
    assert set(sent.values()) <= {1}, "sent back twice"


def _ids(store: DynamoStore) -> list[str]:
    return [row.image_id for row in store.rows(store.batches())]


def test_a_retry_is_counted_once_though_its_answer_was_lost(aws: MotoServer) -> None:
    with dynamo_table(aws) as url:
        store: Any = open_store(url)
        (image,) = arrive(store, 1)
        claims = claim(store)
        mortal: Any = open_store(url)
        Requests(mortal.wire, 2, after=True)  # the page, and then the rows
        with contextlib.suppress(Died):
            commit(mortal, claims, Retry("away"))
        assert commit(store, claims, Retry("away")).lost == {image}
        assert store.get(image).retries == 1
        mortal.wire.client.close()
        store.close()
