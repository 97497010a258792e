"""A run that is launched where its lane's nodes are not stops before it touches anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parjanya_dagster.defs.assets import _stop_where_misplaced, _wanted_policy
from parjanya_dagster.errors import WrongJob
from parjanya_dagster.lanes import SPLIT, Lane
from parjanya_dagster.platform import lanes_of
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.stages import STAGES

GPU = Lane("gpu", STAGES[1:], tags={"dagster-k8s/config": {"nodes": "with a GPU"}})


@dataclass
class Place:
    lanes: tuple[Lane, ...]


def stop(job: str, stage: str, *lanes: Lane) -> None:
    context: Any = SimpleNamespace(run=SimpleNamespace(job_name=job))
    place: Any = Place(lanes)
    _stop_where_misplaced(context, place, stage)


def test_an_asset_backfill_of_a_lane_with_nodes_of_its_own_stops_and_says_where_to_go() -> None:
    with pytest.raises(WrongJob, match=r"gpu_lane_job \(Jobs"):
        stop("__ASSET_JOB", "enriched", SPLIT[0], GPU)


def test_the_lane_job_goes_on_and_so_does_a_lane_that_runs_anywhere() -> None:
    stop("gpu_lane_job", "enriched", SPLIT[0], GPU)
    stop("__ASSET_JOB", "validated", SPLIT[0], GPU)


def test_where_runs_go_to_a_cluster_every_lane_has_nodes_of_its_own(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        truth={"url": "postgresql://server/truth"},
        objects={"url": "s3://"},
        lanes={"layout": "split", "launcher": "kubernetes", "gpu": {"gpus": 0}},
    )
    lanes = lanes_of(settings)
    for stage in STAGES:
        with pytest.raises(WrongJob):
            stop("__ASSET_JOB", stage, *lanes)
    stop("gpu_lane_job", "enriched", *lanes)


def test_the_policy_of_the_run_config_is_found_at_whichever_asset_names_it() -> None:
    config = {"ops": {"enriched": {}, "curated": {"config": {"policy": "default@1"}}}}
    assert _wanted_policy(config) == "default@1"
    assert _wanted_policy({}) == ""
