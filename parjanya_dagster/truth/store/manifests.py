"""Which batches changed, and which need a new manifest because a decision in them did."""

from __future__ import annotations

from typing import Protocol


class Manifests(Protocol):
    """Changes of batches, and whether their manifests show them."""

    def stale_manifests(self) -> dict[str, int]:
        """Batches whose decided rows changed since their manifest was written.

        The number counts all such changes. Read it before the rows, and pass it to
        `manifest_written`.
        """

    def decided(self, batch: str) -> int:
        """How many changes of decided rows a batch has had, whether its manifest shows them."""

    def manifest_written(self, batch: str, decided: int) -> None:
        """Record that the manifest of a batch shows all changes up to that count."""

    def batch_marks(self) -> dict[str, str]:
        """Every batch, with a mark of what it holds.

        The mark changes when rows are added to the batch, and when one that is decided or failed
        changes or becomes so. The cost grows with the batches, not with their rows.
        """
