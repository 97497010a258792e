"""examine(): what it reads of a real store and real buckets, and what it says when it cannot."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text as text_

from parjanya_dagster import policy
from parjanya_dagster.belief.snapshot import Seen
from parjanya_dagster.doctor.case import Case
from parjanya_dagster.doctor.examine import Bounds, Examiner
from parjanya_dagster.doctor.facts import Facts
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.errors import BeliefUnreadable, StorageUnavailable, TruthUnavailable
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import Published, Regrade
from parjanya_dagster.truth.outcomes import Claim, Retry, TerminalFailure
from parjanya_dagster.truth.records import DepartureHold
from parjanya_dagster.truth.sql.engine import writing
from tests.support import world
from tests.support.clock import Clock


@dataclass
class NoRuns:
    """A Dagster in which nothing ran yet; `away` makes it unreadable."""

    away: bool = False

    def read(self, now: float) -> Seen:
        if self.away:
            raise BeliefUnreadable("the run storage does not answer")
        return Seen(keys=(), runs=(), failed=())

    def expire(self, run_id: str, reason: str) -> bool:
        raise AssertionError("an examination changes nothing")


def examine(platform: Platform, belief: Any = None, **more: Any) -> Facts:
    return Examiner(
        store=platform.store,
        objects=platform.objects,
        belief=belief or NoRuns(),
        sensors=lambda: (),
        clock=platform.clock,
        rng=random.Random(7),
        **more,
    ).examine()


def codes(platform: Platform, facts: Facts) -> set[str]:
    return {
        one.code
        for one in diagnose(Case(facts=facts, lanes=platform.lanes, limits=platform.limits))
    }


@pytest.fixture
def busy(platform: Platform, clock: Clock) -> Platform:
    """Three images of two tenants, curated, and both loops completed a moment ago."""
    for tenant, name in (("acme", "a.jpg"), ("acme", "b.jpg"), ("bolt", "c.jpg")):
        put(platform, tenant, f"incoming/{name}")
    sweep(platform)
    work(platform)
    clock.pass_by(300)
    sweep(platform)
    for loop in ("reconciler", "arrivals"):
        platform.store.beat(loop, clock(), {})
    return platform


def put(platform: Platform, bucket: str, key: str, data: bytes = b"picture") -> Path:
    path = platform.settings.home / "buckets" / bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def sweep(platform: Platform) -> None:
    platform.sweeper.sweep(platform.clock() + 1e9)


def work(platform: Platform) -> None:
    """Do every stage, with a preview written where validation would write it."""

    def done(claim: Claim) -> Any:
        columns: dict[str, Any] = {}
        if claim.stage == "validated":
            key = f"previews/{claim.image_id}.jpg"
            put(platform, claim.row.tenant, key)
            columns = {"preview_bucket": claim.row.tenant, "preview_key": key}
        if claim.stage == "curated":
            columns = {"verdict": "accept", "policy": "default@2"}
        return world.completed(claim, **columns)

    for stage in ("validated", "enriched", "scored", "curated"):
        claims = world.claim(platform.store, stage, now=platform.clock())
        world.commit(platform.store, claims, done, now=platform.clock())


def test_of_a_healthy_instance_everything_is_read_and_nothing_is_found(busy: Platform) -> None:
    facts = examine(busy)
    assert facts.unread == {}
    assert facts.places_checked == 6  # an object and a preview each
    assert [(one.tenant, one.objects, one.unregistered) for one in facts.buckets] == [
        ("acme", 2, 0),
        ("bolt", 1, 0),
    ]
    assert codes(busy, facts) == set()


def test_an_object_that_lies_there_without_a_row_is_found_once_it_is_late(
    busy: Platform, clock: Clock
) -> None:
    modified = put(busy, "acme", "incoming/new.jpg").stat().st_mtime
    clock.now = modified + 60
    assert sum(one.unregistered for one in examine(busy).buckets) == 0
    clock.now = modified + 600
    assert sum(one.unregistered for one in examine(busy).buckets) == 1


def test_rows_whose_object_left_are_counted_over_the_whole_bucket_where_it_can_be_listed(
    busy: Platform,
) -> None:
    (busy.settings.home / "buckets" / "acme" / "incoming" / "b.jpg").unlink()
    assert [one.absent for one in examine(busy).buckets] == [1, 0]
    assert [one.absent for one in examine(busy, bounds=Bounds(objects=1)).buckets] == [0, 0]
    assert codes(busy, examine(busy)) == {"rows_without_object", "object_missing"}
    busy.sweeper.sweep(busy.clock() + 1e9)  # it records the departure
    assert codes(busy, examine(busy)) == set()


def test_an_object_moved_to_another_bucket_is_found_there(busy: Platform) -> None:
    here = busy.settings.home / "buckets" / "bolt" / "incoming" / "c.jpg"
    here.rename(busy.settings.home / "buckets" / "acme" / "incoming" / "c.jpg")
    (one,) = examine(busy).missing
    assert (one.row.key, one.what, one.found_in) == ("incoming/c.jpg", "object", "acme")


def test_a_preview_that_is_gone_and_one_that_was_never_written_are_missing(busy: Platform) -> None:
    (gone,) = (busy.settings.home / "buckets" / "bolt" / "previews").iterdir()
    gone.unlink()
    row = busy.store.find("incoming/a.jpg", "acme")[0]
    with writing(busy.store.engine) as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql(
            f"UPDATE images SET preview_key = NULL WHERE image_id = '{row.image_id}'"
        )
    missing = examine(busy).missing
    assert {(one.row.key, one.what, one.found_in) for one in missing} == {
        ("incoming/a.jpg", "preview", None),
        ("incoming/c.jpg", "preview", None),
    }


def test_pending_rows_that_no_claim_can_reach_are_counted(busy: Platform, clock: Clock) -> None:
    put(busy, "acme", "incoming/d.jpg")
    sweep(busy)
    assert examine(busy).stranded == {}
    with writing(busy.store.engine) as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE images SET due_at = NULL")
    assert examine(busy).stranded == {"acme": 1}


def test_rows_that_are_retried_come_with_their_last_reason(busy: Platform, clock: Clock) -> None:
    put(busy, "acme", "incoming/d.jpg")
    sweep(busy)
    for reason in ("S3: slow", "S3: away"):
        claims = world.claim(busy.store, now=clock())
        world.commit(busy.store, claims, Retry(reason), now=clock())
        clock.pass_by(1000)
    (one,) = examine(busy).troubled
    assert (one.row.key, one.row.retries, one.reason) == ("incoming/d.jpg", 2, "S3: away")


def test_failures_of_ours_are_told_from_those_of_images_and_grow_old(
    busy: Platform, clock: Clock
) -> None:
    for name in ("d", "e"):
        put(busy, "acme", f"incoming/{name}.jpg")
    sweep(busy)
    classes = iter(("retry_horizon", "undecodable"))
    claims = world.claim(busy.store, now=clock())
    world.commit(busy.store, claims, lambda _: TerminalFailure(next(classes), "x"), now=clock())
    assert [row.failure_class for row in examine(busy).ours] == ["retry_horizon"]
    clock.pass_by(2 * world.DAY)
    assert examine(busy).ours == ()


def test_one_tenant_may_be_looked_at_alone(busy: Platform) -> None:
    put(busy, "acme", "incoming/d.jpg")
    sweep(busy)
    facts = examine(busy, tenant="bolt")
    assert [one.tenant for one in facts.counts] == ["bolt"]
    assert [one.tenant for one in facts.buckets] == ["bolt"]
    assert facts.snapshot is not None
    assert facts.snapshot.due == ()


def test_what_cannot_be_read_is_named_and_never_taken_for_nothing(busy: Platform) -> None:
    facts = examine(busy, NoRuns(away=True))
    assert facts.snapshot is None
    assert facts.unread == {"Dagster's runs and partitions": "the run storage does not answer"}
    assert facts.places_checked == 6


class Away:
    """Whatever is asked of it, it does not answer."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            raise self._error

        return refuse


