"""What a detector is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gpu_ops.interface import Image


class Detector(Protocol):
    """Answers one question about an image. Safe to call from many threads."""

    @property
    def name(self) -> str:
        """Also the field of the evidence body that it fills."""

    @property
    def model(self) -> str:
        """Which model it runs, by name and version."""

    @property
    def revision(self) -> str:
        """Everything that can change its answer: code version, weights, thresholds.

        Reads no file, so that it is known where a package is missing.
        """

    def check(self) -> None:
        """Look for what is needed without loading it.

        Raises ImportError, which says what to install, and `BadWeights` where weights are altered.
        """

    def warm(self) -> None:
        """Load every model now. Raises what `check` raises."""

    def see(self, image: Image) -> Any:
        """What it finds in the pixels of an RGB image (h, w, 3); None where it looks at none.

        It may run before and beside the engine.
        """

    def tell(self, seen: Any, body: Mapping[str, Any]) -> dict[str, Any]:
        """What is recorded: from what was seen, and from the engine's own evidence."""
