"""From an image to what the model's vision tower takes. Runs on the CPU, ahead of the model."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpu_ops.interface import require_images
from gpu_ops.vlm import categories

if TYPE_CHECKING:
    from gpu_ops.interface import Image

MOST_ELONGATED = 100  # the processors refuse a longer side of 200 times the shorter


@dataclass(frozen=True)
class Picture:
    """One image, ready for the model."""

    patches: Any  # (patches, values per patch), of the model's dtype
    grid: tuple[int, int, int]  # frames (1), height and width in patches
    merge: int  # patches per token, along each side
    sampled: bool  # asked about in all orders of the labels, whatever the first answer

    @property
    def tokens(self) -> tuple[int, int]:
        """Height and width in tokens."""
        return self.grid[1] // self.merge, self.grid[2] // self.merge

    @property
    def size(self) -> int:
        return self.tokens[0] * self.tokens[1]


class Preparer:
    """Shrinks, normalizes and cuts images into patches. Safe to use from threads."""

    def __init__(
        self, image_processor: Any, visual_tokens: int, dtype: Any, *, beside_gpu: bool
    ) -> None:
        self._processor = image_processor
        self._dtype = dtype
        self._beside_gpu = beside_gpu
        side = image_processor.patch_size * image_processor.merge_size
        most = visual_tokens * side * side
        self._size = {
            "shortest_edge": min(int(image_processor.size["shortest_edge"]), most),
            "longest_edge": most,
        }

    def __call__(self, image: Image) -> Picture:
        """Raises InvalidImage where the array is not an upright RGB image."""
        import numpy as np
        import torch

        require_images([image])
        if self._beside_gpu:
            _alone()
        sampled = categories.sampled(image.tobytes())
        image = stripe(image)
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        prepared = self._processor(
            images=[pixels],
            size=self._size,
            input_data_format="channels_first",
            return_tensors="pt",
        )
        patches = prepared["pixel_values"].to(self._dtype)
        frames, high, wide = (int(number) for number in prepared["image_grid_thw"][0])
        return Picture(patches, (frames, high, wide), int(self._processor.merge_size), sampled)


def stripe(image: Image) -> Image:
    """The image; of a line, whose sides processors refuse, the edge is repeated to a stripe."""
    import numpy as np

    height, width = image.shape[:2]
    if max(height, width) <= MOST_ELONGATED * min(height, width):
        return image
    least = -(-max(height, width) // MOST_ELONGATED)
    missing = ((0, max(0, least - height)), (0, max(0, least - width)), (0, 0))
    return np.pad(image, missing, mode="edge")


_thread = threading.local()


def _alone() -> None:
    """Have torch use this thread alone for what it does here.

    Otherwise each thread that prepares gets helpers of its own, one per core. Only beside a GPU: a
    model on the CPU needs its helpers.
    """
    if not getattr(_thread, "alone", False):
        import torch

        torch.set_num_threads(1)
        _thread.alone = True
