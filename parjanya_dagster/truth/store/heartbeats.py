"""The last heartbeat of each loop. Heartbeats can be deleted: nothing may depend on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from parjanya_dagster.truth.models import Heartbeat


class Heartbeats(Protocol):
    """Heartbeats of loops."""

    def beat(self, name: str, now: float, payload: Mapping[str, Any]) -> None:
        """Record that a loop completed."""

    def heartbeats(self, family: str = "") -> dict[str, Heartbeat]:
        """The last beats of the loops; with a family, those whose name is `family:…`."""

    def forget(self, names: Sequence[str]) -> None:
        """Drop the heartbeats of what has ended."""
