"""One tick of the sensor of arrivals, as Dagster calls it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dagster import DagsterInstance, SensorResult, build_sensor_context

from parjanya_dagster.defs import resources
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.sensors.arrivals import arrivals
from parjanya_dagster.platform import Platform
from tests.support.clock import Clock


class Looking:
    """The platform of a tick: pausing makes the injected time pass."""

    def __init__(self, platform: Platform, clock: Clock) -> None:
        self._platform = platform
        self.pause = clock.pass_by

    def __getattr__(self, name: str) -> Any:
        return getattr(self._platform, name)


def tick(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch, **cursor: float
) -> SensorResult:
    monkeypatch.setattr(resources, "shared_platform", lambda: Looking(platform, clock))
    with DagsterInstance.ephemeral() as instance:
        context = build_sensor_context(
            instance=instance,
            cursor=json.dumps(cursor) if cursor else None,
            resources={"platform": PlatformResource()},
        )
        found = arrivals(context)
    assert isinstance(found, SensorResult)
    return found
