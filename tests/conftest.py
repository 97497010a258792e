"""How the suite runs: its fixtures, its tiers, and what it says at the end."""

from __future__ import annotations

import os
import sys

import pytest

# Hundreds of processes are started here. Each would compile our sources for itself, for a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

pytest.register_assert_rewrite("tests.support")
pytest_plugins = [
    "tests.support.examples",
    "tests.support.fixtures",
    "tests.support.simulated",
    "tests.support.tiers",
]
