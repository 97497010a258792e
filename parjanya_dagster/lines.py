"""Loggers that import structlog with the first line that is written.

Importing it takes as long as a short command has in all, and most commands write no line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

_configure: list[Callable[[], None]] = []


def get_logger(name: str) -> BoundLogger:
    """As structlog's, without the import."""
    return cast("BoundLogger", _Unopened(name))


def configure_at_first(configure: Callable[[], None]) -> None:
    """Call this before the first line is written, and not at all where none is."""
    _configure[:] = [configure]


class _Unopened:
    """Stands for a logger of structlog. Each use asks for it anew, as its own proxies do."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        while _configure:
            _configure.pop()()
        import structlog

        return getattr(structlog.get_logger(self._name), attribute)
