"""Where a replay starts, for what a policy needs and Truth holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from parjanya_dagster.policy import (
    Policy,
    boundary,
    builtin,
    evaluate,
    lacking,
    load,
    provided,
)

Build = Callable[..., dict[str, Any]]
FIRST, SECOND = builtin()["default@1"], builtin()["default@2"]


def needing(needs: str, extra: str = "") -> Policy:
    return load(f"name: n\nversion: 1\ndescription: n\nneeds: {needs}\n{extra}\n")


def test_a_threshold_change_replays_curation_alone(evidence: Build) -> None:
    moved = load(FIRST.text.replace("below: 20,", "below: 25,"))
    assert moved.hash != FIRST.hash
    assert boundary(moved, evidence()) == "curated"


def test_a_policy_that_needs_less_than_there_is_replays_curation_alone(evidence: Build) -> None:
    assert boundary(FIRST, evidence()) == boundary(SECOND, evidence()) == "curated"


@pytest.mark.parametrize("stage", ["validated", "enriched", "scored"])
def test_a_needed_stage_without_evidence_is_where_the_replay_starts(
    evidence: Build, stage: str
) -> None:
    found = evidence()
    found[stage] = None
    assert boundary(SECOND, found) == stage
    del found[stage]
    assert boundary(SECOND, found) == stage


def test_a_stage_that_the_policy_does_not_need_may_be_absent(evidence: Build) -> None:
    found = evidence()
    del found["enriched"]
    assert boundary(FIRST, found) == "curated"


def test_the_earliest_of_several_lacking_stages_wins(evidence: Build) -> None:
    assert boundary(SECOND, {}) == "validated"
    assert boundary(SECOND, {"validated": evidence()["validated"]}) == "enriched"


def test_a_new_metric_replays_scoring_and_a_new_label_replays_enrichment(evidence: Build) -> None:
    assert boundary(needing("{scored: {metrics: [piqe, niqe]}}"), evidence()) == "scored"
    assert boundary(needing("{scored: {metrics: [piqe]}}"), evidence()) == "curated"
    assert boundary(needing("{enriched: {taxonomy: [photo, meme]}}"), evidence()) == "enriched"


def test_another_prompt_replays_enrichment(evidence: Build) -> None:
    asks = needing("{enriched: {taxonomy: [photo], prompt: kinds-of-image-2}}")
    found = evidence()
    assert lacking(asks, "enriched", found["enriched"]) == ("prompt",)
    found["enriched"]["prompt"] = "kinds-of-image-1"
    assert boundary(asks, found) == "enriched"
    found["enriched"]["prompt"] = "kinds-of-image-2"
    assert boundary(asks, found) == "curated"


def test_looking_for_duplicates_needs_hashes(evidence: Build) -> None:
    found = evidence()
    del found["validated"]["likeness"]
    assert boundary(builtin()["default@1"], found) == "curated"
    assert boundary(SECOND, found) == "validated"
    near = needing("{}", "duplicates: {near: {verdict: review, distance: 6}}")
    assert boundary(near, found) == "validated"


def test_what_an_image_does_not_say_is_not_asked_again(evidence: Build) -> None:
    found = evidence()
    assert boundary(needing("{validated: [exif.iso]}"), found) == "curated"
    del found["validated"]["exif"]  # evidence from before EXIF was read at all
    assert boundary(needing("{validated: [exif.iso]}"), found) == "validated"
    assert boundary(needing("{validated: [technical.noise]}"), found) == "validated"
    assert boundary(needing("{enriched: {fields: [caption]}}"), found) == "curated"


def test_what_evidence_provides_stands_for_the_evidence_itself(evidence: Build) -> None:
    index = {stage: provided(body) for stage, body in evidence().items()}
    assert boundary(SECOND, index) == "curated"
    assert boundary(needing("{scored: {metrics: [niqe]}}"), index) == "scored"


def test_a_learned_metric_may_be_read_normalized(evidence: Build) -> None:
    asks = needing(
        "{scored: {metrics: [clipiqa+]}}",
        "rules: [{id: dull, verdict: review, reason: '{value}', "
        "when: {evidence: scored.metrics.clipiqa+.normalized, below: 0.4}}]",
    )
    found = evidence()
    assert boundary(asks, found) == "scored"
    entry = {"value": 0.3, "lower_better": False, "normalized": 0.3, "weights": "sha256:0"}
    found["scored"]["metrics"]["clipiqa+"] = entry
    assert boundary(asks, found) == "curated"
    assert [reason.message for reason in evaluate(asks, found).reasons] == ["0.3"]
