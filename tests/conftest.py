"""How the suite runs: its fixtures, its tiers, and what it says at the end."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.support")
pytest_plugins = ["tests.support.fixtures", "tests.support.simulated", "tests.support.tiers"]

settings.register_profile(
    "parjanya",
    deadline=None,  # the speed of the machine is not what these tests are about
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
settings.load_profile("parjanya")
