"""A regrade decides history again from recorded evidence, and back again gives the old bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from parjanya_dagster import policy
from parjanya_dagster.errors import PolicyInvalid, RegradeInvalid, UnknownTenant
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.platform import Platform
from parjanya_dagster.regrade.advance import Advance, keep_hold, selection, unattended
from parjanya_dagster.regrade.preview import preview
from parjanya_dagster.regrade.report import compare_decided, progress, report
from parjanya_dagster.regrade.rescue import Rescuer
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.models import Evidence, Published
from parjanya_dagster.truth.requests import ClaimRequest, Reset
from parjanya_dagster.truth.reviews import ReviewDecision
from parjanya_dagster.truth.sql import open_store
from tests.support.clock import NOON, Clock
from tests.support.printed import checked
from tests.unit.regrade.world import decide, decisions, history, regrade, rows, shuffled

SHARP = """name: sharp
version: 1
description: Wants a metric that nobody has computed.
needs:
  validated: [technical.shorter_side]
  scored: {metrics: [piqe, musiq]}
rules:
  - id: blurred
    verdict: reject
    when: {evidence: scored.metrics.musiq.value, below: 30}
    reason: Musiq is {value}.
"""


@contextmanager
def a_place(truth: Path, home: Path, clock: Clock) -> Iterator[Platform]:
    """A platform whose batches are small, over a copy of a Truth."""
    settings = Settings(home=home)
    settings.home.mkdir()
    shutil.copy(truth, settings.home / "truth.db")
    store = open_store(settings.truth_url, rules=settings.rules, batch_size=20)
    yield Platform(settings, store, FolderObjects(home / "buckets"), clock)
    store.close()


@pytest.fixture(scope="module")
def decided_truth(empty_truth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tenants of some batches each, decided under default@1."""
    home = tmp_path_factory.mktemp("decided") / "home"
    with a_place(empty_truth, home, Clock()) as place:
        history(place, {"acme": 50, "bolt": 30})
    return home / "truth.db"


@pytest.fixture
def place(decided_truth: Path, tmp_path: Path, clock: Clock) -> Iterator[Platform]:
    with a_place(decided_truth, tmp_path / "home", clock) as place:
        clock.pass_by(60)
        yield place


