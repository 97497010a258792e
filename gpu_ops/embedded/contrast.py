"""Contrast over local contrast: what NIQE, BRISQUE and PIQE look at.

In a flat area nothing is left of the contrast but the rounding of sums. Its sign depends on the
processor, and features that count signs then do too. So a contrast under `FLAT` is exactly zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW, SIGMA = 7, 7 / 6

# In flat areas rounding leaves less than 1e-12. Elsewhere one grey level in a corner of the window
# leaves more than 1e-4 of contrast, and about 1e-8 once the image is halved.
FLAT = 1e-9


def normalised(
    grey: NDArray[np.float64], border: Literal["replicate", "constant"]
) -> NDArray[np.float64]:
    """Contrast of images (n, h, w), of 255, each over its local deviation and 1.

    `border` continues the image: by its last pixel, or by black.
    """
    import cv2
    import numpy as np

    kernel = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_64F)
    beyond = cv2.BORDER_REPLICATE if border == "replicate" else cv2.BORDER_CONSTANT
    result = np.empty_like(grey)
    for image, contrast in zip(grey, result, strict=True):
        mean: Any = cv2.sepFilter2D(image, -1, kernel, kernel, borderType=beyond)
        square: Any = cv2.sepFilter2D(image * image, -1, kernel, kernel, borderType=beyond)
        np.subtract(image, mean, out=contrast)
        mean *= mean
        square -= mean
        deviation = np.sqrt(np.abs(square, out=square), out=square)
        deviation += 1
        contrast /= deviation
        contrast[np.abs(contrast, out=deviation) < FLAT] = 0.0
    return result
