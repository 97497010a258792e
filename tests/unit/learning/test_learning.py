"""From people's decisions in Truth to a policy that uses what was learned from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from parjanya_dagster import policy as policies
from parjanya_dagster.cli.main import app
from parjanya_dagster.errors import StorageUnavailable, TasteBroken, TasteMissing
from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.learning import keeping
from parjanya_dagster.learning.decisions import learn
from parjanya_dagster.learning.tastes import Tastes
from parjanya_dagster.learning.teaching import uncertainty
from parjanya_dagster.platform import Platform
from parjanya_dagster.policy.document import TasteNeeds
from parjanya_dagster.regrade.advance import selection
from parjanya_dagster.regrade.preview import preview
from parjanya_dagster.review.queue import in_order
from parjanya_dagster.truth.models import ImageRow, Tenant
from parjanya_dagster.truth.outcomes import Claim, Completed, Retry
from parjanya_dagster.truth.reviews import ReviewDecision
from tests.support.clock import Clock
from tests.support.printed import printed
from tests.unit.learning.world import learned
from tests.unit.regrade.world import decide, history, regrade, rows

POLICY = """name: tasteful
version: {version}
description: Keeps what people would accept.
needs:
  taste: {{tenant: acme, version: {taste}, hash: "{hash}"}}
rules:
  - id: not_to_taste
    verdict: reject
    when: {{evidence: taste.accept, below: 0.1, review_from: 0.9}}
    reason: People would accept it with probability {{value}}.
