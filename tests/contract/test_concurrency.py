"""Many workers over one Truth, in threads and in processes: nothing twice, nothing missing."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.outcomes import Claim
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.transitions import Rules, rebuild
from tests.support.backends import Backend
from tests.support.processes import at_once
from tests.support.world import LEASE, NOON, arrival, arrive, claim, commit, due_rows, tenant

WORKERS = 4
ROWS = {"sqlite": 200, "postgresql": 200, "dynamodb": 60}  # an emulator in Python is slow
TURNS = {"sqlite": 25, "postgresql": 25, "dynamodb": 8}
LONG = 3600.0


def drain(url: str, owner: str) -> list[str]:
    """A worker process: claims until nothing is due. Returns what it held."""
    store = open_store(url)
    held: list[str] = []
    while store.due(NOON, ["validated"]):
        claims = claim(store, limit=7, owner=owner, lease=LONG)
        held += [one.image_id for one in claims]
        lost = commit(store, claims).lost
        assert not lost
    store.close()
    return held


def together(work: Callable[[int], Any], count: int = WORKERS) -> list[Any]:
    """Run `work(0..count-1)` in threads that start at the same moment."""
    barrier = threading.Barrier(count)

    def start(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


def test_threads_claim_each_row_exactly_once(backend: Backend) -> None:
    stores = [backend.open() for _ in range(WORKERS)]
    ids = arrive(stores[0], ROWS[backend.kind])

    def work(number: int) -> list[str]:
        held: list[str] = []
        while due_rows(stores[number], NOON):
            held += [c.image_id for c in claim(stores[number], limit=7, owner=f"w{number}")]
        return held

    held = [image for each in together(work) for image in each]
    assert Counter(held) == Counter(ids)


def test_processes_claim_and_commit_each_row_exactly_once(backend: Backend) -> None:
    store = backend.open()
    ids = arrive(store, ROWS[backend.kind])
    each = at_once(drain, [(backend.url, f"w{n}") for n in range(WORKERS)])
    held = [image for one in each for image in one]
    assert Counter(held) == Counter(ids)
    assert {len(store.history(image)) for image in ids} == {2}


def test_concurrent_claims_never_take_more_than_their_limit(backend: Backend) -> None:
    stores = [backend.open() for _ in range(WORKERS)]
    arrive(stores[0], 76)
    sizes = together(lambda n: [len(claim(stores[n], limit=3)) for _ in range(6)])
    assert {size for each in sizes for size in each} == {3}


def test_one_of_many_late_workers_wins(backend: Backend) -> None:
    """The same lapsed row is wanted by all; the fence lets one of them commit."""
    at_once = Rules(crash_first=0.0)
    stores = [backend.open(rules=at_once) for _ in range(WORKERS)]
    arrive(stores[0], 1)
    claims = [
        claim(stores[n], owner=f"w{n}", now=NOON + n * LEASE, lease=LEASE)[0]
        for n in range(WORKERS)
    ]
    done = together(lambda n: len(commit(stores[n], [claims[n]]).applied))
    assert done == [0, 0, 0, 1]


def test_one_commit_in_two_places_is_applied_once(backend: Backend) -> None:
    stores = [backend.open() for _ in range(WORKERS)]
    ids = arrive(stores[0], 20)
    claims = claim(stores[0])
    done = together(lambda n: len(commit(stores[n], claims).applied))
    assert sorted(done) == [0, 0, 0, 20]
    assert {len(stores[0].history(image)) for image in ids} == {2}


def test_suspects_are_claimed_alone_by_many_workers(backend: Backend) -> None:
    stores = [backend.open() for _ in range(WORKERS)]
    ids = arrive(stores[0], 12)
    claim(stores[0], owner="dead")
    stores[0].expire_leases(NOON + LEASE)
    claims = together(lambda n: [claim(stores[n], now=NOON + LEASE) for _ in range(6)])
    sizes = Counter(len(one) for each in claims for one in each)
    assert set(sizes) <= {0, 1}
    held = [c.image_id for each in claims for one in each for c in one]
    assert Counter(held) == Counter(ids)


def test_the_same_arrivals_from_many_registrars_make_each_row_once(backend: Backend) -> None:
    stores = [backend.open(batch_size=10) for _ in range(WORKERS)]
    stores[0].put_tenant(tenant())
    arrivals = [arrival(n) for n in range(45)]

    def work(number: int) -> int:
        mine = random.Random(number).sample(arrivals, len(arrivals))
        made = 0
        for start in range(0, len(mine), 6):
            made += sum(r.created for r in stores[number].register(mine[start : start + 6], NOON))
        return made

    assert sum(together(work)) == 45
    sizes = Counter(row.batch for row in stores[0].rows(stores[0].batches()))
    assert sorted(sizes.values()) == [5, 10, 10, 10, 10]
    assert stores[0].counts()[0].registered == 45


def test_a_tenant_that_two_register_at_once_is_one(backend: Backend) -> None:
    stores = [backend.open() for _ in range(WORKERS)]
    weights = together(lambda n: stores[n].put_tenant(tenant(weight=float(n + 1))).weight)
    assert len(set(weights)) == 1
    assert len(stores[0].tenants()) == 1


def test_one_replay_that_many_runs_ask_for_resets_once(backend: Backend) -> None:
    stores = [backend.open() for _ in range(WORKERS)]
    ids = arrive(stores[0], 30)
    batches = stores[0].batches()
    done = together(
        lambda n: stores[n].reset(batches, Reset(stage="validated", reason="backfill"), NOON, "b-1")
    )
    assert sum(done) == 30
    for image in ids:
        assert [event.kind for event in stores[0].history(image)] == ["registered", "reset"]


def test_a_heartbeat_thread_may_extend_while_its_worker_commits(backend: Backend) -> None:
    """Both touch the same rows, in orders of their own: neither may deadlock."""
    worker, heart = backend.open(), backend.open()
    arrive(worker, ROWS[backend.kind])
    claims = claim(worker, lease=LONG)
    shuffled = random.Random(1).sample(claims, len(claims))
    stop = threading.Event()

    def beat(_: int) -> None:
        while not stop.is_set():
            heart.extend(shuffled, LONG, NOON)

    def work(_: int) -> int:
        try:
            slices = [claims[n : n + 20][::-1] for n in range(0, len(claims), 20)]
            return sum(len(commit(worker, some).applied) for some in slices)
        finally:
            stop.set()

    done = together(lambda n: (work if n == 0 else beat)(n), 2)
    assert done[0] == ROWS[backend.kind]


@pytest.mark.timeout(400)
def test_everything_at_once_neither_deadlocks_nor_loses(backend: Backend) -> None:
    """Workers, registrars of new versions, deletions, operators and the reconciler together.

    When all is quiet, every row is in one place, its history leads to it, and the law holds.
    """
    stores = [backend.open(batch_size=20) for _ in range(6)]
    arrive(stores[0], 40)

    def work(number: int) -> None:
        store, rng = stores[number], random.Random(number)
        act: Callable[[Store, random.Random, int], None]
        act = (_work, _work, _overwrite, _delete, _reset, _expire)[number]
        for turn in range(TURNS[backend.kind]):
            act(store, rng, turn)

    together(work, 6)
    store = stores[0]
    store.expire_leases(NOON + 1e6)
    for row in store.rows(store.batches()):
        assert row.lease_owner is None
        assert rebuild(store.history(row.image_id)) == row
    (counts,) = store.counts()
    assert counts.registered == counts.rows + counts.departed
    present = Counter((row.bucket, row.key) for row in store.present("acme"))
    assert set(present.values()) <= {1}


def _work(store: Store, rng: random.Random, turn: int) -> None:
    stage = rng.choice(["validated", "enriched", "scored", "curated"])
    claims: list[Claim] = claim(store, stage, limit=12, now=NOON + turn)
    rng.shuffle(claims)
    store.extend(claims[::2], LEASE, NOON + turn)
    commit(store, claims[: len(claims) * 3 // 4], now=NOON + turn)
    store.release(claims[len(claims) * 7 // 8 :], NOON + turn, "drain", "")


def _overwrite(store: Store, rng: random.Random, turn: int) -> None:
    names = rng.sample(range(40), 8)
    store.register(
        [arrival(n, version=f"v{turn}", landed_at=NOON + 100 + turn) for n in names], NOON + turn
    )


def _delete(store: Store, rng: random.Random, turn: int) -> None:
    rows = store.present("acme")
    gone = [row.image_id for row in rng.sample(rows, min(3, len(rows)))]
    store.depart(gone, NOON + turn, "deleted")


def _reset(store: Store, rng: random.Random, turn: int) -> None:
    batches = store.batches()
    if turn % 5 == 0:
        store.reset(batches, Reset(stage="validated", reason="backfill"), NOON + turn, f"b-{turn}")
    rows = store.rows(batches)
    some = [row.image_id for row in rng.sample(rows, min(15, len(rows)))]
    store.reset_images(
        some, Reset(stage=rng.choice(["validated", "scored"]), reason="operator"), NOON + turn
    )


def _expire(store: Store, rng: random.Random, turn: int) -> None:
    store.expire_leases(NOON + turn + (LEASE if turn % 4 == 0 else 0), limit=10)
    store.stale_manifests()
