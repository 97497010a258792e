"""Dagster's loop over sensors, with the real loop and nothing to tick."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from dagster._daemon import sensor

from parjanya_dagster.instance import daemon


class Waits:
    """An event of the end that notes for how long it is waited for, and passes no time."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def wait(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_sensors_are_looked_at_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor, "MIN_INTERVAL_LOOP_TIME", sensor.MIN_INTERVAL_LOOP_TIME)
    monkeypatch.setattr(sensor, "execute_sensor_iteration", lambda *_, **__: iter(()))
    monkeypatch.setattr(sensor, "get_current_timestamp", lambda: 0.0)
    context: Any = None
    waits: Any = Waits()
    daemon.look_often()
    loop = sensor.execute_sensor_iteration_loop(context, logging.getLogger(), waits)
    while not waits.seconds:
        next(loop)
    assert waits.seconds == [daemon.LOOK]