def test_a_threshold_change_decides_as_a_fresh_run_would(
    place: Platform, tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> None:
    regrade(place, "default@2", "acme", "bolt")
    assert decide(place) == 80
    url = f"sqlite:///{tmp_path_factory.mktemp('fresh') / 'truth.db'}"
    fresh = replace(place, store=open_store(url, batch_size=20, migrating=True))
    clock.pass_by(-60)
    history(fresh, {"acme": 50, "bolt": 30}, "default@2")
    assert decisions(place, "acme", "bolt") == decisions(fresh, "acme", "bolt")
    fresh.store.close()


def test_going_back_gives_the_decision_columns_back_byte_for_byte(
    place: Platform, clock: Clock
) -> None:
    before = decisions(place, "acme", "bolt")
    regrade(place, "default@2", "acme", "bolt")
    decide(place)
    assert decisions(place, "acme", "bolt") != before
    clock.pass_by(60)
    regrade(place, "default@1", "acme", "bolt")
    decide(place)
    assert decisions(place, "acme", "bolt") == before


def test_nothing_outside_the_selection_moves(place: Platform) -> None:
    before = rows(place, "bolt")
    regrade(place, "default@2", "acme")
    decide(place)
    assert rows(place, "bolt") == before
    assert {row.policy for row in rows(place, "acme").values()} == {"default@2"}
    assert {one.slug: one.policy for one in place.store.tenants()} == {
        "acme": "default@2",
        "bolt": "default@1",
    }


def test_days_outside_the_range_stay_and_are_counted_as_out_of_step(place: Platform) -> None:
    before = rows(place, "acme")
    assert regrade(place, "default@2", "acme", since="2030-01-01").replay_id
    assert decide(place) == 0
    assert rows(place, "acme") == before
    assert sum(one.rows for one in place.store.mispinned()) == 50


def test_the_order_of_partitions_does_not_matter(place: Platform, clock: Clock) -> None:
    found = []
    for seed in range(2):
        regrade(place, "default@2", "acme", "bolt")
        for batch in shuffled(place.store.batches(), seed):
            decide(place, [batch])
        found.append(decisions(place, "acme", "bolt"))
        clock.pass_by(60)
        regrade(place, "default@1", "acme", "bolt")
        decide(place)
        clock.pass_by(60)
    assert found[0] == found[1]


def test_an_interrupted_regrade_goes_on_where_it_stopped_and_moves_nothing_twice(
    place: Platform,
) -> None:
    wanted = place.store.begin_regrade(
        selection(place.store, place.registry.get("default@2"), ["acme"], "", "", place.clock())
    )
    advance = Advance(
        store=place.store, published=place.registry.get, clock=place.clock, regrade=wanted
    )
    left = iter([False, True])
    assert not advance.run(stop=lambda: next(left))
    assert place.store.open_regrades() == [wanted]
    decide(place)
    assert advance.run()
    assert place.store.open_regrades() == []
    decide(place)
    for image in rows(place, "acme"):
        kinds = [event.kind for event in place.store.history(image)]
        assert kinds.count("regrade") == 1
    assert advance.run()
    assert decide(place) == 0


def test_asking_again_for_what_is_decided_already_moves_nothing(place: Platform) -> None:
    regrade(place, "default@2", "acme")
    decide(place)
    regrade(place, "default@2", "acme")
    assert decide(place) == 0


def test_a_policy_that_needs_a_new_metric_replays_from_the_stage_that_makes_it(
    place: Platform,
) -> None:
    place.registry.publish(policy.load(SHARP))
    regrade(place, "sharp@1", "acme")
    assert {row.pipeline_status for row in rows(place, "acme").values()} == {"pending_iqa"}


def test_evidence_that_was_recorded_before_is_used_instead_of_a_model(place: Platform) -> None:
    """The current evidence lacks the metric, an older record has it."""
    place.registry.publish(policy.load(SHARP))
    image = next(iter(rows(place, "acme")))
    store = place.store
    store.reset_images([image], Reset(stage="scored", reason="another scorer"), place.clock())
    (held,) = store.claim(
        ClaimRequest(stage="scored", batches=store.batches(), limit=10, owner="w", lease=60.0),
        place.clock(),
    )
    body = {"metrics": {"piqe": {"value": 9.0}, "musiq": {"value": 70.0}}, "quality": 91.0}
    from parjanya_dagster.truth.outcomes import Completed

    made = Evidence(
        image_id=image,
        stage="scored",
        fingerprint="with-musiq",
        body=body,
        engine="other",
        model="musiq",
        revision="1",
        determinism="exact",
        run_id="r",
        created_at=1.0,
    )
    store.commit([(held, Completed(made))], place.clock(), "r")
    decide(place)
    current = rows(place, "acme")[image]
    store.reset_images(
        [image], Reset(stage="scored", reason="the first scorer again"), place.clock()
    )
    (held,) = store.claim(
        ClaimRequest(stage="scored", batches=store.batches(), limit=10, owner="w", lease=60.0),
        place.clock(),
    )
    first = next(e for e in store.all_evidence(image) if e.stage == "scored" and e != made)
    store.commit([(held, Completed(first))], place.clock(), "r")
    decide(place)
    assert rows(place, "acme")[image].evidence["scored"] != current.evidence["scored"]
    regrade(place, "sharp@1", "acme")
    moved = rows(place, "acme")[image]
    assert (moved.pipeline_status, moved.evidence["scored"]) == ("pending_curation", "with-musiq")


def test_going_back_uses_what_the_old_decision_used(place: Platform) -> None:
    """Evidence may have been made anew in between: the old decision rested on the old."""
    before = decisions(place, "acme")
    regrade(place, "default@2", "acme")
    decide(place)
    image = next(iter(rows(place, "acme")))
    store = place.store
    store.reset_images([image], Reset(stage="scored", reason="recalibrated"), place.clock())
    (held,) = store.claim(
        ClaimRequest(stage="scored", batches=store.batches(), limit=10, owner="w", lease=60.0),
        place.clock(),
    )
    from parjanya_dagster.truth.outcomes import Completed

    body = {"metrics": {"piqe": {"value": 99.0}}, "quality": 1.0, "calibration": "other"}
    made = Evidence(
        image_id=image,
        stage="scored",
        fingerprint="anew",
        body=body,
        engine="other",
        model="x",
        revision="1",
        determinism="exact",
        run_id="r",
        created_at=1.0,
    )
    store.commit([(held, Completed(made))], place.clock(), "r")
    decide(place)
    assert "reject" in str(rows(place, "acme")[image].verdict)
    regrade(place, "default@1", "acme")
    decide(place)
    assert decisions(place, "acme") == before


def test_images_under_way_are_decided_under_the_policy_that_was_asked_for(
    place: Platform, clock: Clock
) -> None:
    from bench.recorded import record

    record(place.store, "acme", 55, clock(), policy="default@1")  # type: ignore[arg-type]
    held = place.store.claim(
        ClaimRequest(
            stage="curated", batches=place.store.batches(), limit=1, owner="slow", lease=60.0
        ),
        clock(),
    )
    assert held
    regrade(place, "default@2", "acme")
    assert not place.store.extend(held, 60.0, clock())
    decide(place)
    assert {row.policy for row in rows(place, "acme").values()} == {"default@2"}


def test_the_preview_says_what_happens_and_changes_nothing(place: Platform) -> None:
    before = rows(place, "acme", "bolt")
    wanted = selection(
        place.store, place.registry.get("default@2"), ["acme", "bolt"], "", "", place.clock()
    )
    said = preview(place.store, place.registry.get, wanted, place.clock)
    assert rows(place, "acme", "bolt") == before
    assert place.store.regrades() == []
    assert (said["images"], said["stages"]) == (80, {"curated": 80})
    assert said["replay_from"] == {"curated": 80}
    done = regrade(place, "default@2", "acme", "bolt")
    decide(place)
    found = checked("regrade", json.loads(json.dumps(report(place.store, done))))
    assert found["same_verdict"] == said["same_verdict"]
    assert [(f["before"], f["after"], f["images"]) for f in found["flips"]] == [
        (f["before"], f["after"], f["images"]) for f in said["flips"]
    ]
    assert sum(flip["images"] for flip in said["flips"]) > 0
    for flip in said["flips"]:
        assert flip["examples"][0]["reasons"]
        assert flip["rules"]


def people_decide(place: Platform, tenant: str, count: int) -> list[str]:
    """Ana decides otherwise than the policy on the first images."""
    images = sorted(rows(place, tenant).values(), key=lambda row: row.image_id)[:count]
    for row in images:
        action = "reject" if row.verdict == "accept" else "accept"
        decision = ReviewDecision(
            image_id=row.image_id, who="ana", action=action, request_id=row.image_id
        )
        place.store.review(decision, place.clock(), seen=0)
    return [row.image_id for row in images]


def foreseen(place: Platform, to: str, *tenants: str) -> dict[str, int]:
    wanted = selection(place.store, place.registry.get(to), tenants, "", "", place.clock())
    people: dict[str, int] = preview(place.store, place.registry.get, wanted, place.clock)["people"]
    return people


def test_peoples_verdicts_stand_through_a_regrade_and_its_way_back(place: Platform) -> None:
    images = people_decide(place, "acme", 9)
    before = rows(place, "acme")
    assert foreseen(place, "default@2", "acme") == {"verdicts": 9, "stand": 9, "asked_again": 0}
    for to in ("default@2", "default@1"):
        regrade(place, to, "acme")
        decide(place)
        after = rows(place, "acme")
        assert {row.policy for row in after.values()} == {to}
        assert [after[one].person_verdict for one in images] == [
            before[one].person_verdict for one in images
        ]
        assert {after[one].reviews for one in images} == {1}


def test_a_regrade_to_a_policy_that_asks_again_asks_those_who_decided_under_another(
    place: Platform,
) -> None:
    text = policy.builtin()["default@2"].text
    again = text.replace("name: default", "name: again").replace("version: 2", "version: 1")
    place.registry.publish(policy.load(f"{again}\npeople: ask_again\n"))
    images = people_decide(place, "acme", 9)
    others = people_decide(place, "bolt", 3)
    assert foreseen(place, "again@1", "acme") == {"verdicts": 9, "stand": 0, "asked_again": 9}
    regrade(place, "again@1", "acme")
    assert all(rows(place, "acme")[one].person_verdict for one in images)  # until it is decided
    decide(place)
    after = rows(place, "acme")
    assert {after[one].effective_verdict for one in images} == {"review"}
    assert {one.image_id for one in after.values() if one.lapsed} == set(images)
    assert {row.image_id for row in place.store.to_review("acme")} >= set(images)
    assert all(rows(place, "bolt")[one].person_verdict for one in others)
    first = place.store.get(images[0])
    assert first is not None
    decision = ReviewDecision(image_id=images[0], who="ben", action="accept", request_id="anew")
    place.store.review(decision, place.clock(), seen=2, evidence=first.evidence)
    # Back to where nothing is asked again, and there once more: Ben decided under it.
    regrade(place, "default@1", "acme")
    decide(place)
    assert foreseen(place, "again@1", "acme") == {"verdicts": 1, "stand": 1, "asked_again": 0}
    regrade(place, "again@1", "acme")
    decide(place)
    assert rows(place, "acme")[images[0]].person == "ben"


def test_a_report_leaves_out_what_is_gone(place: Platform) -> None:
    done = regrade(place, "default@2", "acme")
    decide(place)
    gone = list(rows(place, "acme"))[:7]
    place.store.depart(gone, place.clock(), "deleted")
    assert report(place.store, done)["decided_again"] == 50 - 7


def test_the_preview_does_not_guess_what_evidence_would_say(place: Platform) -> None:
    place.registry.publish(policy.load(SHARP))
    wanted = selection(place.store, place.registry.get("sharp@1"), ["acme"], "", "", place.clock())
    said = preview(place.store, place.registry.get, wanted, place.clock)
    assert (said["images"], said["decided_now"], said["flips"]) == (50, 0, [])
    assert said["stages"] == {"scored": 50, "curated": 50}
    assert said["seconds"]["scored"] is None


def test_two_decided_policies_are_compared_over_the_same_images(place: Platform) -> None:
    regrade(place, "default@2", "acme")
    decide(place)
    a, b = place.registry.get("default@1"), place.registry.get("default@2")
    found = compare_decided(place.store, a, b, "acme")
    assert (found.compared, found.only_a, found.only_b) == (50, 0, 0)
    assert sum(flip.images for flip in found.flips) == 50 - found.same_verdict
    assert compare_decided(place.store, a, b, "bolt").only_a == 30


def test_progress_counts_what_is_sent_and_what_waits(place: Platform) -> None:
    wanted = regrade(place, "default@2", "acme")
    assert progress(place.store, wanted) == {
        "partitions": 3, "partitions_sent": 3, "rows_sent": 50, "rows_waiting": 50
    }  # fmt: skip
    decide(place)
    assert progress(place.store, wanted)["rows_waiting"] == 0


def test_a_regrade_that_nobody_attends_to_is_known(place: Platform, clock: Clock) -> None:
    wanted = place.store.begin_regrade(
        selection(place.store, place.registry.get("default@2"), ["acme"], "", "", clock())
    )
    keep_hold(place.store, wanted, clock())
    assert unattended(place.store, clock()) == []
    clock.pass_by(16)
    assert unattended(place.store, clock()) == [wanted]


def test_what_cannot_be_selected_is_named(place: Platform) -> None:
    wanted = place.registry.get("default@2")
    with pytest.raises(UnknownTenant, match="nobody"):
        selection(place.store, wanted, ["nobody"], "", "", 0.0)
    with pytest.raises(RegradeInvalid, match="YYYY-MM-DD"):
        selection(place.store, wanted, ["acme"], "yesterday", "", 0.0)
    with pytest.raises(RegradeInvalid, match="after"):
        selection(place.store, wanted, ["acme"], "2025-02-02", "2025-02-01", 0.0)
    with pytest.raises(RegradeInvalid, match="Name the tenants"):
        selection(place.store, wanted, [], "", "", 0.0)


def test_a_regrade_whose_policy_cannot_be_read_stops_no_other(
    place: Platform, clock: Clock
) -> None:
    store = place.store
    broken = Published(ref="torn@1", hash="0" * 64, document={}, published_at=clock())
    store.publish(broken)
    good = selection(store, place.registry.named("default@2"), ["bolt"], "", "", clock(), "r-2")
    bad = replace(good, policy="torn@1", tenants=("acme",), replay_id="r-1", started_at=NOON)
    for asked in (bad, good):
        store.begin_regrade(asked)
    clock.pass_by(60)
    Rescuer(store, place.registry.get, clock).advance(clock() + 20)
    assert [regrade.replay_id for regrade in store.open_regrades()] == ["r-1"]
    assert decide(place, store.batches("bolt")) == 30


def test_a_former_policy_that_cannot_be_read_does_not_stop_the_regrade_to_a_good_one(
    place: Platform, clock: Clock
) -> None:
    def published(ref: str) -> policy.Policy:
        if ref == "default@1":
            raise PolicyInvalid("default@1 cannot be read")
        return place.registry.get(ref)

    wanted = selection(
        place.store, place.registry.named("default@2"), ["acme"], "", "", place.clock()
    )
    wanted = place.store.begin_regrade(wanted)
    assert Advance(store=place.store, published=published, clock=clock, regrade=wanted).run()
    assert decide(place) == 50
