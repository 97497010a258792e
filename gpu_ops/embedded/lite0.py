"""Vectors from EfficientNet-Lite0: what its last layer looks at, before it names anything.

The weights are those of the tags (`tags.py`). It was trained on photographs of single objects and
animals, so it knows more of those than of graphics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gpu_ops.embedded import tags, workers
from gpu_ops.interface import Identity, NoWords, require_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpu_ops.interface import Image

VERSION = "lite0-features@1"


class Lite0Embedder:
    """Vectors of 1,280 numbers. Runs on the CPU; needs the extra `tags`."""

    dimension = tags.FEATURES

    def __init__(self) -> None:
        self._tagger = tags.Tagger()

    @property
    def identity(self) -> Identity:
        parts = (VERSION, tags.SHA256, tags.ARCHITECTURE, tags.SIDE, tags.RESIZED)
        return Identity(
            engine="embedded-lite0",
            model=Path(tags.FILE).stem,
            revision="sha256:" + hashlib.sha256(repr(parts).encode()).hexdigest(),
            prompt="",
            determinism="numerical",
        )

    def check(self) -> None:
        """Raises ImportError where the weights are missing, `BadWeights` where they are altered."""
        tags.require_weights()

    def warm(self) -> None:
        """Raises what `check` raises."""
        self._tagger.warm()

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Vectors (n, 1280) of unit length. Raises `InvalidImage`."""
        import numpy as np

        require_images(images)
        if not images:
            return np.zeros((0, self.dimension), np.float32)
        self.warm()
        with tags.one_thread_each():
            found = np.stack(workers.each(self._tagger.features, images)).astype(np.float32)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        unit: NDArray[np.float32] = found / np.maximum(lengths, np.finfo(np.float32).tiny)
        return unit

    def embed_words(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Raises `NoWords`."""
        raise NoWords("EfficientNet-Lite0 is a network of images alone, and knows no words")
