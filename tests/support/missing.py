"""What a test says where a program is not installed."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(program: str, install: str) -> NoReturn:
    """Skip the test, with the command that installs the program. Under CI, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must test with {program}: {install}")
    pytest.skip(f"{program} is not installed: {install}")