def test_a_truth_that_is_away_ends_the_examination(busy: Platform) -> None:
    facts = examine(replace(busy, store=Away(TruthUnavailable())))  # type: ignore[arg-type]
    assert list(facts.unread) == ["the heartbeats of Truth"]
    assert facts.loops is None
    assert codes(busy, facts) == set()


def test_buckets_that_do_not_answer_are_named_and_hide_nothing_else(busy: Platform) -> None:
    facts = examine(replace(busy, objects=Away(StorageUnavailable())))  # type: ignore[arg-type]
    assert set(facts.unread) == {
        f"the {what} {tenant}" for what in ("objects of", "bucket") for tenant in ("acme", "bolt")
    }
    assert len(facts.counts) == 2


def test_an_examination_ends_in_time_and_looks_at_no_more_than_it_may(
    busy: Platform, clock: Clock
) -> None:
    class Slow:
        heads = 0

        def head(self, *place: str) -> object:
            Slow.heads += 1
            clock.pass_by(3.0)
            return busy.objects.head(*place)

        def __getattr__(self, name: str) -> Any:
            return getattr(busy.objects, name)

    examine(replace(busy, objects=Slow()), bounds=Bounds(seconds=5.0))  # type: ignore[arg-type]
    assert Slow.heads <= 4
    few: Sequence[Any] = [examine(busy, bounds=Bounds(places=4)).places_checked]
    assert few == [4]


