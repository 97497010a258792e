"""A manifest that was just written waits before it is written again, where the settings say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.tags import MANIFEST
from parjanya_dagster.embeddings import embeddings_of
from parjanya_dagster.execution import stage_run
from parjanya_dagster.execution.engines import chosen_space
from parjanya_dagster.execution.heartbeat import RunHeartbeat
from parjanya_dagster.execution.stage_run import StageRunner
from parjanya_dagster.execution.vectors import Vectors
from parjanya_dagster.policy import load
from tests.support.clock import Clock
from tests.support.pictures import picture
from tests.support.snapshots import Idle
from tests.support.stages import House

PAUSE = 600.0


@pytest.fixture
def house(house: House) -> House:
    settings = house.platform.settings
    runs = settings.runs.model_copy(update={"manifest_pause": PAUSE})
    house.platform = replace(house.platform, settings=settings.model_copy(update={"runs": runs}))
    land(house, 1)
    return house


def land(house: House, number: int) -> None:
    house.drop(f"{number}.jpg", picture(number))
    house.sweep()
    house.all()


def run(house: House) -> list[bool]:
    """A run over all batches. Returns of each whether its manifest is put off."""
    put_off: list[bool] = []
    lane = house.platform.lanes[0]
    StageRunner.begin(house.platform, lane, run_id="r", ledger_id="l", job=lane.job).run(
        "curated",
        house.platform.store.batches(),
        batch_done=lambda *told: put_off.append(told[3]),
    )
    return put_off


def asked_for(house: House) -> tuple[str, ...]:
    """Batches whose manifests the reconciler would ask to be written."""
    return observe(house.platform.store, Idle(), house.clock()).stale_manifests


def test_the_first_manifest_is_written_at_once_and_the_next_after_the_pause(
    house: House, clock: Clock
) -> None:
    store = house.platform.store
    assert run(house) == [False]
    land(house, 2)
    assert run(house) == [True]
    assert len(store.stale_manifests()) == 1  # Truth goes on to say it
    assert asked_for(house) == ()
    clock.pass_by(PAUSE)
    assert len(asked_for(house)) == 1
    assert run(house) == [False]
    assert store.stale_manifests() == {}


def test_vectors_wait_with_the_manifest_and_are_made_with_it(house: House, clock: Clock) -> None:
    def without_vectors() -> int:
        platform = house.platform
        rows = platform.store.present("acme")
        space = chosen_space(platform.settings)
        return len(embeddings_of(platform.store, platform.objects, space, rows).missing)

    run(house)
    assert without_vectors() == 0
    land(house, 2)
    run(house)
    assert without_vectors() == 1
    clock.pass_by(PAUSE)
    run(house)
    assert without_vectors() == 0


@pytest.mark.parametrize("tasteful", [True, False])
def test_vectors_that_images_are_decided_by_do_not_wait(house: House, tasteful: bool) -> None:
    """The taste would not know an image that has none yet, and a person would be asked."""
    platform = house.platform
    run(house)
    if tasteful:
        needs = f'needs: {{taste: {{tenant: acme, version: 1, hash: "sha256:{64 * "a"}"}}}}'
        text = f"name: tasteful\nversion: 1\ndescription: d\n{needs}\nrules: []\n"
        platform.store.pin("acme", platform.registry.publish(load(text)).ref)
    house.drop("2.jpg", picture(2))
    house.sweep()
    house.validate()
    (batch,) = platform.store.batches()
    vectors = Vectors(resources=platform, run_id="r")
    vectors.follow("enriched", [batch], {batch}, lambda: None)
    assert vectors.made == ({batch} if tasteful else set())


def test_a_note_that_is_lost_means_sooner(house: House) -> None:
    run(house)
    land(house, 2)
    house.platform.store.forget(list(house.platform.store.heartbeats(MANIFEST)))
    assert len(asked_for(house)) == 1
    assert run(house) == [False]


def test_a_note_of_a_clock_that_was_ahead_holds_nothing_up(house: House, clock: Clock) -> None:
    clock.pass_by(86_400)
    run(house)
    clock.pass_by(-86_400)
    land(house, 2)
    assert len(asked_for(house)) == 1
    assert run(house) == [False]


def test_notes_that_are_over_are_cleared_away(house: House, clock: Clock) -> None:
    run(house)
    clock.pass_by(PAUSE)
    house.drop("of another.jpg", picture(3), "bolt")
    house.sweep()
    house.all()
    run(house)
    (left,) = house.platform.store.heartbeats(MANIFEST)
    assert "bolt" in left


def test_each_batch_that_is_finished_is_a_sign_of_life(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run writes hundreds of manifests after its last row, and must not count as hung."""
    signs: list[str] = []
    monkeypatch.setattr(RunHeartbeat, "progress", lambda _: signs.append("sign"))
    monkeypatch.setattr(RunHeartbeat, "finishing", lambda _: signs.append("finishing"))
    assert run(house) == [False]
    # of its vectors, of its manifest, and of leaving
    assert signs[signs.index("finishing") :] == ["finishing", "sign", "sign", "sign"]


def test_what_is_kept_for_the_next_stage_is_in_hand_while_manifests_are_made(house: House) -> None:
    """They are made in native code, too: the thread of the notice hands back what is in hand."""
    house.drop("2.jpg", picture(2))
    house.sweep()
    lane, store = house.platform.lanes[0], house.platform.store
    runner = StageRunner.begin(house.platform, lane, run_id="r", ledger_id="l", job=lane.job)
    told: list[int] = []

    def tell(*_: object) -> None:
        told.append(bool(runner.kept))
        for hand_back in tuple(runner.notice._in_hand):
            hand_back()

    runner.run("validated", store.batches(), then="enriched", batch_done=tell)
    assert told == [True]
    (row,) = store.due_rows(store.batches(), ["enriched"], house.clock(), 10)
    assert (row.lease_owner, row.attempts, row.suspect) == (None, 0, False)


def test_who_is_told_to_end_just_before_hands_back_before_manifests_are_made(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("2.jpg", picture(2))
    house.sweep()
    lane, store = house.platform.lanes[0], house.platform.store
    runner = StageRunner.begin(house.platform, lane, run_id="r", ledger_id="l", job=lane.job)
    monkeypatch.setattr(stage_run, "note_pace", lambda *_: runner.notice._told.set())
    kept: list[bool] = []
    runner.run(
        "validated",
        store.batches(),
        then="enriched",
        batch_done=lambda *_: kept.append(bool(runner.kept)),
    )
    assert kept == [False]
