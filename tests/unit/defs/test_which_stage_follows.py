"""Rows are kept only for a stage that the same process is sure to run next."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import AssetKey

from parjanya_dagster.defs.assets import _then
from parjanya_dagster.platform import Platform

ALL = ("validated", "enriched", "scored", "curated")


@pytest.mark.parametrize(
    ("job", "selected", "steps", "follows"),
    [
        ("", (), None, "enriched"),
        ("", ALL, None, "enriched"),
        ("", ("validated", "scored"), None, ""),
        ("", ALL, ["validated"], ""),  # some steps of a run are done again
        ("__ASSET_JOB", ALL, None, ""),  # each step may have a process of its own
    ],
)
def test_the_stage_right_after_in_a_lanes_own_job(
    platform: Platform, job: str, selected: Sequence[str], steps: list[str] | None, follows: str
) -> None:
    run = SimpleNamespace(
        job_name=job or platform.lanes[0].job,
        asset_selection={AssetKey(name) for name in selected} or None,
        step_keys_to_execute=steps,
    )
    context: Any = SimpleNamespace(run=run)
    assert _then(context, platform, "validated") == follows
    assert _then(context, platform, "curated") == ""