def test_a_bucket_whose_volume_is_away_is_named_with_its_tenant_and_the_cure(
    platform: Platform,
) -> None:
    buckets = platform.settings.home / "buckets"
    platform.objects.put("acme", "incoming/a.jpg", b"x", "image/jpeg")
    platform.sweeper.sweep(platform.clock() + 60)
    (buckets / "acme").rename(buckets.parent / "unmounted")
    (buckets / "acme").mkdir()
    facts = examine(platform)
    (found,) = [
        finding
        for finding in diagnose(Case(facts=facts, lanes=platform.lanes, limits=platform.limits))
        if finding.code == "bucket_not_itself"
    ]
    assert found.evidence["tenant"] == "acme"
    assert "parjanya tenant adopt acme" in found.summary
    assert platform.objects.identity("acme") is None  # an examination changes nothing


def test_a_held_departure_is_told_until_a_person_confirms_it(platform: Platform) -> None:
    hold = DepartureHold(
        tenant="acme", missing=40, present=60, since=platform.clock(), confirmed_at=None
    )
    platform.store.hold_departures(hold)
    assert "departures_held" in codes(platform, examine(platform))
    platform.store.hold_departures(replace(hold, confirmed_at=platform.clock()))
    assert "departures_held" not in codes(platform, examine(platform))


def test_decisions_from_evidence_of_another_policy_are_found(platform: Platform) -> None:
    """What is recorded says piqe alone. The policy that decided names niqe too."""
    from bench.recorded import record
    from tests.unit.regrade.world import decide

    text = policy.builtin()["default@2"].text.replace("version: 2", "version: 9")
    platform.registry.publish(policy.load(text.replace("metrics: [piqe]", "metrics: [piqe, niqe]")))
    record(platform.store, "acme", 3, platform.clock())  # type: ignore[arg-type]
    decide(platform)
    assert not examine(platform, published=platform.registry.get).unfit
    with writing(platform.store.engine) as connection:  # type: ignore[attr-defined]
        connection.execute(text_("UPDATE images SET policy = 'default@9'"))
    facts = examine(platform, published=platform.registry.get)
    assert len(facts.unfit) == 3
    assert "decided_from_other_evidence" in codes(platform, facts)
    assert not examine(platform).unfit  # the metrics do not look


def test_what_holds_up_one_tenant_is_named(platform: Platform, clock: Clock) -> None:
    store = platform.store
    for slug in ("acme", "bolt"):
        platform.sweeper.add_tenant(slug)
    torn = Published(ref="torn@1", hash="0" * 64, document={}, published_at=clock())
    store.publish(torn)
    store.pin("bolt", "vanished@7")
    store.begin_regrade(
        Regrade(
            replay_id="r-1",
            policy="torn@1",
            tenants=("acme",),
            since="",
            until="",
            started_at=clock(),
        )
    )
    store.pin("acme", "default@2")
    store.add_uploads([world.promised("u-1", expires_at=clock() - 90_000, due_at=clock() + 3000)])
    case = Case(facts=examine(platform), lanes=platform.lanes, limits=platform.limits)
    found = {one.code: one for one in diagnose(case)}
    assert found["policy_unusable"].evidence["tenant"] == "bolt"
    assert "vanished@7" in found["policy_unusable"].summary
    assert found["regrade_stuck"].evidence == {
        "tenant": "acme", "policy": "torn@1", "regrade": "r-1",
    }  # fmt: skip
    assert found["uploads_waiting"].evidence == {"tenant": "acme", "uploads": 1}


def test_an_unreadable_folder_hides_nothing_that_lies_beside_it(
    busy: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(busy, "acme", "incoming/late.jpg")
    folder = put(busy, "acme", "incoming/shut/x.jpg").parent
    clock.pass_by(3600)
    scan = os.scandir

    def scandir(path: str) -> Any:
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(path)

    monkeypatch.setattr("os.scandir", scandir)
    facts = examine(busy)
    acme = next(bucket for bucket in facts.buckets if bucket.tenant == "acme")
    assert (acme.objects, acme.absent) == (3, 0)
    assert not facts.unread


def test_what_is_looked_at_is_told_before_it_is_read(
    busy: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who waits sees which part is slow."""
    told: list[str] = []
    counts = busy.store.counts

    def slow(*asked: Any) -> Any:
        assert told[-1] in ("the counts of Truth", "the evidence of decisions")
        told.append("counted")
        return counts(*asked)

    monkeypatch.setattr(busy.store, "counts", slow)
    examine(busy, progress=told.append)
    assert told[0] == "the heartbeats of Truth"
    assert told.index("the counts of Truth") + 1 == told.index("counted")
    assert "buckets" in told
