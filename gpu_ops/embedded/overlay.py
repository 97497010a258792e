"""Text that was laid over a picture: captions, date stamps, marks of ownership.

Nothing is learned. A program draws letters along the sides of the picture, with edges as crisp as
they can be. A camera sees most of them leaning, or softened by its lens. So a box of the text
detector counts if it is upright and crisp. What the detector does not see is not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpu_ops.interface import Image

    Quad = NDArray[np.float32]

VERSION = "overlay@1"
LEAN = 2.0  # degrees that a box may lean
CRISP = 2.9  # gradient of the sharpest edges, in contrasts of letters and ground
LEAST, MOST = 10, 120  # pixels of a box's height: there are no letters inside smaller ones
EDGE = 0.15  # of the picture's sides: near its border


@dataclass(frozen=True)
class Overlay:
    """Boxes of text that look laid over the picture."""

    boxes: int
    area_share: float  # of the picture, under these boxes
    at_edge: int  # how many of them lie near the picture's border

    def as_dict(self) -> dict[str, Any]:
        return {
            "boxes": self.boxes,
            "area_share": round(self.area_share, 4),
            "at_edge": self.at_edge,
        }


def look(image: Image, quads: Sequence[Quad]) -> Overlay:
    """Judge boxes (4 corners each, clockwise from top left) of an RGB image (h, w, 3)."""
    import cv2

    height, width = image.shape[:2]
    found = [quad for quad in quads if laid_over(image, quad)]
    area = sum(float(cv2.contourArea(quad)) for quad in found)
    return Overlay(
        boxes=len(found),
        area_share=min(1.0, area / (height * width)),
        at_edge=sum(_at_edge(quad, height, width) for quad in found),
    )


def laid_over(image: Image, quad: Quad) -> bool:
    """Whether a box of text is upright and crisp."""
    import cv2
    import numpy as np

    height, width = image.shape[:2]
    left, top = np.floor(quad.min(axis=0)).astype(int).clip(0)
    right, bottom = np.minimum(np.ceil(quad.max(axis=0)).astype(int), (width, height))
    if not LEAST <= min(bottom - top, right - left) <= MOST or _lean(quad) > LEAN:
        return False
    luma = cv2.cvtColor(np.ascontiguousarray(image[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    level, _ = cv2.threshold(luma, 0, 255, cv2.THRESH_OTSU)
    light, dark = luma[luma > level], luma[luma <= level]
    if not len(light) or not len(dark):
        return False
    contrast = max(1.0, float(np.median(light)) - float(np.median(dark)))
    across, down = (cv2.Sobel(luma, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return float(np.percentile(np.hypot(across, down), 95)) / contrast >= CRISP


def _lean(quad: Quad) -> float:
    """Degrees between the picture's sides and the box's long sides, the larger of both."""
    import numpy as np

    sides = quad[[1, 2]] - quad[[0, 3]]
    angles = np.degrees(np.arctan2(sides[:, 1], sides[:, 0])) % 90
    return float(np.minimum(angles, 90 - angles).max())


def _at_edge(quad: Quad, height: int, width: int) -> bool:
    across, down = quad.mean(axis=0) / (width, height)
    return bool(min(across, down, 1 - across, 1 - down) < EDGE)
