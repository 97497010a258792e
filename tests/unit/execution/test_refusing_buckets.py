"""A bucket that takes no manifest keeps its own stale: the run and other tenants go on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from parjanya_dagster.belief import refusing
from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.tags import BLIND
from parjanya_dagster.errors import StorageUnavailable
from parjanya_dagster.execution.stage_run import StageRunner
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.platform import Platform
from tests.support.clock import Clock
from tests.support.pictures import picture
from tests.support.snapshots import Idle
from tests.support.stages import House
from tests.unit.doctor.cases import found


@dataclass
class Refusing:
    """Real buckets, of which one takes nothing for a while."""

    objects: Objects
    refuses: bool = True
    tried: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.objects, name)

    def put_over(self, bucket: str, key: str, data: bytes, content_type: str, version: str) -> bool:
        self.tried.append(f"{bucket}/{key}")
        if self.refuses and bucket == "acme":
            raise StorageUnavailable("s3://acme: AccessDenied")
        return self.objects.put_over(bucket, key, data, content_type, version)


@pytest.fixture
def house(house: House) -> House:
    for tenant in ("acme", "bolt"):
        house.drop("a.jpg", picture(1), tenant)
    house.sweep()
    house.all()
    return house


def run(house: House, objects: Refusing) -> list[str]:
    """A run over all batches. Returns the batches that it finished."""
    resources = replace(house.platform, objects=objects)
    lane = resources.lanes[0]
    finished: list[str] = []
    StageRunner.begin(resources, lane, run_id="r", ledger_id="l", job=lane.job).run(
        "curated",
        resources.store.batches(),
        batch_done=lambda batch, *_: finished.append(batch),
    )
    return finished


def stale(house: House) -> list[str]:
    """The tenants whose manifests the reconciler would ask to be written."""
    seen = observe(house.platform.store, Idle(), house.clock())
    return [batch.partition("/")[0] for batch in seen.stale_manifests]


def test_a_bucket_that_refuses_writes_keeps_only_its_own_manifests_stale(house: House) -> None:
    assert stale(house) == ["acme", "bolt"]
    objects = Refusing(house.platform.objects)
    assert run(house, objects) == house.platform.store.batches()
    left = house.platform.store.stale_manifests()
    assert [batch.partition("/")[0] for batch in left] == ["acme"]


def test_it_is_tried_again_later_and_less_and_less_often(house: House, clock: Clock) -> None:
    objects = Refusing(house.platform.objects)
    waits = []
    for _ in range(8):
        run(house, objects)
        waited = 0
        while not stale(house):
            clock.pass_by(15)
            waited += 15
        waits.append(waited)
    assert waits == [30, 30, 60, 120, 240, 480, 900, 900]
    objects.refuses = False
    run(house, objects)
    assert house.platform.store.stale_manifests() == {}
    assert house.platform.store.heartbeats(BLIND) == {}


def test_a_refusing_bucket_is_asked_once_in_a_run(house: House) -> None:
    objects = Refusing(house.platform.objects)
    run(house, objects)
    house.drop("b.jpg", picture(2))
    house.clock.pass_by(86_400)
    house.sweep()
    house.all()
    assert len(house.platform.store.stale_manifests()) == 2
    objects.tried.clear()
    run(house, objects)
    asked = Counter(place.split("/")[1] for place in objects.tried)
    assert asked == {"curated": 1, "embeddings": 1}


def test_the_doctor_names_the_tenant_and_the_reason(house: House) -> None:
    run(house, Refusing(house.platform.objects))
    (one,) = found(blind=house.platform.store.heartbeats(BLIND))
    assert (one.code, one.evidence["tenant"]) == ("manifests_refused", "acme")
    assert "AccessDenied" in one.summary


def test_a_bucket_that_refused_before_a_clock_was_set_back_is_left_alone_as_long_as_others(
    platform: Platform, clock: Clock
) -> None:
    """Else it would be tried every half minute until the clock is there again, each time by a run
    that has nothing else to do."""
    denied = StorageUnavailable("AccessDenied")
    refusing.note(platform.store, "acme", clock() + 86_400.0, denied)
    for _ in range(2):
        refusing.note(platform.store, "acme", clock(), denied)
        clock.pass_by(300.0)
    refusing.note(platform.store, "acme", clock(), denied)
    notes = platform.store.heartbeats(BLIND)
    assert refusing.waiting(notes, clock() + 590.0) == {"acme"}
    assert refusing.waiting(notes, clock() + 600.0) == frozenset()
