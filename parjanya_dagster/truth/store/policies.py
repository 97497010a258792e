"""The policy versions that were published. A version never changes."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.models import Published


class Policies(Protocol):
    """Published policy versions."""

    def publish(self, policy: Published) -> Published:
        """Publish a policy version. Publishing again changes nothing. Returns the recorded one.

        Raises PolicyConflict if the version is published with another hash.
        """

    def policy(self, ref: str) -> Published | None: ...

    def policies(self) -> list[Published]:
        """Every published policy version, in the order of refs."""
