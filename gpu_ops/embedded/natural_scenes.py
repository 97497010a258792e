"""NIQE and BRISQUE: how far an image's statistics are from those of natural scenes.

The steps are those of the packages that ship the weights (`weights/NOTICE`), because weights only
mean something behind the features they were fitted on: pyiqa's own BRISQUE halves with another
filter and scales by other ranges, and is up to 25 points away. The tests hold the packages' own
scores.

One thing is stated that the packages leave to rounding: the contrast of a flat area is zero
(`contrast.FLAT`), and each metric says on which side of zero that counts. Brightness is computed in
whole numbers and all else in float64, so that the same pixels have the same score on every
processor, to 0.01.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from gpu_ops.embedded import contrast, halving, luma, weights
from gpu_ops.embedded.gaussian_fit import fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = "natural-scenes@3"

BLOCK = 96  # NIQE's block, at the first of its two scales
SMALLEST_SIDE = 32  # BRISQUE halves the image once and looks through a window of 7

# BRISQUE's package counts zero as positive. So small a value does that and changes no moment.
POSITIVE_ZERO = 1e-150


@dataclass(frozen=True)
class Pristine:
    """NIQE's Gaussian over the features of good photographs."""

    mean: NDArray[np.float64]  # (36,)
    covariance: NDArray[np.float64]  # (36, 36)


@dataclass(frozen=True)
class Regression:
    """BRISQUE's support vector regression with a radial kernel."""

    vectors: NDArray[np.float64]  # (n, 36), of features scaled to -1..1
    coefficients: NDArray[np.float64]  # (n,)
    gamma: float
    rho: float
    low: NDArray[np.float64]  # (36,), the feature's value that is scaled to -1
    high: NDArray[np.float64]  # (36,), and to 1

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores (b,) of features (b, 36)."""
        import numpy as np

        scaled = -1 + 2 * (features - self.low) / (self.high - self.low)
        distance = ((scaled[:, None] - self.vectors) ** 2).sum(axis=-1)
        result: NDArray[np.float64] = np.exp(-self.gamma * distance) @ self.coefficients - self.rho
        return result


@cache
def pristine() -> Pristine:
    import numpy as np

    (data,) = weights.read("niqe").values()
    arrays = np.load(io.BytesIO(data), allow_pickle=False)
    return Pristine(arrays["mu_pris_param"].reshape(-1), arrays["cov_pris_param"])


@cache
def regression() -> Regression:
    import numpy as np

    files = weights.read("brisque")
    header, _, body = files["brisque_svm.txt"].decode("ascii").partition("SV\n")
    settings = dict(line.split(maxsplit=1) for line in header.splitlines())
    rows = [line.split() for line in body.splitlines()]
    vectors = np.zeros((len(rows), 36))
    for vector, row in zip(vectors, rows, strict=True):
        for entry in row[1:]:
            index, value = entry.split(":")
            vector[int(index) - 1] = float(value)
    ranges = json.loads(files["brisque_ranges.json"])
    return Regression(
        vectors=vectors,
        coefficients=np.array([float(row[0]) for row in rows]),
        gamma=float(settings["gamma"]),
        rho=float(settings["rho"]),
        low=np.array(ranges["min"]),
        high=np.array(ranges["max"]),
    )


def brisque(stack: NDArray[np.uint8]) -> list[float | None]:
    """BRISQUE of images (n, h, w, 3): about 0 is best, about 100 worst; it may pass either.

    None where it is undefined: on a flat image, and on one smaller than `SMALLEST_SIDE`.
    """
    import cv2
    import numpy as np

    if min(stack.shape[1:3]) < SMALLEST_SIDE:
        return [None] * len(stack)
    grey = luma.of_scikit_image(stack)
    half = np.stack(
        [cv2.resize(i, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_CUBIC) for i in grey]
    )
    features = [_brisque_features(scale) for scale in (grey, half)]
    scores = regression()(np.concatenate(features, axis=-1))
    return [float(score) if np.isfinite(score) else None for score in scores]


def _brisque_features(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """18 features of each image of a stack (n, h, w), of 255: (n, 18)."""
    import numpy as np
    from scipy.special import gammaln

    values = contrast.normalised(grey, "constant")
    found = fit(_without_zeros(values))
    features = [found.shape, (found.left**2 + found.right**2) / 2]
    for one, other in (
        (values[..., :-1], values[..., 1:]),
        (values[..., :-1, :], values[..., 1:, :]),
        (values[..., :-1, :-1], values[..., 1:, 1:]),
        (values[..., 1:, :-1], values[..., :-1, 1:]),
    ):
        found = fit(_without_zeros(one * other))
        spread = (gammaln(1 / found.shape) + gammaln(3 / found.shape)) / 2
        mean = (found.right - found.left) * np.exp(gammaln(2 / found.shape) - spread)
        features += [found.shape, mean, found.left**2, found.right**2]
    return np.stack(features, axis=-1)


def _without_zeros(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values of each image in a row, (n, h * w), where zero counts as positive."""
    import numpy as np

    return np.where(values == 0, POSITIVE_ZERO, values).reshape(len(values), -1)


