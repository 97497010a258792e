"""Ten images of many kill the process that works on them. The others are done within minutes.

The store, the reconciling loop and its limits are those of production. What is played: Dagster,
which sees a death at once, and a process, which takes 20 s to start and a tenth of a second for
an image. A process dies of a poison before it has committed anything of its claim: the worst case.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from parjanya_dagster.intent.demand import CHARGED
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.transitions import Rules
from tests.simulation.house import House
from tests.simulation.memory import in_memory
from tests.support.simulated import EXAMPLES, SEED, WIDE

IMAGES, CLAIM = (300, 50) if EXAMPLES >= WIDE else (120, 20)
COLD_START, PER_IMAGE = 20.0, 0.1  # seconds
BETWEEN_TICKS, IDLE = 5.0, 30.0  # seconds to the next tick, after one that asked for work or not
MINUTES = 60.0
ATTEMPTS = Rules().max_attempts


def house_with(template: Path, poisons: Sequence[int], images: int = IMAGES) -> House:
    house = House(in_memory(template, 1, batch_size=1000), EMBEDDED, limits=Limits())
    for n in range(images):
        arrival = house.buckets.upload("acme", f"incoming/{n:03}.jpg", house.clock())
        if n in poisons:
            house.poison.add(arrival.image_id)
    house.sweep()
    return house


def one_round(house: House, claim: int = CLAIM) -> None:
    """A tick, and the runs that it asked for until they end or die."""
    emission = house.tick()
    house.dagster.apply(emission)
    while run := house.dagster.launch():
        house.clock.pass_by(COLD_START)
        house.dagster.start(run)
    while alive := [process for process in house.dagster.processes if process.alive]:
        for process in alive:
            house.step(process, size=claim)
            house.clock.pass_by(PER_IMAGE * len(process.claims))
    house.clock.pass_by(BETWEEN_TICKS if emission.asks_for_work else IDLE)


def deaths(house: House) -> int:
    return house.counted["died of poison"]


def left(house: House) -> set[str]:
    return {image for image, status in house._left()} - house.poison


SPREAD = range(7, IMAGES, IMAGES // 10)  # in every claim, and twice in some
TOGETHER = range(2 * CLAIM, 2 * CLAIM + 10)  # ten files of one broken camera
LAST = range(IMAGES - 10, IMAGES)


PLACES = {"spread": SPREAD, "together": TOGETHER, "last": LAST}
TRIED = sorted(PLACES) if EXAMPLES >= WIDE else random.Random(SEED).sample(sorted(PLACES), 1)


@pytest.mark.parametrize("place", TRIED)
def test_poisons_together_hold_up_nobody_for_long(template: Path, place: str) -> None:
    """By day in one of three places; at night in all."""
    poisons = PLACES[place]
    house = house_with(template, poisons)
    began = house.clock()
    while left(house):
        one_round(house)
        assert house.clock() - began < 30 * MINUTES, f"{len(left(house))} innocents still wait"
    claims = -(-IMAGES // CLAIM)
    assert deaths(house) <= claims + 2 * len(poisons)  # some are tried a second time meanwhile
    house.check()
    while house._left():
        one_round(house)
        assert house.clock() - began < 120 * MINUTES
    assert deaths(house) <= claims + len(poisons) * (ATTEMPTS - 1)
    house.check()
    for row in house.seen.values():
        if row.image_id in house.poison:
            assert (row.pipeline_status, row.failure_class) == ("failed", "crashed_repeatedly")
            assert f"{ATTEMPTS} attempts ended with the death" in str(row.failure_reason)
        else:
            assert row.pipeline_status == Status.CURATED


def test_a_machine_that_kills_every_run_does_not_become_a_storm(template: Path) -> None:
    """All are "poisons" then. After a while the deaths come far apart, and no image fails of it."""
    house = house_with(template, range(40), images=40)
    began, hours = house.clock(), 3
    while house.clock() - began < hours * 60 * MINUTES:
        one_round(house, claim=50)
    assert deaths(house) <= hours * (CHARGED + 10)
    assert {row.failure_class for row in house._rows()} == {None}
    house.poison.clear()  # it was repaired
    began = house.clock()
    while house._left():
        one_round(house, claim=50)
        assert house.clock() - began < 60 * MINUTES
    assert {row.pipeline_status for row in house._rows()} == {"curated"}
