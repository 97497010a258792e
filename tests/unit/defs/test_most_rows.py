"""How many rows a run takes at a stage. What only goes along has a bound, whoever asked for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from parjanya_dagster.belief.tags import ALONG_TAG, LIGHT_TAG
from parjanya_dagster.defs.assets import _most_rows
from parjanya_dagster.intent.along import FEW
from parjanya_dagster.lanes import SPLIT

CPU, GPU = (lane.job for lane in SPLIT)


@pytest.mark.parametrize(
    ("job", "stage", "tags", "most"),
    [
        (CPU, "validated", {}, 0),
        (GPU, "enriched", {ALONG_TAG: "150"}, 0),
        (GPU, "enriched", {ALONG_TAG: "150", LIGHT_TAG: "30"}, 30),
        (GPU, "validated", {ALONG_TAG: "150"}, 150),
        (GPU, "validated", {ALONG_TAG: "150", LIGHT_TAG: "30"}, 30),
        (GPU, "validated", {}, FEW),  # somebody launched the whole job
        (GPU, "validated", {ALONG_TAG: "many"}, FEW),
    ],
)
def test_rows_that_a_run_takes_at_a_stage(
    job: str, stage: str, tags: dict[str, str], most: int
) -> None:
    context: Any = SimpleNamespace(run=SimpleNamespace(job_name=job, tags=tags))
    platform: Any = SimpleNamespace(lanes=SPLIT)
    assert _most_rows(context, platform, stage) == most
