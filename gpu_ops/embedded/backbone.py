"""What a network that was trained on photographs sees in an image: 5,844 numbers, no names.

EfficientNet-Lite0 without its classifier, packed by `tools/pack_backbone.py`. ONNX Runtime runs it
on the CPU, which the text reader brings; torch is not needed. Late maps say what is seen: their
means are taken. Of early maps it is taken which answers come together, which is the picture's
manner: grain, brush, the edges of a renderer. `photograph` says what the numbers mean.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded import weights
from gpu_ops.onnx_session import one_thread

if TYPE_CHECKING:
    from gpu_ops.interface import Image

VERSION = "backbone@2"
FILE = "efficientnet_lite0.onnx"
POOLED = 1904  # means of the channels: 112, 192 and 320 of its last stages, 1,280 of its head
MAPS = {"block4": 40, "block7": 80}  # of its third and fourth stage, and how many channels
PAIRS = tuple(channels * (channels - 1) // 2 for channels in MAPS.values())
NUMBERS = POOLED + sum(PAIRS)
LEAST = 1e-3  # added to a deviation: a channel that says one thing everywhere goes with none

AREA = 224 * 224  # pixels of the copy that it sees, whatever the shape
STEP = 32  # its sides are multiples of this
SHORTEST, LONGEST = 64, 768


class Backbone:
    """One pass per image, one thread each. Safe to call from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Any = None

    def warm(self) -> None:
        """Raises `BadWeights` where the file is missing or altered."""
        with self._lock:
            if self._session is None:
                self._session = one_thread(weights.read("backbone")[FILE])

    def look(self, image: Image) -> Any:
        """Return `NUMBERS` numbers, float32, for an RGB image (h, w, 3)."""
        import numpy as np

        self.warm()
        pooled, *maps = self._session.run(["pooled", *MAPS], {"pixels": shrunk(image)})
        return np.concatenate([pooled[0], *(correlations(each[0]) for each in maps)])


def correlations(answers: Any) -> Any:
    """How each pair of channels goes together over a map (c, h, w): c·(c - 1)/2 numbers, -1..1."""
    import numpy as np

    flat = answers.reshape(len(answers), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    # Not by BLAS: the threads that it keeps would take the processor from the next image.
    together = np.einsum("ik,jk->ij", flat, flat) / flat.shape[1]
    deviation = np.sqrt(np.diagonal(together)) + np.float32(LEAST)
    first, second = np.triu_indices(len(flat), k=1)
    return together[first, second] / (deviation[first] * deviation[second])


def shrunk(image: Image) -> Any:
    """The whole image in its own shape, with about `AREA` pixels: (1, 3, h, w), -1..1."""
    import cv2
    import numpy as np

    height, width = image.shape[:2]
    scale = (AREA / (height * width)) ** 0.5
    size = [
        min(LONGEST, max(SHORTEST, round(side * scale / STEP) * STEP)) for side in (width, height)
    ]
    copy: Any = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return ((copy.astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[None]
