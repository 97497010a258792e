"""A regrade that asks people again, and its way back, whatever dies in between."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.truth.models import ImageRow
from tests.simulation.house import House
from tests.simulation.memory import in_memory
from tests.simulation.mortal import Died
from tests.support.simulated import SEED

IMAGES = 3


def rows(house: House) -> list[ImageRow]:
    return sorted(house.store.rows(house.store.batches()), key=lambda row: row.key)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_people_are_asked_again_once_and_stand_on_the_way_back(
    template: Path, at: int, after: bool
) -> None:
    house = House(in_memory(template, SEED), EMBEDDED)
    for n in range(IMAGES):
        house.buckets.upload("acme", f"incoming/{n}.jpg", house.clock())
    house.settle()
    first, second, _ = rows(house)
    for row, action in ((first, "accept"), (second, "reject")):
        assert house.people.press(house.store, house.store, row, "ana", action, house.clock())
    with contextlib.suppress(Died):
        house.regrade("acme", "again@1", store=house.mortal(at, after=after))
    house.regrade("acme", "again@1")
    house.settle()
    asked = rows(house)
    assert [row.lapsed for row in asked] == [True, True, False]
    assert [row.effective_verdict for row in asked] == ["review", "review", "accept"]
    assert house.people.lapses(house.store) == 2
    mortal = house.mortal(1, after=after)
    with contextlib.suppress(Died):
        house.people.press(mortal, house.store, asked[0], "ben", "reject", house.clock())
    house.people.press_again(house.store, house.store, 2, house.clock())
    for policy in ("default@1", "again@1"):
        house.regrade("acme", policy)
        house.settle()
        now = rows(house)
        assert {row.policy for row in now} == {policy}
        assert (now[0].person, now[0].effective_verdict) == ("ben", "reject")
        assert now[1].effective_verdict == "review"
    assert house.people.lapses(house.store) == 2
    house.store.close()
