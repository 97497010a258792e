"""No-reference quality metrics from pyiqa, run on stacks of equal shape."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded import contrast, luma
from gpu_ops.torchvision_cure import cure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = "piqe@2"

SMALLEST_SIDE = 32  # piqe needs a few whole blocks of 16 pixels
BLOCK, SEGMENT = 16, 6  # pixels: of a block's side, and of the pieces of its border
ACTIVE, IMPAIRED = 0.1, 0.1  # deviations of contrast


def load_piqe() -> Any:
    """Import pyiqa's PIQE alone: a third of the time that `create_metric` takes."""
    cure()
    from pyiqa.archs import piqe_arch

    return piqe_arch


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep torch from spreading one small stack over all cores while others wait for them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def piqe(stack: NDArray[np.uint8]) -> list[float | None]:
    """PIQE of images (n, h, w, 3): 0 is best, 100 worst. None where it is undefined.

    It is undefined on an image without any light (it divides by the brightest pixel) and on one
    smaller than `SMALLEST_SIDE`.

    What a block is blamed for is decided by pyiqa's functions. pyiqa itself computes in float32:
    there the variance of a bright, calm area is off by a hundredth of a level, and decides by that
    whether a block counts. So levels are whole numbers here, and all else is float64.
    """
    import numpy as np
    import torch

    height, width = stack.shape[1:3]
    if min(height, width) < SMALLEST_SIDE:
        return [None] * len(stack)
    criteria = load_piqe()
    # As pyiqa continues an image whose sides are no multiple of the block's.
    beyond = ((0, 0), (0, height % BLOCK), (0, width % BLOCK))
    levels = np.pad(luma.stretched(stack), beyond, mode="symmetric").astype(np.float64)
    with torch.inference_mode():
        values = torch.from_numpy(contrast.normalised(levels, "replicate"))
        blocks = values.unfold(1, BLOCK, BLOCK).unfold(2, BLOCK, BLOCK).flatten(1, 2).contiguous()
        variance = blocks.var(dim=(2, 3))
        deviation, surround = criteria.noise_criterion(blocks, BLOCK - 1, variance)
        noisy = deviation > 2 * surround
        impaired = criteria.notice_dist_criterion(blocks, SEGMENT, IMPAIRED, BLOCK)
        active = variance > ACTIVE
        blame = active * (impaired * (1 - variance) + noisy * variance)
        scores = (100 * (blame.sum(dim=1) + 1) / (active.sum(dim=1) + 1)).tolist()
    lit = stack.reshape(len(stack), -1).max(axis=1) > 0
    return [float(s) if ok and s == s else None for s, ok in zip(scores, lit, strict=True)]
