"""No-reference quality metrics from pyiqa, run on stacks of equal shape."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gpu_ops.torchvision_cure import cure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SMALLEST_SIDE = 32  # piqe needs a few whole blocks of 16 pixels


def load_piqe() -> Any:
    """Import pyiqa's PIQE alone: a third of the time that `create_metric` takes."""
    cure()
    from pyiqa.archs.piqe_arch import piqe

    return piqe


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
    """
    import torch

    if min(stack.shape[1:3]) < SMALLEST_SIDE:
        return [None] * len(stack)
    measure = load_piqe()
    tensor = torch.from_numpy(stack).permute(0, 3, 1, 2).float().div_(255)
    with torch.inference_mode():
        scores = measure(tensor)[0].reshape(-1).tolist()
    lit = stack.reshape(len(stack), -1).max(axis=1) > 0
    return [float(s) if ok and s == s else None for s, ok in zip(scores, lit, strict=True)]
