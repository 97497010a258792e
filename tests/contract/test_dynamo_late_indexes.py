"""DynamoDB's indexes follow late. Who did a stage must see its own work at the next one.

Over moto, with a layer that holds indexes back (`tests/support/aws_manners/replica.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from parjanya_dagster.truth.dynamo import DynamoStore
from parjanya_dagster.truth.outcomes import Retry
from parjanya_dagster.truth.stages import STAGES
from tests.support.aws_manners.chance import Chance
from tests.support.aws_manners.dynamo import DynamoManners
from tests.support.aws_manners.replica import Replica
from tests.support.backends import Backend, dynamo_backend
from tests.support.clock import Clock
from tests.support.servers import MotoServer
from tests.support.world import arrive, claim, commit, row

pytestmark = pytest.mark.server
LATE = 1.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backend(aws: MotoServer) -> Iterator[Backend]:
    with dynamo_backend(aws) as backend:
        yield backend


class Site:
    """Processes over one table whose indexes are late."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self.backend, self.clock = backend, clock
        replica = Replica(clock, lambda: LATE)
        self.manners = DynamoManners(clock, Chance("late", rate=0.0), replica=replica)

    def process(self) -> DynamoStore:
        store: Any = self.backend.open()
        store.recent.clock = self.clock
        self.manners.follow(store.wire.client, store.wire.table)
        return store


@pytest.fixture
def site(backend: Backend, clock: Clock) -> Site:
    return Site(backend, clock)


def arrived(site: Site, count: int) -> list[str]:
    """Images that were registered long enough ago for every index."""
    ids = arrive(site.process(), count, now=site.clock())
    site.clock.pass_by(LATE)
    return ids


def lane(store: DynamoStore, clock: Clock, limit: int) -> None:
    """What a run does: each stage until nothing is to be had, then the next, without a pause."""
    for stage in STAGES:
        while claims := claim(store, stage, limit=limit, now=clock()):
            clock.pass_by(0.01)
            commit(store, claims, now=clock())


@pytest.mark.parametrize(("images", "limit"), [(1, 50), (20, 50), (20, 6)])
def test_one_run_takes_images_through_all_stages(
    site: Site, clock: Clock, images: int, limit: int
) -> None:
    ids = arrived(site, images)
    run = site.process()
    lane(run, clock, limit)
    assert {row(run, image).pipeline_status for image in ids} == {"curated"}


def test_workers_beside_each_other_find_what_is_behind_the_others_rows(
    site: Site, clock: Clock
) -> None:
    arrived(site, 100)
    one, other = site.process(), site.process()
    first = claim(one, limit=40, now=clock())
    second = claim(other, limit=40, now=clock())
    third = claim(one, limit=40, now=clock())
    assert [len(claims) for claims in (first, second, third)] == [40, 40, 20]


def test_a_run_knows_that_its_next_stage_has_something_to_do(site: Site, clock: Clock) -> None:
    """Else its model is not loaded, and the images are left to another run."""
    ids = arrived(site, 2)
    run = site.process()
    commit(run, claim(run, now=clock()), now=clock())
    assert run.due(clock(), ["enriched"]) == []  # by its index alone
    rows = run.due_rows(run.batches(), ["enriched"], clock(), 10)
    assert sorted(one.image_id for one in rows) == sorted(ids)


def test_there_is_something_to_do_behind_what_others_took(site: Site, clock: Clock) -> None:
    """Else the run loads no model, and its rows wait for another."""
    arrived(site, 10)
    one, other = site.process(), site.process()
    taken = {each.image_id for each in claim(one, limit=7, now=clock())}
    (row,) = other.due_rows(other.batches(), ["validated"], clock(), 1)
    assert row.image_id not in taken
    assert len(other.due_rows(other.batches(), ["validated"], clock(), 10)) == 3


def test_a_row_that_waits_is_not_due_before_its_time(site: Site, clock: Clock) -> None:
    arrived(site, 1)
    run = site.process()
    commit(run, claim(run, now=clock()), Retry("busy"), now=clock())
    assert run.due_rows(run.batches(), ["validated"], clock(), 10) == []
    assert claim(run, now=clock()) == []


def test_a_row_that_another_took_meanwhile_is_not_taken(site: Site, clock: Clock) -> None:
    arrived(site, 1)
    run, other = site.process(), site.process()
    commit(run, claim(run, now=clock()), now=clock())
    clock.pass_by(LATE)
    assert len(claim(other, "enriched", now=clock())) == 1
    assert claim(run, "enriched", now=clock()) == []


def test_what_is_in_the_index_by_now_is_forgotten(site: Site, clock: Clock) -> None:
    arrived(site, 2)
    run = site.process()
    commit(run, claim(run, limit=1, now=clock()), now=clock())
    clock.pass_by(60.0)
    commit(run, claim(run, limit=1, now=clock()), now=clock())
    assert len(run.recent) == 1
