"""Loggers that import structlog late."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from parjanya_dagster import lines
log = lines.get_logger("test")
lines.configure_at_first(lambda: print("configured"))
assert "structlog" not in sys.modules
log.warning("something", why="a reason")
log.warning("something else")
assert "structlog" in sys.modules
"""


def test_structlog_is_imported_and_configured_once_with_the_first_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("configured") == 1
    assert done.stdout.index("configured") < done.stdout.index("something")
    assert done.stdout.count("something") == 2
