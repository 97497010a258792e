"""Chromaticities of red, green, blue and white, and the way from each such set to sRGB's.

Numbers of the sets are those of ITU-T H.273 ("coding-independent code points"), which AVIF, HEIC
and PNG's cICP share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np

# (x, y) of red, green, blue and white.
Chromaticities = tuple[float, float, float, float, float, float, float, float]

_D65: Final = (0.3127, 0.3290)
_C: Final = (0.310, 0.316)
SRGB: Final[Chromaticities] = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *_D65)
BT2020: Final[Chromaticities] = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65)

# 2 means "unspecified", for which both AVIF and HEIC say to take sRGB's.
BY_CODE: Final[dict[int, Chromaticities]] = {
    1: SRGB,
    2: SRGB,
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, *_C),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, *_C),
    9: BT2020,
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *_D65),
}

_BRADFORD: Final = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def luminances(primaries: Chromaticities) -> np.ndarray:
    """How much of the luminance of white each primary gives: three numbers that sum to 1."""
    row: np.ndarray = _to_xyz(primaries)[1]
    return row


def matrix_to_srgb(primaries: Chromaticities) -> np.ndarray:
    """3×3: linear light in `primaries` to linear light in sRGB's, white onto white (Bradford).

    Raises ValueError where the chromaticities span no colours.
    """
    import numpy as np

    bradford = np.array(_BRADFORD)
    source, target = (bradford @ _white(p) for p in (primaries, SRGB))
    adapt = np.linalg.inv(bradford) @ np.diag(target / source) @ bradford
    matrix: np.ndarray = np.linalg.inv(_to_xyz(SRGB)) @ adapt @ _to_xyz(primaries)
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 100:
        raise ValueError("these chromaticities span no colours")
    return matrix


def _to_xyz(primaries: Chromaticities) -> np.ndarray:
    import numpy as np

    x, y = np.array(primaries[:6]).reshape(3, 2).T
    if (y <= 0).any():
        raise ValueError("these chromaticities span no colours")
    columns = np.array([x / y, np.ones(3), (1 - x - y) / y])
    try:
        scale = np.linalg.solve(columns, _white(primaries))
    except np.linalg.LinAlgError as error:
        raise ValueError("these chromaticities span no colours") from error
    matrix: np.ndarray = columns * scale
    return matrix


def _white(primaries: Chromaticities) -> np.ndarray:
    import numpy as np

    x, y = primaries[6:]
    if y <= 0:
        raise ValueError("these chromaticities have no white")
    return np.array([x / y, 1.0, (1 - x - y) / y])
