"""What is recorded is never asked of a model again, and its model is not loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from parjanya_dagster.execution.stages.infer import Enrich, Score
from parjanya_dagster.truth.requests import Reset
from tests.support.clock import Clock
from tests.support.pictures import picture
from tests.support.stages import Engine, House


class Unloadable(Engine):
    """A model that must not be needed."""

    def warm(self) -> None:
        raise AssertionError("the model was loaded")

    def _answer(self, images: Sequence[Any], body: dict[str, Any]) -> list[dict[str, Any]]:
        raise AssertionError("the model was asked")


@pytest.fixture
def curated(house: House) -> House:
    for n in range(3):
        house.drop(f"{n}.jpg", picture(n))
    house.sweep()
    house.all()
    return house


def test_a_replay_takes_what_is_recorded_under_the_same_fingerprint(curated: House) -> None:
    store = curated.platform.store
    before = {name: curated.row(name) for name in ("0.jpg", "1.jpg", "2.jpg")}
    store.reset(
        store.batches(), Reset(stage="enriched", reason="replay"), curated.clock(), "replay-1"
    )
    assert curated.infer(Enrich, Unloadable()).rows == 3
    assert curated.infer(Score, Unloadable()).rows == 3
    curated.curate()
    for name, row in before.items():
        assert curated.row(name).evidence == row.evidence
        assert len(store.all_evidence(row.image_id)) == 4


def test_another_engine_is_asked_and_both_answers_stay(curated: House) -> None:
    from gpu_ops import Identity

    other = Engine()
    other.identity = Identity("test", "none", "2", "", "exact")  # type: ignore[misc]
    store = curated.platform.store
    store.reset(
        store.batches(), Reset(stage="enriched", reason="replay"), curated.clock(), "replay-1"
    )
    curated.infer(Enrich, other)
    assert sum(other.asked) == 3
    found = store.all_evidence(curated.row("0.jpg").image_id)
    assert {one.revision for one in found if one.stage == "enriched"} == {"1", "2"}


def test_the_same_bytes_in_a_tenant_are_looked_at_once(curated: House, clock: Clock) -> None:
    curated.drop("again.jpg", picture(1))
    curated.drop("again.jpg", picture(1), "bolt")
    curated.sweep()
    curated.validate()
    engine = Engine()
    curated.infer(Enrich, engine)
    assert engine.asked == [1], "only the other tenant's image is looked at"
    curated.infer(Score, Engine())
    curated.curate()
    store = curated.platform.store
    again, first = curated.row("again.jpg"), curated.row("1.jpg")
    mine, theirs = (store.evidence([row])[row.image_id]["enriched"] for row in (again, first))
    assert mine.body == theirs.body
    assert mine.fingerprint != theirs.fingerprint


def test_a_model_that_cannot_be_loaded_costs_no_image_an_attempt(house: House) -> None:
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.validate()

    class Missing(Engine):
        def warm(self) -> None:
            raise FileNotFoundError("weights")

    with pytest.raises(FileNotFoundError):
        house.infer(Enrich, Missing())
    row = house.row("a.jpg")
    assert (row.pipeline_status, row.attempts) == ("pending_vlm_enrichment", 0)
