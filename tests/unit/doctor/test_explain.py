"""Where an image is, in one sentence, for each state that it can be in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from parjanya_dagster.belief.tags import RECONCILER
from parjanya_dagster.doctor.explain import explanation, why
from parjanya_dagster.doctor.find import find_image
from parjanya_dagster.doctor.findings import Boundary
from parjanya_dagster.doctor.status import status_of
from parjanya_dagster.errors import AmbiguousImage, UnknownImage, UnknownTenant
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.holders import LONG
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.outcomes import Retry, TerminalFailure
from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.reviews import ReviewDecision
from tests.support import world
from tests.support.clock import NOON, Clock

ROW = ImageRow(
    image_id="id",
    tenant="acme",
    bucket="acme",
    key="incoming/a.jpg",
    version="v1",
    size=1,
    batch="acme/2025-10-09/001",
    landed_at=NOON,
    arrived_at=NOON,
    updated_at=NOON,
    not_before=NOON,
)
STATES = [
    ({}, "Due for validated since 30 s: waits for a run."),
    ({"pipeline_status": "pending_upload"}, "Its upload has not arrived."),
    (
        {"pipeline_status": "pending_iqa", "lease_owner": "run-1", "lease_until": NOON + 90},
        "In flight: run run-1 works on scored; its lease runs 60 s more.",
    ),
    (
        {"lease_owner": "run-1", "lease_until": NOON + 29},
        "Run run-1 died while it worked on validated; it will be tried again.",
    ),
    (
        {"pipeline_status": "pending_curation", "retries": 3, "not_before": NOON + 75},
        "Waits for curated: failed 3 times for a passing reason, tried again in 45 s.",
    ),
    (
        {"pipeline_status": "curated", "verdict": "review", "policy": "default@2"},
        "Decided: review under default@2.",
    ),
    (
        {
            "pipeline_status": "curated",
            "verdict": "review",
            "policy": "default@2",
            "person_verdict": "accept",
            "person": "ana",
        },
        "Decided: accept by ana (the policy: review under default@2).",
    ),
    (
        {"pipeline_status": "curated", "verdict": "accept", "policy": "again@1", "lapsed": True},
        "A person is asked again, since a verdict lapsed (the policy: accept under again@1).",
    ),
    (
        {"pipeline_status": "failed", "failed_stage": "validated", "failure_reason": "It is cut."},
        "Failed at validated: It is cut.",
    ),
]


@pytest.mark.parametrize(("columns", "sentence"), STATES)
def test_each_state_has_its_sentence(columns: dict[str, object], sentence: str) -> None:
    assert why(replace(ROW, **columns), NOON + 30) == sentence  # type: ignore[arg-type]


def test_an_image_is_found_by_id_by_key_and_by_its_name_below_incoming(platform: Platform) -> None:
    store = platform.store
    store.put_tenant(replace(world.tenant(), prefix="incoming/"))
    one = replace(world.arrival(1), key="incoming/a.jpg")
    store.register([one], NOON)
    for name in (one.image_id, "incoming/a.jpg", "a.jpg"):
        assert find_image(store, name).image_id == one.image_id
        assert find_image(store, name, "acme").image_id == one.image_id
    for name, tenant in (("b.jpg", None), ("a.jpg", "bolt"), (one.image_id, "bolt")):
        with pytest.raises(UnknownImage, match=r"No image"):
            find_image(store, name, tenant)


def test_a_key_that_two_tenants_have_needs_the_tenant(platform: Platform) -> None:
    for slug in ("acme", "bolt"):
        platform.store.put_tenant(world.tenant(slug))
        arrival = replace(world.arrival(1, slug=slug), key="incoming/a.jpg", bucket=slug)
        platform.store.register([arrival], NOON)
    with pytest.raises(AmbiguousImage, match="acme, bolt"):
        find_image(platform.store, "a.jpg")
    assert find_image(platform.store, "a.jpg", "bolt").tenant == "bolt"


def test_of_several_versions_the_newest_is_explained(platform: Platform) -> None:
    platform.store.put_tenant(world.tenant())
    for number, version in enumerate(("v1", "v2", "v3")):
        one = world.arrival("a", version=version, landed_at=NOON + number)
        platform.store.register([one], NOON + number)
    assert find_image(platform.store, "acme/incoming/a.jpg").version == "v3"


def test_everything_known_of_an_image_is_json(platform: Platform, clock: Clock) -> None:
    store = platform.store
    first, second = world.arrive(store, 2)
    outcomes = {first: world.completed, second: lambda _: TerminalFailure("corrupt", "Cut.")}
    store.commit([(c, outcomes[c.image_id](c)) for c in world.claim(store)], NOON, "run-1")
    world.commit(store, world.claim(store, "enriched"), Retry("away"))
    going = explanation(store, world.row(store, first), clock())
    assert going["why"].startswith("Waits for enriched: failed 1 times")
    assert [one["current"] for one in going["evidence"]] == [True]
    assert [event["kind"] for event in going["history"]][-2:] == ["completed", "retry"]
    failed = explanation(store, world.row(store, second), clock())
    assert failed["failure"] == {"class": "corrupt", "reason": "Cut.", "stage": "validated"}
    for found in (going, failed):
        assert json.loads(json.dumps(found, allow_nan=False))["image_id"]


def test_a_row_is_in_nobodys_hands_once_the_record_of_its_process_has_ended(
    platform: Platform, clock: Clock
) -> None:
    """Its own lease runs for half an hour. Where nobody frees it, that is said at once."""
    store = platform.store
    (image,) = world.arrive(store, 1)
    store.note_holder(Holder(owner="run-1~a", until=NOON + 120.0, hand=()))
    world.claim(store, owner="run-1~a", lease=LONG)
    store.beat(RECONCILER, NOON, {})
    alive = explanation(store, world.row(store, image), NOON + 60.0)
    assert "its lease runs 60 s more" in alive["why"]
    clock.pass_by(600.0)
    dead = explanation(store, world.row(store, image), clock())
    assert dead["why"].startswith("Run run-1 died while it worked on validated;")
    assert "the reconciler completed 600 s ago" in dead["why"]
    assert (dead["boundary"], dead["since"]) == (Boundary.BELIEF, NOON)


def test_what_people_decided_is_explained_of_an_image_and_of_its_copies(
    platform: Platform, clock: Clock
) -> None:
    store = platform.store
    image, copy = world.arrive(store, 2)
    world.carry(store, through="scored")
    for one in world.claim(store, "curated"):
        columns = {"verdict": "review", "policy": "default@1", "sha256": "s"}
        world.commit(store, [one], world.completed(one, **columns))
    for action in ("reject", "undo", "accept"):
        made = world.row(store, image).reviews
        decision = ReviewDecision(
            image_id=image, who="ana", action=action, request_id=action, note="look"
        )
        store.review(decision, NOON, seen=made)
    mine = explanation(store, world.row(store, image), clock())
    assert (mine["effective_verdict"], mine["decided_by"]) == ("accept", "person")
    assert mine["person"] == {"verdict": "accept", "who": "ana", "at": NOON}
    assert [one["action"] for one in mine["reviews"]] == ["reject", "undo", "accept"]
    other = explanation(store, world.row(store, copy), clock())
    assert (other["effective_verdict"], other["reviews"]) == ("review", [])
    assert other["copies"] == [
        {"image_id": image, "key": world.row(store, image).key, "person_verdict": "accept"}
    ]
    assert json.loads(json.dumps(mine, allow_nan=False))["image_id"] == image
    (one,) = status_of(store, "acme", clock())["tenants"]
    assert one["verdicts"] == {"accept": 1, "review": 1, "reject": 0}
    assert one["by_policies"]["review"] == 2
    assert one["by_people"] == {"accept": 1, "reject": 0}


def test_the_numbers_of_a_tenant_add_up_while_work_goes_on(
    platform: Platform, clock: Clock
) -> None:
    store = platform.store
    world.arrive(store, 10)
    outcomes = [world.completed, world.completed, lambda _: TerminalFailure("corrupt", "Cut.")]
    claims = world.claim(store, limit=3)
    store.commit([(c, o(c)) for c, o in zip(claims, outcomes, strict=True)], NOON, "run-1")
    world.claim(store, limit=4)
    (one,) = status_of(store, "acme", clock())["tenants"]
    assert one["images"] == 10
    assert one["failed"] == 1
    assert one["curated"] == 0
    assert sum(n for name, n in one["by_status"].items()) == 10
    assert one["law"] == 0
    with pytest.raises(UnknownTenant):
        status_of(store, "nobody", clock())
