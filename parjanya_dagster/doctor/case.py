"""What rules judge: facts, and the limits to judge them by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from parjanya_dagster.belief.tags import RECONCILER
from parjanya_dagster.doctor.facts import Facts
from parjanya_dagster.doctor.findings import Finding
from parjanya_dagster.doctor.grace_periods import GracePeriods
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.lanes import Lane

ARRIVALS = "arrivals"
SENSOR_OF = {RECONCILER: "pending_rows", ARRIVALS: "arrivals"}
"""Heartbeat of a loop -> the sensor that runs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Facts, and what to judge them by."""

    facts: Facts
    lanes: Sequence[Lane]
    limits: Limits
    grace: GracePeriods = field(default_factory=GracePeriods)


Rule = Callable[[Case], Iterator[Finding]]
