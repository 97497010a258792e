"""A platform with the stages' work over it."""

from __future__ import annotations

import pytest

from parjanya_dagster.platform import Platform
from tests.support.clock import Clock
from tests.support.stages import House


@pytest.fixture
def house(platform: Platform, clock: Clock) -> House:
    return House(platform, clock)
