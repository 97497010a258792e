"""A vision-language model and a learned metric in a real instance, first with a file missing.

The models are tiny and random: what they say is asserted nowhere. That they ran, what the evidence
says of them, and that no image paid for the missing file, is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_ops import LABELS
from parjanya_dagster.truth.stages import STAGES
from tests.support import tiny_models
from tests.support.instance import Instance
from tests.support.iqa_weights import write_weights
from tests.support.pictures import picture

IMAGES = {f"{n}.jpg": picture(n, 240 + 16 * n, 200) for n in range(4)}
LOST = "processor_config.json"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance with images, whose model's folder lacks a file."""
    folder = tmp_path_factory.mktemp("models")
    model = tiny_models.build("qwen2_5_vl", folder / "model")
    (model / LOST).rename(folder / LOST)
    instance = Instance(
        tmp_path_factory.mktemp("engines") / "home",
        engines__enricher="transformers",
        vlm__model=str(model),
        vlm__visual_tokens="64",
        vlm__prompt=tiny_models.BRIEF,
        vlm__prompts=str(tiny_models.write_brief_prompt(folder / "prompts")),
        vlm__answer_mass="0",  # random weights prefer no letter
        engines__device="cpu",
        engines__scorer="pyiqa",
        iqa__weights=str(write_weights(folder / "weights", ("cnniqa",))),
        iqa__metrics="cnniqa",
    )
    incoming = instance.incoming("acme")
    incoming.mkdir(parents=True)
    for name, data in IMAGES.items():
        (incoming / name).write_bytes(data)
    try:
        instance.start()
        yield instance
    finally:
        instance.close()


def doctor(instance: Instance) -> dict[str, str]:
    """Summaries of findings, by code."""
    done = instance.parjanya("doctor", "--json")
    return {one["code"]: one["summary"] for one in json.loads(done.stdout)["findings"]}


def test_it_waits_at_the_model_claims_nothing_and_says_why(instance: Instance) -> None:
    verdicts = instance.platform.store.preflights
    instance.until(lambda: "enriched" in verdicts(), "a preflight has failed")
    found = doctor(instance)["preflight_failed"]
    assert found.startswith(
        "Execution cannot realize Intent: enriched with the engine transformers: processor: "
    )
    rows = instance.rows("acme")
    assert rows.keys() == IMAGES.keys()
    assert {row.pipeline_status for row in rows.values()} == {"pending_vlm_enrichment"}
    assert {row.attempts for row in rows.values()} == {0}
    assert {row.fence for row in rows.values()} == {1}  # claimed once, to be validated
    by_hand = instance.parjanya("preflight", "--json", "--quick")
    assert by_hand.returncode == 1
    report = json.loads(by_hand.stdout)["stages"]
    assert (report["enriched"]["ok"], report["scored"]["ok"]) == (False, True)
    assert "how pictures are prepared" in report["enriched"]["problem"]


def test_it_goes_on_by_itself_once_the_file_is_there(instance: Instance) -> None:
    model = Path(instance.settings.vlm.model)
    (model.parent / LOST).rename(model / LOST)
    instance.until(lambda: instance.settled({"acme": len(IMAGES)}), "every image is terminal")
    instance.until(instance.idle, "every run has ended")
    assert "preflight_failed" not in doctor(instance)
    by_hand = instance.parjanya("preflight")
    assert by_hand.returncode == 0, by_hand.stdout
    assert "one image: gives valid evidence" in by_hand.stdout


def test_the_evidence_says_which_engine_model_revision_and_prompt(instance: Instance) -> None:
    store = instance.platform.store
    for row in instance.rows("acme").values():
        assert row.pipeline_status == "curated", row.failure_reason
        found = store.evidence([row])[row.image_id]
        assert set(found) == set(STAGES)
        enriched, scored = found["enriched"], found["scored"]
        assert (enriched.engine, enriched.determinism) == ("transformers", "numerical")
        assert enriched.model.startswith("model@sha256:")
        assert enriched.revision.startswith("sha256:")
        assert enriched.body["prompt"] == tiny_models.BRIEF
        assert list(enriched.body["probabilities"]) == list(LABELS)
        assert sum(enriched.body["probabilities"].values()) == pytest.approx(1.0, abs=1e-4)
        assert scored.engine == "pyiqa"
        assert set(scored.body["metrics"]) == {"piqe", "cnniqa"}
        assert scored.body["metrics"]["cnniqa"]["weights"].startswith("sha256:")
        assert len(store.all_evidence(row.image_id)) == len(STAGES)  # nothing was done twice