"""


def wants(platform: Platform, row: ImageRow) -> bool:
    bodies = {stage: e.body for stage, e in platform.store.evidence([row])[row.image_id].items()}
    return bool(bodies["scored"]["quality"] > 40 and bodies["validated"]["width"] > 1500)


@pytest.fixture
def place(platform: Platform, clock: Clock) -> Platform:
    """200 decided images of acme, of which people decided 120, and 20 of bolt."""
    history(platform, {"acme": 200, "bolt": 20}, "default@2")
    clock.pass_by(60)
    for row in sorted(rows(platform, "acme").values(), key=lambda row: row.image_id)[:120]:
        platform.store.review(
            ReviewDecision(
                image_id=row.image_id, who="ana", request_id=row.image_id,
                action="accept" if wants(platform, row) else "reject",
            ),
            platform.clock(),
            seen=0,
        )  # fmt: skip
    clock.pass_by(60)
    return platform


@pytest.fixture
def run(place: Platform) -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        home = str(place.settings.home)
        return CliRunner().invoke(app, ["taste", *arguments, "--home", home])

    return run


def named(kept: keeping.Kept) -> TasteNeeds:
    return TasteNeeds(tenant="acme", version=kept.version, hash=kept.taste.hash)


def published(place: Platform, version: int, kept: keeping.Kept) -> policies.Policy:
    text = POLICY.format(version=version, taste=kept.version, hash=kept.taste.hash)
    return place.registry.publish(policies.load(text))


def foreseen(place: Platform, policy: policies.Policy, *tenants: str) -> dict[str, Any]:
    asked = selection(place.store, policy, tenants, "", "", place.clock())
    return preview(place.store, place.registry.get, asked, place.clock, tastes=place.tastes)


def test_a_policy_uses_a_taste_and_only_the_decision_is_made_again(
    place: Platform, run: Callable[..., Result], clock: Clock
) -> None:
    trained = run("train", "-t", "acme", "--json")
    assert trained.exit_code == 0, trained.output
    new = printed("taste train", trained.stdout)
    assert (new["version"], new["new"]) == (1, True)
    assert "acme@1" in run("show", "-t", "acme").stdout
    told = printed("taste show", run("show", "-t", "acme", "--json").stdout)
    assert told["learned_from"]["decisions"] == 120
    assert told["held_out"]["agreement"]["share"] > 0.85
    assert told["review_load"]["expected"] <= told["review_load"]["waiting"]

    kept = place.tastes.newest("acme")
    assert kept is not None
    policy = published(place, 1, kept)
    said = foreseen(place, policy, "acme", "bolt")
    assert said["replay_from"] == {"curated": 220}, "no model is asked"
    regrade(place, policy.ref, "acme", "bolt")
    assert decide(place) == 220
    assert foreseen(place, policy, "acme")["images"] == 0

    acme = rows(place, "acme").values()
    judged = [row for row in acme if row.person_verdict is None and row.verdict != "review"]
    assert len(judged) > 30
    right = sum((row.verdict == "accept") == wants(place, row) for row in judged)
    assert right / len(judged) > 0.9
    evidence = place.store.evidence(judged[:1], ["curated"])[judged[0].image_id]["curated"].body
    assert (evidence["taste"]["version"], evidence["taste"]["hash"]) == (1, kept.taste.hash)
    assert evidence["reasons"][0]["evidence"]["taste.accept"] == evidence["taste"]["accept"]
    assert {row.verdict for row in rows(place, "bolt").values()} == {"review"}, "not bolt's taste"

    clock.pass_by(60)
    again = learn(place.store, place.objects, place.tastes, "acme")
    assert (again.version, again.new) == (1, False), "verdicts of policies teach nothing"
    row = next(row for row in acme if row.person_verdict is None)
    place.store.review(
        ReviewDecision(image_id=row.image_id, who="ben", action="reject", request_id="r"),
        place.clock(),
        seen=0,
    )
    second = learn(place.store, place.objects, place.tastes, "acme")
    assert (second.version, second.new) == (2, True)
    newer = published(place, 2, second)
    assert policies.diff(policy, newer).threshold_only
    assert foreseen(place, newer, "acme")["replay_from"] == {"curated": 200}
    assert len(printed("taste list", run("list", "-t", "acme", "--json").stdout)) == 2
    assert "acme@2" in run("list", "-t", "acme").stdout


def test_a_taste_that_is_not_what_was_named_holds_rows_back_and_decides_nothing(
    place: Platform,
) -> None:
    kept = learn(place.store, place.objects, place.tastes, "acme")
    policy = published(place, 1, kept)
    key = keeping.key_of(1)
    there = place.objects.get("acme", key)
    changed = replace(kept.taste, learned_from={**kept.taste.learned_from, "until": 1})
    assert place.objects.put_over("acme", key, changed.data, "application/json", there.version)
    fresh = replace(place)  # a process that has read nothing yet
    with pytest.raises(TasteBroken, match="is named"):
        fresh.tastes.taste(named(kept))
    with pytest.raises(TasteMissing):
        fresh.tastes.taste(TasteNeeds(tenant="acme", version=7, hash=kept.taste.hash))
    regrade(fresh, policy.ref, "acme")
    decide(fresh)
    waiting = rows(fresh, "acme").values()
    assert {row.pipeline_status for row in waiting} == {"pending_curation"}
    event = fresh.store.history(next(iter(waiting)).image_id)[-1]
    assert "Bring it back from a backup" in event.reason


def test_a_newest_version_that_is_broken_is_followed_by_the_next(platform: Platform) -> None:
    platform.store.put_tenant(Tenant(slug="acme", bucket="acme", prefix="incoming/", policy="x@1"))
    platform.objects.put("acme", keeping.key_of(1), b"{}", "application/json")
    kept = keeping.keep(platform.store, platform.objects, learned())
    assert (kept.version, kept.new) == (2, True)


def test_whatever_a_taste_raises_holds_back_its_own_images_alone(place: Platform) -> None:
    kept = learn(place.store, place.objects, place.tastes, "acme")
    policy = published(place, 1, kept)

    class Broken(Tastes):
        def said(self, *_: Any) -> Any:
            raise TypeError("no number")

    work = Curate(
        place.store,
        lambda tenant: policy if tenant == "acme" else place.policy_of(tenant),
        run_id="r",
        clock=place.clock,
        tastes=Broken(place.store, place.objects),
    )
    found = [*rows(place, "acme").values()][:2] + [*rows(place, "bolt").values()][:2]
    outcomes, _ = work.decide([Claim(row, "curated", "r") for row in found])
    kinds = {claim.row.tenant: type(outcome) for claim, outcome in outcomes}
    assert kinds == {"acme": Retry, "bolt": Completed}


def test_two_who_train_at_once_get_a_version_each(platform: Platform) -> None:
    platform.store.put_tenant(Tenant(slug="acme", bucket="acme", prefix="incoming/", policy="x@1"))
    first, second = learned(), replace(learned(), learned_from={"decisions": 1})
    assert keeping.keep(platform.store, platform.objects, first).version == 1
    seen = iter([[], None])

    class Late:
        """The first look shows no version, though one is there."""

        def __getattr__(self, name: str) -> Any:
            return getattr(platform.objects, name)

        def listing(self, bucket: str, prefix: str) -> Any:
            found = next(seen, None)
            return platform.objects.listing(bucket, prefix) if found is None else iter(found)

    kept = keeping.keep(platform.store, Late(), second)  # type: ignore[arg-type]
    assert (kept.version, kept.new) == (2, True)
    assert keeping.get(platform.objects, "acme", 1).hash == first.hash


def test_the_queue_that_teaches_begins_with_what_the_taste_cannot_tell(place: Platform) -> None:
    waiting = place.store.to_review("acme", 100)
    assert len(waiting) > 10
    without = in_order(place.store, waiting, "teach")
    assert sorted(row.image_id for row in without) == sorted(row.image_id for row in waiting)
    kept = learn(place.store, place.objects, place.tastes, "acme")
    recorded = place.store.evidence(waiting, ("validated", "enriched", "scored"))
    said = place.tastes.opinions(kept.taste, waiting, recorded)
    first, *_ = in_order(place.store, waiting, "teach", place.tastes)
    doubts = {image_id: uncertainty(opinion) for image_id, opinion in said.items()}
    assert doubts[first.image_id] == max(doubts.values())

    class Away(Tastes):
        def newest(self, tenant: str) -> Any:
            raise StorageUnavailable("no disk")

    class VectorsAway(Tastes):
        def opinions(self, *_: Any) -> Any:
            raise StorageUnavailable("no disk")

    for away in (Away(place.store, place.objects), VectorsAway(place.store, place.objects)):
        assert in_order(place.store, waiting, "teach", away) == without, "an order does not fail"
