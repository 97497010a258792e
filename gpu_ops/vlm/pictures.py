"""From an image to what the model's vision tower takes. Runs on the CPU, ahead of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpu_ops.interface import require_images

if TYPE_CHECKING:
    from gpu_ops.interface import Image

MOST_ELONGATED = 100  # the processors refuse a longer side of 200 times the shorter


@dataclass(frozen=True)
class Picture:
    """One image, ready for the model."""

    patches: Any  # (patches, values per patch), of the model's dtype, pinned where CUDA is used
    grid: tuple[int, int, int]  # frames (1), height and width in patches
    merge: int  # patches per token, along each side

    @property
    def tokens(self) -> tuple[int, int]:
        """Height and width in tokens."""
        return self.grid[1] // self.merge, self.grid[2] // self.merge

    @property
    def size(self) -> int:
        return self.tokens[0] * self.tokens[1]


class Preparer:
    """Shrinks, normalizes and cuts images into patches. Safe to use from threads."""

    def __init__(self, image_processor: Any, visual_tokens: int, dtype: Any, pin: bool) -> None:
        self._processor = image_processor
        self._dtype = dtype
        self._pin = pin
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
        height, width = image.shape[:2]
        if max(height, width) > MOST_ELONGATED * min(height, width):
            # A line: its edge is repeated until it is a stripe.
            least = -(-max(height, width) // MOST_ELONGATED)
            missing = ((0, max(0, least - height)), (0, max(0, least - width)), (0, 0))
            image = np.pad(image, missing, mode="edge")
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        prepared = self._processor(
            images=[pixels],
            size=self._size,
            input_data_format="channels_first",
            return_tensors="pt",
        )
        patches = prepared["pixel_values"].to(self._dtype)
        frames, high, wide = (int(number) for number in prepared["image_grid_thw"][0])
        if self._pin:
            patches = patches.pin_memory()
        return Picture(patches, (frames, high, wide), int(self._processor.merge_size))
