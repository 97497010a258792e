"""How the suite runs: its fixtures, its tiers, and what it says at the end."""

from __future__ import annotations

import os
import signal
import sys

import pytest

# Hundreds of processes are started here. Each would compile our sources for itself, for a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell without job control starts what runs in its background with interrupts ignored, and what
# we start would inherit it: `dagster dev` would not end when a test asks it to.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite("tests.support")
pytest_plugins = [
    "tests.support.thrift",  # first: it sees to how the others are imported
    "tests.support.compiling",
    "tests.support.examples",
    "tests.support.fixtures",
    "tests.support.forking",
    "tests.support.scheduling",
    "tests.support.shared",
    "tests.support.simulated",
    "tests.support.tiers",
]
