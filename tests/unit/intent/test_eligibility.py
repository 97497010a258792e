"""Before a costly run is asked for, what its rows need is looked for where Truth says it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from parjanya_dagster.errors import StorageUnavailable
from parjanya_dagster.intent.eligibility import FRESH
from parjanya_dagster.intent.plan import Request
from parjanya_dagster.lanes import SPLIT, Lane
from parjanya_dagster.objects.store import ObjectInfo
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.requests import Reset
from tests.support import world
from tests.support.clock import Clock

CPU, GPU = SPLIT


@pytest.fixture
def place(fresh: Platform, clock: Clock) -> Platform:
    """The same a while later: previews may have gone."""
    clock.pass_by(FRESH)
    return fresh


@pytest.fixture
def fresh(platform: Platform) -> Platform:
    """Three images that are just validated: their previews lie where their rows say."""
    for name in ("a", "b", "c"):
        platform.objects.put("acme", f"incoming/{name}.jpg", b"x", "image/jpeg")
    platform.sweeper.sweep(platform.clock() + 1e9)
    claims = world.claim(platform.store, now=platform.clock())
    for claim in claims:
        platform.objects.put("acme", f"previews/{claim.image_id}.jpg", b"p", "image/jpeg")
        outcome = world.completed(
            claim, preview_bucket="acme", preview_key=f"previews/{claim.image_id}.jpg"
        )
        world.commit(platform.store, [claim], outcome, now=platform.clock())
    return platform


def request(place: Platform, lane: Lane = GPU) -> Request:
    return Request(
        lane=lane, stages=lane.stages, keys=tuple(place.store.batches()), rows=3, run_key="key"
    )


def rows(place: Platform) -> list[ImageRow]:
    return sorted(place.store.present("acme", "", 100), key=lambda row: row.key)


def path(place: Platform, key: str) -> Path:
    return place.settings.home / "buckets" / "acme" / key


def statuses(place: Platform) -> list[str]:
    return [row.pipeline_status for row in rows(place)]


def test_rows_that_have_everything_are_left_as_they_are(place: Platform) -> None:
    before = rows(place)
    assert place.eligibility.check(request(place))
    assert rows(place) == before


def test_a_row_without_its_preview_is_validated_again_and_the_others_go_on(place: Platform) -> None:
    path(place, rows(place)[0].preview_key or "").unlink()
    assert place.eligibility.check(request(place))
    assert statuses(place) == ["pending_validation"] + ["pending_vlm_enrichment"] * 2


def test_where_no_row_has_what_it_needs_nothing_is_asked_for(place: Platform) -> None:
    for row in rows(place):
        path(place, row.preview_key or "").unlink()
    assert not place.eligibility.check(request(place))
    assert statuses(place) == ["pending_validation"] * 3


def test_an_object_that_is_gone_waits_for_the_sweep_that_says_so(place: Platform) -> None:
    for row in rows(place):
        place.store.reset_images(
            [row.image_id], Reset(stage="validated", reason="again"), place.clock()
        )
    path(place, "incoming/a.jpg").unlink()
    assert place.eligibility.check(request(place, CPU))
    assert len(rows(place)) == 3


def test_only_what_is_due_is_read(place: Platform) -> None:
    """A batch may hold years of history beside the one row that is due."""

    class Reading:
        def __getattr__(self, name: str) -> object:
            assert name != "rows", "the rows of the whole batch are read"
            return getattr(place.store, name)

    due = replace(place.eligibility, store=Reading())  # type: ignore[arg-type]
    assert due.check(request(place))


def test_what_cannot_be_read_is_taken_for_there(place: Platform) -> None:
    class Away:
        def head(self, bucket: str, key: str) -> ObjectInfo:
            raise StorageUnavailable

    before = rows(place)
    eligibility = replace(place.eligibility, objects=Away())  # type: ignore[arg-type]
    assert eligibility.check(request(place))
    assert rows(place) == before


def test_what_was_just_validated_is_not_looked_for(fresh: Platform) -> None:
    class Paid:
        def head(self, bucket: str, key: str) -> ObjectInfo:
            raise AssertionError("a look at the bucket is paid for")

    assert replace(fresh.eligibility, objects=Paid()).check(request(fresh))  # type: ignore[arg-type]


def test_no_more_is_looked_at_than_is_allowed(place: Platform) -> None:
    for row in rows(place):
        path(place, row.preview_key or "").unlink()
    bounded = replace(place.eligibility, most=1)
    assert bounded.check(request(place))  # the others are not known
    assert statuses(place).count("pending_validation") == 1


def test_where_previews_go_as_they_come_the_work_decides_in_the_end(place: Platform) -> None:
    again = 0
    for row in rows(place):
        path(place, row.preview_key or "").unlink()
    while not place.eligibility.check(request(place)):
        again += 1
        assert again < 10
        for claim in world.claim(place.store, now=place.clock()):
            outcome = world.completed(claim, preview_bucket="acme", preview_key="previews/gone.jpg")
            world.commit(place.store, [claim], outcome, now=place.clock())
    assert again == 3
    assert set(statuses(place)) == {"pending_vlm_enrichment"}
