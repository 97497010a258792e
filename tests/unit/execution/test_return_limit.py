"""A row is sent back a few times, and then fails in the open instead of going round for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from parjanya_dagster.execution.return_limit import MOST, SENT_BACK_REPEATEDLY
from parjanya_dagster.execution.worker import Pace, work_off
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.outcomes import Claim, Outcome, SendBack
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.store import Store
from tests.support import world
from tests.support.clock import Clock


@dataclass
class Stage:
    """A stage that finds the preview missing, for these images, as often as it looks."""

    stage: str
    load_seconds: ClassVar[float] = 0.0
    without_preview: Sequence[str] = ()
    looked: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        return

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        for claim in claims:
            self.looked.append(claim.image_id)
            gone = claim.image_id in self.without_preview
            missing = SendBack("validated", "its preview is missing")
            yield claim, missing if gone else world.completed(claim)


def rounds(store: Store, clock: Clock, bad: Sequence[str], times: int) -> Stage:
    """Both stages, so many times, as the runs of a lane do."""
    enriched = Stage("enriched", bad)
    for number in range(times):
        for stage in (Stage("validated"), enriched):
            work_off(store, stage, store.batches(), owner=f"run-{number}", pace=Pace(), clock=clock)
    return enriched


def test_what_never_helps_is_given_up_and_said(platform: Platform, clock: Clock) -> None:
    bad, good = world.arrive(platform.store, 2)
    looked = rounds(platform.store, clock, [bad], MOST + 10).looked
    row = world.row(platform.store, bad)
    assert looked.count(bad) == MOST + 1
    assert (row.pipeline_status, row.failure_class) == ("failed", SENT_BACK_REPEATEDLY)
    assert "its preview is missing" in str(row.failure_reason)
    assert row.failed_stage == "enriched"
    assert world.row(platform.store, good).pipeline_status == "pending_iqa"


def test_a_few_times_are_no_failure(platform: Platform, clock: Clock) -> None:
    (image,) = world.arrive(platform.store, 1)
    rounds(platform.store, clock, [image], MOST)
    assert world.row(platform.store, image).pipeline_status == "pending_validation"
    rounds(platform.store, clock, [], 1)
    assert world.row(platform.store, image).pipeline_status == "pending_iqa"


def test_an_operator_who_resets_it_gives_it_as_many_again(platform: Platform, clock: Clock) -> None:
    (image,) = world.arrive(platform.store, 1)
    rounds(platform.store, clock, [image], MOST + 1)
    platform.store.reset_images(
        [image], Reset(stage="validated", reason="the rule was taken away"), clock()
    )
    row: ImageRow = world.row(platform.store, image)
    assert row.failure_class is None
    rounds(platform.store, clock, [image], MOST)
    assert world.row(platform.store, image).pipeline_status == "pending_validation"
