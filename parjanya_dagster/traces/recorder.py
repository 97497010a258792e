"""What records spans: the part of OpenTelemetry that is used here, without importing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

Value = str | int | float | Sequence[str]
Attributes = Mapping[str, Value]


class Span(Protocol):
    """What has begun and is recorded when it ends."""

    def child(self, name: str, attributes: Attributes) -> Span: ...
    def set(self, attributes: Attributes) -> None: ...
    def end(self, error: BaseException | None = None) -> None: ...


class Recorder(Protocol):
    """Where spans go."""

    def run(self, run_id: str, attributes: Attributes) -> Span:
        """Begin the first span of a run. Its trace follows from the id, in whichever process."""


class Unsupported(Exception):
    """The variables ask for what there is not."""
