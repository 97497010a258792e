"""The key is right, the bucket is another one; and a RAW whose preview is missing."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from parjanya_dagster.doctor.case import Case
from parjanya_dagster.doctor.examine import Examiner
from parjanya_dagster.doctor.findings import Finding
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.execution.stages.infer import Enrich
from parjanya_dagster.execution.stages.validate import Validate
from parjanya_dagster.execution.worker import Pace, StageWork, work_off
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import ImageRow
from tests.simulation.dagster_model import DagsterModel
from tests.support.clock import Clock
from tests.support.pictures import picture
from tests.support.raw import dng

KEY = "incoming/a.jpg"
PICTURES = {"acme": picture(1), "bolt": picture(2)}


class Engine:
    """Says how large what it sees is: enough to know whose picture it was."""

    identity = SimpleNamespace(
        engine="test", model="none", revision="1", determinism="bitwise", as_dict=dict
    )

    def warm(self) -> None: ...

    def describe(self, images: Sequence[Any], hints: Sequence[Any]) -> list[dict[str, int]]:
        return [{"width": image.shape[1]} for image in images]


@pytest.fixture
def place(platform: Platform) -> Platform:
    """Two tenants with a picture each under the same key."""
    for tenant, data in PICTURES.items():
        platform.objects.put(tenant, KEY, data, "image/jpeg")
    return platform


def sweep(place: Platform) -> None:
    place.sweeper.sweep(place.clock() + 1e9)


def work(place: Platform, stage: str) -> None:
    options: dict[str, Any] = {"run_id": "run-1", "clock": place.clock}
    doing: StageWork = Validate(place.objects, **options)
    if stage == "enriched":
        previews = Previews(place.objects)
        doing = Enrich(Engine(), previews, place.store, **options)  # type: ignore[arg-type]
    pace = Pace(rows=50, seconds=5.0, lease=60.0)
    batches = place.store.batches()
    work_off(place.store, doing, batches, owner="run-1", pace=pace, clock=place.clock)


def row(place: Platform, tenant: str, key: str = KEY) -> ImageRow:
    return place.store.find(key, tenant)[0]


def ask_doctor(place: Platform) -> dict[str, Finding]:
    belief = DagsterModel(place.clock)
    examiner = Examiner(
        store=place.store,
        objects=place.objects,
        belief=belief,
        sensors=lambda: (),
        clock=place.clock,
        rng=random.Random(1),
    )
    facts = replace(examiner.examine(), loops={})
    return {
        one.code: one for one in diagnose(Case(facts=facts, lanes=place.lanes, limits=place.limits))
    }


def test_work_reads_the_place_from_truth_when_it_is_done(place: Platform) -> None:
    sweep(place)
    work(place, "validated")
    sizes = {tenant: row(place, tenant).size for tenant in PICTURES}
    assert sizes == {tenant: len(data) for tenant, data in PICTURES.items()}
    assert row(place, "acme").sha256 != row(place, "bolt").sha256
    assert row(place, "bolt").preview_bucket == "bolt"


def test_an_object_in_the_wrong_bucket_is_named_with_the_right_one(
    place: Platform,
    clock: Clock,
) -> None:
    sweep(place)
    home = place.settings.home / "buckets"
    away = home / "elsewhere" / KEY
    away.parent.mkdir(parents=True)
    (home / "bolt" / KEY).rename(away)
    work(place, "validated")
    lost = row(place, "bolt")
    assert (lost.pipeline_status, lost.retries) == ("pending_validation", 1)  # a suspicion
    found = ask_doctor(place)
    assert found["object_elsewhere"].evidence["found_in"] == "elsewhere"
    assert found["object_elsewhere"].evidence["bucket"] == "bolt"
    away.rename(home / "bolt" / KEY)  # what the finding says to do
    clock.pass_by(3600)
    sweep(place)  # what was moved away and back is read once, and is the same image
    work(place, "validated")
    assert row(place, "bolt").pipeline_status == "pending_vlm_enrichment"


def test_a_raw_whose_preview_is_missing_goes_back_and_gets_one(place: Platform) -> None:
    raw = dng(Image.open(io.BytesIO(PICTURES["acme"])).convert("RGB"))
    place.objects.put("acme", "incoming/raw.dng", raw, "image/x-adobe-dng")
    sweep(place)
    work(place, "validated")
    one = row(place, "acme", "incoming/raw.dng")
    preview = place.settings.home / "buckets" / "acme" / Path(str(one.preview_key))
    before = preview.read_bytes()
    preview.unlink()
    assert ask_doctor(place)["preview_missing"].evidence["image"] == one.image_id
    work(place, "enriched")
    back = row(place, "acme", "incoming/raw.dng")
    assert back.pipeline_status == "pending_validation"
    assert place.store.history(back.image_id)[-1].reason == "its preview is missing"
    work(place, "validated")
    assert preview.read_bytes() == before
    work(place, "enriched")
    assert row(place, "acme", "incoming/raw.dng").pipeline_status == "pending_iqa"
    assert "preview_missing" not in ask_doctor(place)
