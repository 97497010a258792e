"""The counters that are kept are what a count of all rows says, whatever was done to the rows."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from parjanya_dagster.truth.sql import SqlStore, open_store
from parjanya_dagster.truth.sql.engine import reading, writing
from tests.contract.journey import journey
from tests.support.backends import Backend
from tests.support.world import NOON, arrive, carry

KINDS = [
    *("complete", "complete", "complete", "retry", "fail", "back", "reset"),
    *("overwrite", "return", "depart", "expire", "person", "person", "ask again"),
]


@pytest.fixture
def postgres_store(postgres_truth: str) -> Iterator[SqlStore]:
    store = open_store(postgres_truth, batch_size=3)
    yield store
    store.close()


def parts(store: SqlStore) -> int:
    """How many transactions have written counters of their own."""
    with reading(store.engine) as connection:
        query = text("SELECT count(DISTINCT part) FROM tallies WHERE part <> 0")
        return int(connection.scalar(query) or 0)


def wander(store: Any, slug: str, seed: int, steps: int = 15) -> None:
    rng = random.Random(seed)
    journey(store, slug, [(rng.choice(KINDS), rng.randrange(2**16)) for _ in range(steps)])


@pytest.mark.parametrize("seed", range(3))
def test_after_any_journey_they_agree(backend: Backend, seed: int) -> None:
    store = backend.open(batch_size=3)
    for slug in ("acme", "bolt"):
        arrive(store, 5, slug=slug)
    wander(store, "acme", seed)
    assert store.counts() == store.counted()
    store.fold_counts()
    wander(store, "bolt", seed + 100)
    assert store.counts() == store.counted()
    assert store.counts("bolt") == store.counted("bolt")


def test_a_row_that_somebody_deletes_breaks_the_law(sql_backend: Backend) -> None:
    """The counters go with the rows, so it shows that one is missing."""
    store = sql_backend.open()
    assert isinstance(store, SqlStore)
    (lost, *_) = arrive(store, 3)
    with writing(store.engine) as connection:
        connection.execute(text("DELETE FROM images WHERE image_id = :lost"), {"lost": lost})
    (counts,) = store.counts()
    assert counts.registered == counts.rows + counts.departed + 1
    assert store.counts() == store.counted()


def test_counters_that_somebody_spoilt_are_told_and_rebuilt(sql_backend: Backend) -> None:
    store = sql_backend.open()
    assert isinstance(store, SqlStore)
    arrive(store, 3)
    with writing(store.engine) as connection:
        connection.execute(text("UPDATE tallies SET n = n + 7"))
    assert store.counts() != store.counted()
    assert store.rebuild_counts()
    assert store.counts() == store.counted()
    carry(store)
    assert store.counts() == store.counted()


def test_transactions_do_not_wait_for_each_others_counters(postgres_store: SqlStore) -> None:
    store = postgres_store
    first, second = arrive(store, 2)
    move = text("UPDATE images SET pipeline_status = 'pending_iqa' WHERE image_id = :image_id")
    with store.engine.connect() as one, store.engine.connect() as other:
        for connection, image_id in ((one, first), (other, second)):
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            connection.execute(move, {"image_id": image_id})  # none of them is committed yet
        other.commit()
        store.fold_counts()
        one.commit()
    assert store.counts() == store.counted()


def test_what_is_moved_while_they_are_folded_and_rebuilt_is_counted_once(
    postgres_store: SqlStore,
) -> None:
    store = postgres_store
    arrive(store, 40)
    done = threading.Event()
    failed: list[BaseException] = []

    def fold() -> None:
        try:
            while not done.is_set():
                store.fold_counts()
        except BaseException as error:
            failed.append(error)

    folding = threading.Thread(target=fold)
    folding.start()
    try:
        for seed in range(4):
            wander(store, "acme", seed, steps=5)
            store.rebuild_counts()
    finally:
        done.set()
        folding.join()
    assert not failed
    assert store.counts() == store.counted()
    store.fold_counts()
    assert parts(store) == 0
    assert store.counts() == store.counted()


def test_folding_makes_many_parts_one(postgres_store: SqlStore) -> None:
    store = postgres_store
    arrive(store, 4)
    carry(store, now=NOON)
    assert parts(store) > 3
    kept = store.counts()
    store.fold_counts()
    assert parts(store) == 0
    assert store.counts() == kept == store.counted()
