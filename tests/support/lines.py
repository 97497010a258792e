"""Where lines of logs go in tests: to standard error, as in every command."""

from __future__ import annotations

import sys
from typing import Any

import structlog


def to_standard_error() -> None:
    """Else a thread that an earlier test left would write between the JSON of a command that runs
    in this process."""
    structlog.reset_defaults()
    structlog.configure(logger_factory=_logger)


def _logger(*_: Any) -> structlog.PrintLogger:
    return structlog.PrintLogger(sys.stderr)  # of the moment: tests put others in its place
