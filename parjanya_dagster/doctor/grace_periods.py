"""How long a state may last before the doctor reports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it imports pydantic
    from parjanya_dagster.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class GracePeriods:
    """Seconds, unless the name says otherwise."""

    pending: float = 120.0  # due, and nobody asked for a run
    held_back: float = 1800.0  # due behind a full queue or after a failed run
    queued: float = 900.0
    starting: float = 0.5  # share of the time that the lane's runs may take to launch
    unplaced: float = 300.0  # a pod without a node; one may have to be started first
    commits: float = 300.0  # started, and no outcome
    idle: float = 300.0  # a run that no row needs
    heartbeat: float = 120.0
    daemon: float = 60.0  # Dagster's daemon gives a sign of life every 30 s
    ticks: float = 45.0  # of sensors, which tick every five seconds
    failed_ticks: int = 3  # in a row
    failed_runs: int = 3  # of one batch, within the hour that failed runs are remembered
    retrying: float = 300.0
    retries: int = 4  # of one row, in a row
    clock_skew: float = 10.0
    landed: float = 120.0  # in its bucket, and without a row
    lately: float = 86_400.0  # failures older than this were seen by somebody
    dormancy: float = 96 * 3600.0  # nobody looks at a queue for so long: a long weekend
    capacity: float = 600.0  # instances were asked for, and none is in service


def grace_periods(settings: Settings) -> GracePeriods:
    return GracePeriods(dormancy=settings.arrivals.longest_dormancy_hours * 3600.0)
