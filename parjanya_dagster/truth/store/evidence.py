"""Evidence about images, and the events of their history. Nothing here is ever updated."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from parjanya_dagster.truth.models import Decided, Event, Evidence, ImageRow


class EvidenceLog(Protocol):
    """Evidence, decisions and events of images."""

    def evidence(
        self, rows: Sequence[ImageRow], stages: Collection[str] | None = None
    ) -> dict[str, dict[str, Evidence]]:
        """The current evidence of rows: image id -> stage -> evidence.

        With `stages`, of these alone: nothing else is read.
        """

    def all_evidence(self, image_id: str) -> list[Evidence]:
        """Everything ever found about an image, oldest first."""

    def history(self, image_id: str) -> list[Event]:
        """The events of an image, oldest first."""

    def decided_under(
        self, image_ids: Sequence[str], policy_hash: str
    ) -> dict[str, Mapping[str, Any]]:
        """The last recorded decision (the body) of images under one policy, by image id."""

    def decisions(self, image_ids: Sequence[str]) -> dict[str, list[Decided]]:
        """Every decision that was ever made on images, oldest first."""
