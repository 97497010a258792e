"""For random policies and evidence: A → B → A is the identity, in any order of partitions."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parjanya_dagster import policy
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.sql import open_store
from tests.support.clock import Clock
from tests.support.examples import examples
from tests.unit.regrade.world import decide, decisions, history, regrade, shuffled

RULES = {
    "small": "{evidence: validated.technical.shorter_side, below: %d}",
    "noisy": "{evidence: validated.technical.noise, above: 0.%03d}",
    "poor": "{evidence: scored.quality, below: %d}",
    "graphic": "{sum_of: [screenshot, banner, poster], at_least: 0.%03d}",
    "unsure": "{evidence: enriched.group_confidence, below: 0.%03d}",
}


@st.composite
def documents(draw: st.DrawFn, name: str) -> policy.Policy:
    """A policy over what is recorded: some of the rules, any thresholds, duplicates or not."""
    chosen = draw(st.lists(st.sampled_from(sorted(RULES)), unique=True))
    lines = [
        f"name: {name}", "version: 1", "description: Drawn.",
        "needs:",
        "  validated: [technical.shorter_side, technical.noise]",
        "  enriched:",
        "    taxonomy: [photo, screenshot, banner, poster]",
        "    fields: [group_confidence]",
        "  scored: {metrics: [piqe]}",
        f"duplicates: {{exact: {draw(st.sampled_from(['reject', 'review', 'ignore']))}}}",
        "rules:" if chosen else "rules: []",
    ]  # fmt: skip
    for rule in chosen:
        verdict = draw(st.sampled_from(["reject", "review"]))
        when = RULES[rule] % draw(st.integers(1, 999))
        lines += [
            f"  - {{id: {rule}, verdict: {verdict}, when: {when}, reason: 'It is {{value}}.'}}"
        ]
    return policy.load("\n".join(lines) + "\n")


@pytest.mark.timeout(300)
@settings(max_examples=examples(12), suppress_health_check=list(HealthCheck))
@given(documents("one"), documents("two"), st.integers(0, 2**16))
def test_there_and_back_is_the_identity_in_any_order(
    empty_truth: Path, first: policy.Policy, second: policy.Policy, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        chosen = Settings(home=Path(folder))
        shutil.copy(empty_truth, Path(folder) / "truth.db")
        store = open_store(chosen.truth_url, batch_size=4)
        place = Platform(chosen, store, FolderObjects(Path(folder) / "buckets", 0.0), clock)
        for one in (first, second):
            place.registry.publish(one)
        history(place, {"acme": 10, "bolt": 5}, "one@1")
        before = decisions(place, "acme", "bolt")
        seen = []
        for order in (None, seed):
            clock.pass_by(60)
            regrade(place, "two@1", "acme", "bolt")
            batches = place.store.batches()
            for batch in batches if order is None else shuffled(batches, seed):
                decide(place, [batch])
            seen.append(decisions(place, "acme", "bolt"))
            clock.pass_by(60)
            regrade(place, "one@1", "bolt", "acme")
            for batch in random.Random(seed).sample(batches, len(batches)):
                decide(place, [batch])
            assert decisions(place, "acme", "bolt") == before
        assert seen[0] == seen[1]
        store.close()
