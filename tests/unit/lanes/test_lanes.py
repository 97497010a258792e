"""What must hold of the lanes of every layout."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from parjanya_dagster.execution.engines import KIND
from parjanya_dagster.lanes import BY_NAME, Lane
from parjanya_dagster.truth.stages import STAGES


@pytest.mark.parametrize("lanes", BY_NAME.values(), ids=BY_NAME.keys())
def test_each_stage_is_one_lanes_own(lanes: Sequence[Lane]) -> None:
    assert [stage for lane in lanes for stage in lane.stages] == list(STAGES)


@pytest.mark.parametrize("lanes", BY_NAME.values(), ids=BY_NAME.keys())
def test_a_stage_with_an_engine_is_done_by_one_lane_alone(lanes: Sequence[Lane]) -> None:
    """Preflights are kept by stage: a node that fails one speaks for its own lane and no other."""
    for stage in KIND:
        assert sum(stage in lane.reach for lane in lanes) == 1
