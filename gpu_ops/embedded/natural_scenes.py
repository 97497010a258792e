"""NIQE and BRISQUE: how far an image's statistics are from those of natural scenes.

The fits of the distributions and the resizing are pyiqa's. The steps around them are those of the
packages that ship the weights (`weights/NOTICE`), because weights only mean something behind the
features they were fitted on: pyiqa's own BRISQUE halves with another filter and scales by other
ranges, and is up to 25 points away. The tests hold the packages' own scores.

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
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded import contrast, luma, weights
from gpu_ops.torchvision_cure import cure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = "natural-scenes@2"

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
    import torch

    if min(stack.shape[1:3]) < SMALLEST_SIDE:
        return [None] * len(stack)
    model = regression()
    grey = luma.of_scikit_image(stack)
    features = []
    with torch.inference_mode():
        for scale in (1, 2):
            if scale == 2:
                grey = np.stack(
                    [
                        cv2.resize(i, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_CUBIC)
                        for i in grey
                    ]
                )
            features.append(_brisque_features(grey))
    scores = model(torch.cat(features, dim=-1).numpy())
    return [float(score) if np.isfinite(score) else None for score in scores]


def _brisque_features(grey: NDArray[np.float64]) -> Any:
    """18 features of each image of a stack (n, h, w), of 255."""
    import torch

    cure()
    from pyiqa.archs.func_util import estimate_aggd_param

    def fit(sample: Any) -> tuple[Any, Any, Any]:
        sample = sample.masked_fill(sample == 0, POSITIVE_ZERO)
        shape, left, right = estimate_aggd_param(sample, return_sigma=True)
        return shape, left, right

    values = torch.from_numpy(contrast.normalised(grey, "constant"))[:, None]
    shape, left, right = fit(values)
    features = [shape, (left**2 + right**2) / 2]
    for one, other in (
        (values[..., :-1], values[..., 1:]),
        (values[..., :-1, :], values[..., 1:, :]),
        (values[..., :-1, :-1], values[..., 1:, 1:]),
        (values[..., 1:, :-1], values[..., :-1, 1:]),
    ):
        shape, left, right = fit(one * other)
        spread = (torch.lgamma(1 / shape) + torch.lgamma(3 / shape)) / 2
        logarithm = torch.lgamma(2 / shape) - spread
        features += [shape, (right - left) * logarithm.exp(), left**2, right**2]
    return torch.stack([feature.reshape(-1) for feature in features], dim=-1)


def niqe(stack: NDArray[np.uint8]) -> list[float | None]:
    """NIQE of images (n, h, w, 3): lower is better; photographs lie between about 2 and 10.

    A contrast of zero counts as neither positive nor negative, as in MATLAB's original. A block
    whose contrasts, or products of neighbours, are not found on both sides of zero cannot be
    fitted at one of the scales: it is left out.
    None where it is undefined: it needs at least two blocks of `BLOCK` pixels that can be fitted.
    """
    import numpy as np
    import torch

    rows, columns = (side // BLOCK for side in stack.shape[1:3])
    if rows * columns < 2:
        return [None] * len(stack)
    model = pristine()
    cure()
    from pyiqa.archs.niqe_arch import compute_feature
    from pyiqa.matlab_utils import blockproc, imresize

    levels = luma.of_television(stack)[:, : rows * BLOCK, : columns * BLOCK].astype(np.float64)

    def features_of(grey: NDArray[np.float64], block: int) -> Any:
        """(n, blocks, 18)"""
        values = torch.from_numpy(contrast.normalised(grey, "replicate"))
        return blockproc(values[:, None], block, compute_feature)

    with torch.inference_mode():
        half = imresize(torch.from_numpy(levels)[:, None] / 255, scale=0.5, antialiasing=True) * 255
        features = torch.cat(
            [features_of(levels, BLOCK), features_of(half[:, 0].numpy(), BLOCK // 2)], dim=-1
        )  # (n, blocks, 36)
        scores: list[float | None] = []
        for blocks in features:
            fitted = blocks[~blocks.isnan().any(dim=-1)]
            if len(fitted) < 2:
                scores.append(None)
                continue
            gap = torch.from_numpy(model.mean) - fitted.mean(dim=0)
            pooled = (torch.from_numpy(model.covariance) + fitted.T.cov()) / 2
            score = float((gap @ torch.linalg.pinv(pooled) @ gap).sqrt())
            scores.append(score if np.isfinite(score) else None)
    return scores
