"""How often each stage commits, and how much it claims at once."""

from __future__ import annotations

from dataclasses import replace

from parjanya_dagster.execution.resources import StageResources
from parjanya_dagster.execution.worker import Pace
from parjanya_dagster.truth.stages import STAGES

DECIDED_AT_ONCE = 500  # rows
BEHIND_A_GPU = {"transformers", "openai"}  # enrichers
INTERVALS_PER_CLAIM = 6


def pace_of(resources: StageResources, stage: str) -> Pace:
    """Deciding takes half a millisecond: commits of fifty rows would cost more than that.

    Where a GPU is behind the stage, a claim lasts several commits, so that it seldom runs dry.
    """
    pace = resources.pace
    if stage == STAGES[-1]:
        return replace(pace, rows=max(pace.rows, DECIDED_AT_ONCE))
    if stage == "enriched" and resources.settings.engines.enricher in BEHIND_A_GPU:
        return replace(pace, intervals=INTERVALS_PER_CLAIM)
    return pace
