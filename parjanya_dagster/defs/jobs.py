"""A job per lane: its stages in one process, with the resources the lane needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dagster import AssetSelection, define_asset_job, in_process_executor

from parjanya_dagster.defs.partitions import image_batches
from parjanya_dagster.lanes import Lane

LANE_TAG = "parjanya/lane"


def lane_jobs(lanes: Sequence[Lane]) -> list[Any]:
    return [
        define_asset_job(
            lane.job,
            selection=AssetSelection.assets(*lane.reach),
            partitions_def=image_batches,
            executor_def=in_process_executor,
            tags={LANE_TAG: lane.name, **lane.tags},
            description=f"Works off {', '.join(lane.reach)} for a range of batches.",
        )
        for lane in lanes
    ]
