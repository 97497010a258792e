"""Dagster's daemon, which looks each second for sensors that are to tick. A program of its own.

Dagster's own begins a tick five seconds after the last look at the earliest. What lands just after
a tick has ended would wait for that, a second time at the reconciler (decision 0090). How often a
sensor ticks is still said by its own `minimum_interval_seconds`.
"""

from __future__ import annotations

from dagster._daemon import sensor
from dagster._daemon.cli import main

LOOK = 1.0
"""Seconds between two looks at which sensors are to tick."""


def look_often() -> None:
    """It is a constant of Dagster's module. There is no setting for it."""
    sensor.MIN_INTERVAL_LOOP_TIME = LOOK  # type: ignore[assignment]


if __name__ == "__main__":
    look_often()
    main()
