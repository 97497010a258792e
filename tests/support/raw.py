"""Raw photographs as cameras write them."""

from __future__ import annotations

import io

import numpy as np
import tifffile
from PIL import Image


def dng(photo: Image.Image, orientation: int = 1) -> bytes:
    """A DNG as a camera writes it, without preview: one colour per pixel, linear, 14 bits."""
    rgb = np.asarray(photo, np.float64) / 255
    linear = (rgb**2.2 * 16000 + 200).astype(np.uint16)
    mosaic = np.zeros(linear.shape[:2], np.uint16)
    for (row, column), band in {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 2}.items():
        mosaic[row::2, column::2] = linear[row::2, column::2, band]
    matrix = [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]
    out = io.BytesIO()
    tifffile.imwrite(
        out,
        mosaic,
        photometric="cfa",
        extratags=[
            (50706, "B", 4, (1, 4, 0, 0), True),
            (50707, "B", 4, (1, 1, 0, 0), True),
            (33421, "H", 2, (2, 2), True),
            (33422, "B", 4, (0, 1, 1, 2), True),
            (50708, "s", 0, "Test Camera", True),
            (50714, "H", 1, 200, True),
            (50717, "H", 1, 16200, True),
            (50721, "2i", 9, matrix, True),
            (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),
            (50778, "H", 1, 21, True),
            (271, "s", 0, "Test", True),
            (272, "s", 0, "Camera", True),
            (274, "H", 1, orientation, True),
        ],
    )
    return out.getvalue()