def niqe(stack: NDArray[np.uint8]) -> list[float | None]:
    """NIQE of images (n, h, w, 3): lower is better; photographs lie between about 2 and 10.

    A contrast of zero counts as neither positive nor negative, as in MATLAB's original. A block
    whose contrasts, or products of neighbours, are not found on both sides of zero cannot be
    fitted at one of the scales: it is left out.
    None where it is undefined: it needs at least two blocks of `BLOCK` pixels that can be fitted.
    """
    import numpy as np

    rows, columns = (side // BLOCK for side in stack.shape[1:3])
    if rows * columns < 2:
        return [None] * len(stack)
    levels = luma.of_television(stack)[:, : rows * BLOCK, : columns * BLOCK].astype(np.float64)
    features = [
        _niqe_features(levels, BLOCK),
        _niqe_features(halving.halved(levels), BLOCK // 2),
    ]
    return [_distance(blocks) for blocks in np.concatenate(features, axis=-1)]


def _niqe_features(grey: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """18 features of each block of each image of a stack (n, h, w): (n, blocks, 18)."""
    import numpy as np
    from scipy.special import gammaln

    contrasts = contrast.normalised(grey, "replicate")
    images, height, width = contrasts.shape
    rows, columns = height // block, width // block
    values = (
        contrasts.reshape(images, rows, block, columns, block)
        .swapaxes(2, 3)
        .reshape(-1, block, block)
    )
    found = fit(values.reshape(len(values), -1))
    features = [found.shape, _beta(found.shape) * (found.left + found.right) / 2]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        neighbour = np.roll(values, shift, axis=(1, 2))
        found = fit((values * neighbour).reshape(len(values), -1))
        beta = _beta(found.shape)
        mean = np.exp(gammaln(2 / found.shape) - gammaln(1 / found.shape))
        left, right = found.left * beta, found.right * beta
        features += [found.shape, (right - left) * mean, left, right]
    return np.stack(features, axis=-1).reshape(images, rows * columns, -1)


def _beta(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scale of a generalized Gaussian of deviation 1."""
    import numpy as np
    from scipy.special import gammaln

    scale: NDArray[np.float64] = np.exp((gammaln(1 / shape) - gammaln(3 / shape)) / 2)
    return scale


def _distance(blocks: NDArray[np.float64]) -> float | None:
    """How far the features (b, 36) of an image's blocks are from those of good photographs."""
    import numpy as np

    model = pristine()
    fitted = blocks[~np.isnan(blocks).any(axis=-1)]
    if len(fitted) < 2:
        return None
    gap = model.mean - fitted.mean(axis=0)
    pooled = (model.covariance + np.cov(fitted.T)) / 2
    score = float(np.sqrt(gap @ np.linalg.pinv(pooled) @ gap))
    return score if np.isfinite(score) else None
