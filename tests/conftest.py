"""How the suite runs: its fixtures, its tiers, and what it says at the end."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.support")
pytest_plugins = [
    "tests.support.examples",
    "tests.support.fixtures",
    "tests.support.simulated",
    "tests.support.tiers",
]
