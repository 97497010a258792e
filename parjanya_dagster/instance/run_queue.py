"""Dagster's queue of runs, looked at twice a second (decision 0090).

Its configuration takes whole seconds alone, and a single image waits for the next look.
"""

from __future__ import annotations

from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator

LOOK = 0.5
"""Seconds between two looks. Dagster's daemon waits that long at least."""


class PromptRunCoordinator(QueuedRunCoordinator):
    """The same queue with the same limits."""

    @property
    def dequeue_interval_seconds(self) -> float:  # type: ignore[override]
        return LOOK
