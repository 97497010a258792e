"""NIQE and BRISQUE: how far an image's statistics are from those of natural scenes.

The fits of the distributions, the colour conversion and the resizing are pyiqa's. The steps around
them are those of the packages that ship the weights (`weights/NOTICE`), because weights only mean
something behind the features they were fitted on: pyiqa's own BRISQUE halves with another filter
and scales by other ranges, and is up to 25 points away. The tests hold the packages' own scores.

All is computed in float64: of two images with a flat area, rounding alone may move a score.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded import weights
from gpu_ops.torchvision_cure import cure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = "natural-scenes@1"

BLOCK = 96  # NIQE's block, at the first of its two scales
SMALLEST_SIDE = 32  # BRISQUE halves the image once and looks through a window of 7
WINDOW, SIGMA = 7, 7 / 6

# Of a flat area nothing is left but rounding. It counts as zero, and zero counts as positive,
# as in the package: a value this small does so without changing any moment.
ROUNDING, POSITIVE_ZERO = 1e-12, 1e-150


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
    grey = stack @ np.array([0.2125, 0.7154, 0.0721])
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
            features.append(_brisque_features(torch.from_numpy(grey)[:, None]))
    scores = model(torch.cat(features, dim=-1).numpy())
    return [float(score) if np.isfinite(score) else None for score in scores]


def _brisque_features(grey: Any) -> Any:
    """18 features of each image of a stack (n, 1, h, w), of 255."""
    import torch

    cure()
    from pyiqa.archs.func_util import estimate_aggd_param

    def fit(values: Any) -> tuple[Any, Any, Any]:
        positive = torch.full_like(values, POSITIVE_ZERO)
        values = torch.where(values.abs() <= ROUNDING, positive, values)
        shape, left, right = estimate_aggd_param(values, return_sigma=True)
        return shape, left, right

    contrast = _normalised(grey, "constant")
    shape, left, right = fit(contrast)
    features = [shape, (left**2 + right**2) / 2]
    for one, other in (
        (contrast[..., :-1], contrast[..., 1:]),
        (contrast[..., :-1, :], contrast[..., 1:, :]),
        (contrast[..., :-1, :-1], contrast[..., 1:, 1:]),
        (contrast[..., 1:, :-1], contrast[..., :-1, 1:]),
    ):
        shape, left, right = fit(one * other)
        spread = (torch.lgamma(1 / shape) + torch.lgamma(3 / shape)) / 2
        logarithm = torch.lgamma(2 / shape) - spread
        features += [shape, (right - left) * logarithm.exp(), left**2, right**2]
    return torch.stack([feature.reshape(-1) for feature in features], dim=-1)


def niqe(stack: NDArray[np.uint8]) -> list[float | None]:
    """NIQE of images (n, h, w, 3): lower is better; photographs lie between about 2 and 10.

    None where it is undefined: it needs at least two blocks of `BLOCK` pixels that are not flat.
    """
    import numpy as np
    import torch

    rows, columns = (side // BLOCK for side in stack.shape[1:3])
    if rows * columns < 2:
        return [None] * len(stack)
    model = pristine()
    cure()
    from pyiqa.archs.niqe_arch import compute_feature
    from pyiqa.matlab_utils import blockproc, imresize, nancov, nanmean
    from pyiqa.utils.color_util import to_y_channel

    with torch.inference_mode():
        image = torch.from_numpy(stack.astype(np.float32)).permute(0, 3, 1, 2) / 255
        luma = to_y_channel(image, 255.0, "ycbcr").round().double()
        luma = luma[..., : rows * BLOCK, : columns * BLOCK]
        small = imresize(luma / 255, scale=0.5, antialiasing=True) * 255
        features = torch.cat(
            [
                blockproc(_normalised(luma, "replicate"), BLOCK, compute_feature),
                blockproc(_normalised(small, "replicate"), BLOCK // 2, compute_feature),
            ],
            dim=-1,
        )  # (n, blocks, 36)
        scores: list[float | None] = []
        for blocks in features:
            if int((~blocks.isnan().any(dim=-1)).sum()) < 2:
                scores.append(None)
                continue
            mean, covariance = nanmean(blocks[None], dim=1)[0], nancov(blocks[None])[0]
            gap = torch.from_numpy(model.mean) - mean
            pooled = (torch.from_numpy(model.covariance) + covariance) / 2
            score = float((gap @ torch.linalg.pinv(pooled) @ gap).sqrt())
            scores.append(score if np.isfinite(score) else None)
    return scores


def _normalised(luma: Any, border: str) -> Any:
    """Contrast over local contrast, of a stack (n, 1, h, w). `border` continues the image."""
    import torch
    from torch.nn import functional

    distance = torch.arange(WINDOW, dtype=luma.dtype) - WINDOW // 2
    kernel = torch.exp(-(distance**2) / (2 * SIGMA**2))
    kernel /= kernel.sum()
    reach = WINDOW // 2

    def smooth(values: Any) -> Any:
        padded = functional.pad(values, (reach,) * 4, mode=border)
        across = functional.conv2d(padded, kernel.view(1, 1, 1, -1))
        return functional.conv2d(across, kernel.view(1, 1, -1, 1))

    mean = smooth(luma)
    deviation = (smooth(luma**2) - mean**2).abs().sqrt()
    return (luma - mean) / (deviation + 1)
