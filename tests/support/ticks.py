"""One tick of the sensor of arrivals, as Dagster calls it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from dagster import DagsterInstance, SensorResult, build_sensor_context

from parjanya_dagster.defs import resources
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.sensors.arrivals import arrivals
from parjanya_dagster.platform import Platform
from tests.support.clock import Clock


def tick(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch, **cursor: float
) -> SensorResult:
    monkeypatch.setattr(
        resources, "shared_platform", lambda: replace(platform, pause=clock.pass_by)
    )
    with (
        DagsterInstance.ephemeral() as instance,
        build_sensor_context(
            instance=instance,
            cursor=json.dumps(cursor) if cursor else None,
            resources={"platform": PlatformResource()},
        ) as context,
    ):
        result = arrivals(context)
    assert isinstance(result, SensorResult)
    return result
